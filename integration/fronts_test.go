package integration_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redismm/matchmaker/integration"
)

// The README's commands run as they stand, but for the ports, the time between heartbeats, and how often Prometheus asks.
func TestReadmesThreeCommandsAreFoundByWhatIsRunAlready(t *testing.T) {
	if testing.Short() {
		t.Skip("dig, nginx, prometheus and python3 are more than Go")
	}
	t.Parallel()
	_, section, _ := strings.Cut(readme(t), "## Found by what you already run\n")
	section, _, _ = strings.Cut(section, "\n## ")
	pairs := []string{"python3", python(t), "refresh_interval: 5s", "refresh_interval: 200ms", "scrape_configs:", "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:"}
	for _, p := range []string{"6390", "7766", "7753", "8088", "8080"} {
		pairs = append(pairs, p, port(t))
	}
	here := strings.NewReplacer(pairs...).Replace(section)
	scripts := fenced(here, "sh")
	if len(scripts) != 2 {
		t.Fatalf("%d blocks of commands", len(scripts))
	}
	var hosts []*integration.Process
	for line := range strings.Lines(scripts[0]) {
		p := integration.Matchmaker(strings.Fields(line)[1:]...).With("MATCHMAKER_HEARTBEAT_FREQ=200ms", "MATCHMAKER_HEARTBEAT_TTL=600ms").Start(t)
		p.Says(soon, `"event":"registered"`)
		hosts = append(hosts, p)
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "prometheus.yml"), fenced(here, "yaml")[0])
	put(t, filepath.Join(dir, "nginx.conf"), strings.Replace(fenced(here, "nginx")[0], "http {",
		fmt.Sprintf("pid %[1]s/pid;\nhttp {\naccess_log off;\nclient_body_temp_path %[1]s/b;\nproxy_temp_path %[1]s/p;\nfastcgi_temp_path %[1]s/f;\nuwsgi_temp_path %[1]s/u;\nscgi_temp_path %[1]s/s;\n", dir), 1))
	shows := make(map[string]func(context.Context) string) // by the first words of a command
	for line := range strings.Lines(scripts[1]) {
		line, _, _ = strings.Cut(line, " #")
		words := strings.Fields(line)
		switch {
		case words[0] == "dig" || words[0] == "curl":
			integration.Program(t, words[0], words[0]+" is not installed: `make setup` installs it")
			shows[line] = func(ctx context.Context) string {
				out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
				if err != nil {
					return fmt.Sprintf("%v: %s", err, out)
				}
				return string(out)
			}
		case words[0] == "matchmaker":
			file := filepath.Join(dir, words[len(words)-1])
			words[len(words)-1] = file
			integration.Matchmaker(words[1:]...).With("MATCHMAKER_HEARTBEAT_FREQ=200ms", "MATCHMAKER_HEARTBEAT_TTL=600ms").Start(t)
			shows[line] = func(context.Context) string { return contents(file) }
		case words[0] == "prometheus":
			shows[line] = prometheus(t, fenced(here, "yaml")[0])
		case words[0] == "nginx":
			integration.Command{Path: integration.Program(t, "nginx", ""), Args: []string{"-p", dir, "-c", "nginx.conf", "-g", "daemon off;"}}.Start(t)
		}
	}
	if len(shows) != 6 {
		t.Fatalf("%d commands show hosts", len(shows))
	}
	shown := func(host int, want bool) {
		t.Helper()
		for line, show := range shows {
			is := []string{fmt.Sprintf("web%d", host), fmt.Sprintf("127.0.0.%d", host)}
			if strings.Contains(line, "web3.web") && host != 3 {
				continue
			}
			integration.Eventually(t, 3*soon, fmt.Sprintf("%s shows web%d: %t", line, host, want), func() bool {
				text := show(t.Context())
				return (strings.Contains(text, is[0]) || strings.Contains(text+"\n", is[1]+"\n")) == want && !strings.Contains(text, "refused")
			})
		}
	}
	for i := range 3 {
		shown(i+1, true)
	}
	for what, port := range map[string]string{"<title>Matchmaker": pairs[9], "<!DOCTYPE HTML": pairs[13]} { // the page, and nginx
		integration.Eventually(t, soon, what+" is served", func() bool {
			return strings.Contains(bodyOf(t.Context(), "http://127.0.0.1:"+port+"/"), what)
		})
	}
	t.Cleanup(func() { _ = syscall.Kill(-hosts[1].Pid(), syscall.SIGKILL) }) // what it ran
	hosts[1].Kill()
	shown(2, false)
	shown(1, true)
	shown(3, true)
}

// contents of a file; none if it is not there.
func contents(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}
