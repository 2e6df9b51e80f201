package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// bodyOf is the body that a URL answers with, or why there is none.
func bodyOf(ctx context.Context, url string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer got.Body.Close()
	body, _ := io.ReadAll(got.Body)
	if got.StatusCode != http.StatusOK {
		return fmt.Sprintf("%s: %s", got.Status, body)
	}
	return string(body)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// prometheus starts a Prometheus with a configuration, and returns what its targets are, each as host=health, in order.
func prometheus(t *testing.T, configuration string) func(context.Context) string {
	t.Helper()
	program := integration.Program(t, "prometheus", "prometheus is not installed: `make setup` installs it")
	dir, at := t.TempDir(), "127.0.0.1:"+port(t)
	put(t, dir+"/prometheus.yml", configuration)
	integration.Command{Path: program, Args: []string{"--config.file", dir + "/prometheus.yml", "--storage.tsdb.path", dir + "/data",
		"--web.listen-address", at, "--log.level", "warn"}}.Start(t)
	return func(ctx context.Context) string {
		var answer struct {
			Data struct {
				ActiveTargets []struct {
					Labels map[string]string
					Health string
				}
			}
		}
		text := bodyOf(ctx, "http://"+at+"/api/v1/targets?state=active")
		if err := json.Unmarshal([]byte(text), &answer); err != nil {
			return text
		}
		var targets []string
		for _, a := range answer.Data.ActiveTargets {
			targets = append(targets, a.Labels["instance"]+"="+a.Health)
		}
		slices.Sort(targets)
		return strings.Join(targets, " ")
	}
}

// scraped is an HTTP server with a metric.
func scraped(t *testing.T) *http.Server {
	t.Helper()
	return answering(t, "127.0.0.1:0", "matchmaker_test 1\n")
}

// Prometheus is told of the targets by HTTP, and by a file, which it reads again by itself. It takes either over every 5 s.
func TestPrometheusScrapesWhoIsThere(t *testing.T) {
	if testing.Short() {
		t.Skip("prometheus is more than Go")
	}
	t.Parallel()
	r := integration.StartRedis(t)
	sidecar := func(host string, more ...string) *integration.Process {
		return beatingSidecar(r, beating, fmt.Sprintf("node=%s,addr=%s,label.rack=%s", host, scraped(t).Addr, host), more...).Start(t)
	}
	ops := "127.0.0.1:" + port(t)
	asked := sidecar("a", "--listen", "off", "--listen-ops", ops)
	sidecar("b", "--listen", "off")
	file := t.TempDir() + "/nodes.json"
	integration.Matchmaker("watch", "node", "--format", "file_sd", "--out", file).With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
	targets := prometheus(t, `
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: nodes
    http_sd_configs: [{url: "http://`+ops+`/sd", refresh_interval: 200ms}]
    relabel_configs:
      - {source_labels: [__meta_matchmaker_label_rack], target_label: instance}
  - job_name: file
    file_sd_configs: [{files: ["`+file+`"]}]
    relabel_configs: [{source_labels: [__meta_matchmaker_host], target_label: instance}]
`)
	// both is what targets are if either way leads to hosts.
	both := func(hosts ...string) string {
		var all []string
		for _, host := range hosts {
			all = append(all, host+"=up", host+"=up")
		}
		return strings.Join(all, " ")
	}
	becomes(t, 3*soon, targets, both("a", "b"))
	c := sidecar("c", "--listen", "off")
	becomes(t, soon, targets, both("a", "b", "c"))
	c.Kill()
	becomes(t, soon, targets, both("a", "b"))
	r.Kill()
	asked.Says(soon, event(core.Degraded))
	stays(t, time.Second, targets, both("a", "b"))
	asked.Kill()
	asked = beatingSidecar(r, beating, "node=a", "--listen", "off", "--listen-ops", ops).Start(t) // it knows nothing, and says so
	listens(t, asked, "listen-ops")
	if got := bodyOf(t.Context(), "http://"+ops+"/sd"); !strings.HasPrefix(got, "503 ") {
		t.Errorf("a sidecar that knows nothing answers %s", got)
	}
	stays(t, time.Second, targets, both("a", "b"))
}
