package integration_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// symptoms make what the sections of docs/operations.md are about, and return the environment to ask in.
var symptoms = map[string]func(t *testing.T, r *integration.Redis) []string{
	"A host is missing": func(t *testing.T, r *integration.Redis) []string {
		sidecar(t, r, "compute=node1").Kill()
		return nil
	},
	"A host is listed, and does not answer": func(t *testing.T, r *integration.Redis) []string {
		at := port(t)
		app := application(t, []string{python(t), "-m", "http.server", at})
		integration.Matchmaker("sidecar", "--register", "compute=node1,addr=127.0.0.1:"+at+",check=http://127.0.0.1:"+at+"/",
			"--register", "compute=node2,addr=127.0.0.1:8774", "--check-interval=50ms").With("MATCHMAKER_REDIS_URL=" + r.URL).Start(t)
		becomes(t, soon, stated(store(t, r.URL), "compute"), "node1 up, node2 up")
		app.Process.Kill()
		becomes(t, soon, stated(store(t, r.URL), "compute"), "node1 failing, node2 up")
		return nil
	},
	"A list is old": func(t *testing.T, r *integration.Redis) []string {
		at := filepath.Join(t.TempDir(), "listen")
		sidecar(t, r, "compute=node1", "--listen", at)
		r.Kill()
		return []string{"MATCHMAKER_LISTEN=" + at}
	},
	"Two processes fight for a host": func(t *testing.T, r *integration.Redis) []string {
		older := sidecar(t, r, "compute=node1,addr=127.0.0.1:1001")
		sidecar(t, r, "compute=node1,addr=127.0.0.1:1002")
		older.Says(soon, event(core.SupersededBy))
		return nil
	},
	"Redis is full": func(t *testing.T, r *integration.Redis) []string {
		sidecar(t, r, "compute=node1")
		if err := r.Client().ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
			t.Fatal(err)
		}
		return nil
	},
	"After a failover": func(t *testing.T, r *integration.Redis) []string {
		sidecar(t, r, "compute=node1")
		host, at, _ := strings.Cut(integration.StartRedis(t).Addr, ":")
		if err := r.Client().ReplicaOf(t.Context(), host, at).Err(); err != nil {
			t.Fatal(err)
		}
		return nil
	},
}

// volatile is what differs from one time to the next.
var volatile = []*regexp.Regexp{
	regexp.MustCompile(`\b(\d{29}|\d{8})\b`),                      // an instance
	regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), // a time
	regexp.MustCompile(`\d+\.\d+\.\d+\.\d+:\d+`),                  // an address
	regexp.MustCompile(`\b[A-Z2-7]{26}\b`),                        // an epoch
	regexp.MustCompile(`\bversion \d+`),
	regexp.MustCompile(`\bRedis \d+\.\d+\.\d+`),
	regexp.MustCompile(`\b\d+(\.\d+)?(µs|ms|s|[KMG])\b`), // a duration or a size
	regexp.MustCompile(`\d+%`),
	regexp.MustCompile(` +`),
}

// steady are the lines of a text without what differs.
func steady(text string) []string {
	for _, v := range volatile {
		text = v.ReplaceAllString(text, " ~ ")
	}
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// shows says whether the lines of a page, of which "..." stands for any number, are those that a command wrote.
func shows(page, wrote []string) bool {
	switch {
	case len(page) == 0:
		return len(wrote) == 0
	case page[0] == "...":
		for i := range len(wrote) + 1 {
			if shows(page[1:], wrote[i:]) {
				return true
			}
		}
		return false
	}
	return len(wrote) > 0 && page[0] == wrote[0] && shows(page[1:], wrote[1:])
}

func TestOperationsSaysWhatTheCommandsSay(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		for _, block := range fenced(body, "console") {
			tried++
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				make, ok := symptoms[title]
				if !ok {
					t.Fatal("nobody makes this symptom")
				}
				r := integration.StartRedis(t)
				env := append(make(t, r), "MATCHMAKER_REDIS_URL="+r.URL)
				first, page, _ := strings.Cut(block, "\n")
				command, ok := strings.CutPrefix(first, "$ matchmaker ")
				if !ok {
					t.Fatalf("%q is no command", first)
				}
				var got integration.Result
				for end := time.Now().Add(2 * soon); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
					got = integration.Matchmaker(strings.Fields(command)...).With(env...).Run(t)
					if shows(steady(page), steady(got.Out)) {
						return
					}
				}
				t.Errorf("%s\n%swhere the page says\n%s", first, got.Out+got.Err, page)
			})
		}
	}
	if tried != len(symptoms) {
		t.Errorf("the page shows %d commands, want %d: one for each symptom", tried, len(symptoms))
	}
}
