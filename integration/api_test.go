package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/redismm/matchmaker/integration"
)

// The commands run as they stand; a file of curl's own leads their port to the sidecar's, and makes a status that is
// not 2xx an error.
func TestReadmesCurlCommandsWork(t *testing.T) {
	t.Parallel()
	r := integration.StartRedis(t)
	p := integration.Matchmaker("sidecar", "--listen", "127.0.0.1:0", "--register", "compute=node1,addr=127.0.0.1:8774").
		With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
	p.Says(soon, `"event":"registered"`)
	at := regexp.MustCompile(`"address":"([^"]*)"[^\n]*"message":"listen"`).FindStringSubmatch(p.Err())
	if at == nil {
		t.Fatal("it does not say where it listens")
	}
	home := t.TempDir()
	file := "fail-with-body\nsilent\nshow-error\nconnect-to = \"127.0.0.1:7766:" + at[1] + "\"\n"
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	says := map[string]string{ // what an answer holds, by what the command holds
		"resolve/compute ":   `"host":"node1"`,
		"fanout~compute":     `"host":"node1"`,
		"/v1/topics ":        `{"topics":["compute"]}`,
		"topics/compute ":    `"hosts":1,"up":1`,
		`"zone": "east"`:     `"standing":"valid"`,
		"registrations":      `"host":"web1"`,
		`"reason": "kernel"`: `"outcome":"draining"`,
		"DELETE":             `"outcome":"`,
		"POST":               `"outcome":"kept"`,
		"readyz":             `"status":"ready"`,
		"changes":            "event: snapshot",
		"openapi":            "openapi: 3.1.0",
	}
	_, section, _ := strings.Cut(readme(t), "## For programs not written in Go\n")
	section, _, _ = strings.Cut(section, "\n## ")
	commands := 0
	for _, block := range fenced(section, "sh") {
		for line := range strings.Lines(block) {
			commands++
			c := exec.CommandContext(t.Context(), "sh", "-c", line)
			c.Env = append(os.Environ(), "CURL_HOME="+home, "HOME="+home)
			out, err := c.CombinedOutput()
			if strings.Contains(line, "--max-time") {
				err = nil // which ended it
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			for part, want := range says {
				if strings.Contains(line, part) && !strings.Contains(string(out), want) {
					t.Errorf("%s\nanswers %s, want %s", line, out, want)
				}
			}
		}
	}
	if commands < len(says) {
		t.Errorf("%d commands were run, want %d at least", commands, len(says))
	}
}

// Prometheus's own tool reads the alerts. Debian's package prometheus has it, which `make setup` installs.
func TestAlertsAreReadByPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("promtool is more than Go")
	}
	t.Parallel()
	tool := integration.Program(t, "promtool", "promtool is not installed: `make setup` installs it")
	out, err := exec.Command(tool, "check", "rules", filepath.Join(root, "docs", "alerts.yml")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "3 rules found") {
		t.Errorf("%v: %s", err, out)
	}
}
