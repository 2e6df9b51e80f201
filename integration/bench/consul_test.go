package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// consulBinary is where a consul is, or "": nobody publishes it as a module that `go install` takes.
func consulBinary() string {
	if path := os.Getenv("CONSUL"); path != "" {
		return path
	}
	path, _ := exec.LookPath("consul")
	return path
}

func consulVersion() string {
	if consulBinary() == "" {
		return "not measured: neither in the PATH nor named by the variable CONSUL"
	}
	out, err := exec.Command(consulBinary(), "version").Output()
	if err != nil {
		return "not measured: " + err.Error()
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first + ", one agent in dev mode"
}

// consul is an agent that is its own server, and keeps everything in memory.
type consul struct {
	url string
	to  *http.Client
}

// startConsul returns nil where there is none.
func startConsul(t *testing.T) *consul {
	t.Helper()
	if consulBinary() == "" {
		return nil
	}
	at := make([]string, 5)
	for i := range at {
		at[i] = port(freeAddress(t))
	}
	cmd := exec.Command(consulBinary(), "agent", "-dev", "-log-level=err", "-bind=127.0.0.1", "-http-port="+at[0], "-dns-port=-1",
		"-grpc-port=-1", "-server-port="+at[1], "-serf-lan-port="+at[2], "-serf-wan-port="+at[3])
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	c := &consul{"http://127.0.0.1:" + at[0], &http.Client{Timeout: time.Minute}}
	integration.Eventually(t, time.Minute, "consul has a leader", func() bool {
		var leader string
		return c.get(t.Context(), "/v1/status/leader", &leader) == nil && leader != ""
	})
	return c
}

func (c *consul) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, "GET", c.url+path, nil)
	if err != nil {
		return err
	}
	return c.do(request, into)
}

func (c *consul) do(request *http.Request, into any) error {
	r, err := c.to.Do(request)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("consul answers %s to %s", r.Status, request.URL)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, r.Body)
		return err
	}
	return json.NewDecoder(r.Body).Decode(into)
}

// add registers hosts, each with a check that passes.
func (c *consul) add(ctx context.Context, rs []core.Registration) error {
	for _, r := range rs {
		host, _, _ := strings.Cut(r.Addr, ":")
		text, err := json.Marshal(map[string]any{"ID": r.Host, "Name": r.Topic, "Address": host, "Port": 8774, "Meta": r.Labels,
			"Check": map[string]any{"TTL": ttl.String(), "Status": "passing"}})
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, "PUT", c.url+"/v1/agent/service/register", bytes.NewReader(text))
		if err == nil {
			err = c.do(request, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list asks the health endpoint for who passes, and decodes it.
func (c *consul) list(ctx context.Context, service string) (int, error) {
	var entries []struct {
		Service struct {
			ID, Address string
			Port        int
			Meta        map[string]string
		}
	}
	err := c.get(ctx, "/v1/health/service/"+service+"?passing", &entries)
	return len(entries), err
}
