package integration_test

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/redismm/matchmaker/integration"
)

type composed struct {
	Services map[string]struct {
		Image       string
		Build       struct{ Context, Dockerfile string }
		Command     []string
		Environment map[string]string
		Restart     string
		Init        bool
		DependsOn   []string `yaml:"depends_on"`
	}
}

func compose(t *testing.T) composed {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c composed
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// No engine is needed: what the services would run is run as processes against a Redis with the options that
// the file gives it.
func TestComposedSidecarsFindEachOther(t *testing.T) {
	t.Parallel()
	c := compose(t)
	server, ok := c.Services["redis"]
	if !ok || len(server.Command) < 1 || server.Command[0] != "redis-server" {
		t.Fatalf("service redis runs %q, want redis-server with options", server.Command)
	}
	var options []string
	for name, value := range pairs(server.Command[1:]) {
		options = append(options, strings.TrimPrefix(name, "--")+" "+value)
	}
	r := integration.StartRedis(t, options...)
	var want []string
	for name, s := range c.Services {
		if name == "redis" {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("service %s: %v", name, err)
		}
		cmd := integration.Matchmaker(s.Command...)
		for variable, value := range s.Environment {
			if variable == "MATCHMAKER_REDIS_URL" {
				if value != "redis://redis:6379/0" {
					t.Errorf("service %s: %s is %q, want the service redis: redis://redis:6379/0", name, variable, value)
				}
				value = r.URL
			}
			cmd = cmd.With(variable + "=" + value)
		}
		cmd.Start(t)
		want = append(want, name)
	}
	slices.Sort(want)
	if len(want) != 2 {
		t.Fatalf("the file has the sidecars %q, want two", want)
	}
	integration.Eventually(t, 10*time.Second, "the services' hosts are resolved", func() bool {
		got := integration.Matchmaker("resolve", "fanout~compute").With("MATCHMAKER_REDIS_URL=" + r.URL).Run(t)
		hosts := strings.Fields(got.Out)
		slices.Sort(hosts)
		return got.Code == 0 && slices.Equal(hosts, want)
	})
}

func pairs(options []string) map[string]string {
	m := make(map[string]string)
	for p := range slices.Chunk(options, 2) {
		m[p[0]] = p[len(p)-1]
	}
	return m
}

func TestDockerfileBuildsAStaticBinaryForNobody(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "cmd/matchmaker/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string][]string)
	for line := range strings.Lines(string(text)) {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			said[word] = append(said[word], rest)
		}
	}
	var entry []string
	if err := json.Unmarshal([]byte(strings.Join(said["ENTRYPOINT"], "")), &entry); err != nil || !slices.Equal(entry, []string{"/matchmaker"}) {
		t.Errorf("ENTRYPOINT %s, want [\"/matchmaker\"]", said["ENTRYPOINT"])
	}
	if user := strings.Join(said["USER"], ""); user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		t.Errorf("USER %q, want one that is not root", user)
	}
	goVersion := strings.Join(strings.Split(strings.TrimPrefix(runtime.Version(), "go"), ".")[:2], ".")
	if !slices.Contains(said["FROM"], "golang:"+goVersion+" AS build") {
		t.Errorf("FROM %q, want golang:%s, which the module is tested with", said["FROM"], goVersion)
	}
	for _, copied := range said["COPY"] {
		for _, source := range strings.Fields(copied) {
			if source == "go.mod" || source == "go.sum" {
				if _, err := os.Stat(filepath.Join(root, source)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	i := slices.IndexFunc(said["RUN"], func(run string) bool { return strings.Contains(run, "go build") })
	if i < 0 {
		t.Fatalf("RUN %q, want a go build", said["RUN"])
	}
	binary := filepath.Join(t.TempDir(), "matchmaker")
	build := exec.Command("sh", "-c", strings.Replace(said["RUN"][i], "-o /matchmaker", "-o "+binary, 1))
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", said["RUN"][i], err, out)
	}
	if runtime.GOOS != "linux" {
		t.Skip("an image holds a Linux binary; this one is not")
	}
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary wants a dynamic loader, which the image does not have")
		}
	}
}
