package ringmm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/ringmm"
)

// events collects what a ring tells.
type events struct {
	mu  sync.Mutex
	all []ringmm.Event
}

func (e *events) observe(one ringmm.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, one)
}

// kinds returns the kinds told since it was called last.
func (e *events) kinds() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var kinds []string
	for _, one := range e.all {
		kinds = append(kinds, one.Kind.String())
	}
	e.all = nil
	return strings.Join(kinds, " ")
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// age makes a file's last change so old that its time is believed.
func age(t testing.TB, path string, by time.Duration) {
	t.Helper()
	at := time.Now().Add(-by)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string, observers ...func(ringmm.Event)) *ringmm.Ring {
	t.Helper()
	r, err := ringmm.Open(path, observers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func TestTheFileIsFollowedHoweverItIsReplaced(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, path, text string){
		"in place": func(t *testing.T, path, text string) {
			write(t, path, text)
			age(t, path, time.Minute)
		},
		"in place, same size, same time": func(t *testing.T, path, text string) {
			before, _ := os.Stat(path)
			write(t, path, text)
			_ = os.Chtimes(path, before.ModTime(), before.ModTime())
		},
		"renamed over": func(t *testing.T, path, text string) {
			before, _ := os.Stat(path)
			write(t, path+".new", text)
			_ = os.Chtimes(path+".new", before.ModTime(), before.ModTime())
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		},
		"moved away, written anew": func(t *testing.T, path, text string) {
			if err := os.Rename(path, path+"~"); err != nil {
				t.Fatal(err)
			}
			write(t, path, text)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "ring.json")
				write(t, path, `{"t": ["a"]}`)
				if name != "in place, same size, same time" {
					age(t, path, time.Hour)
				} else {
					age(t, path, time.Second) // changed too recently to be believed
				}
				var told events
				r := open(t, path, told.observe)
				replace(t, path, `{"t": ["b"]}`)
				want(t, answers(r, "t"), "t.a")
				time.Sleep(time.Second)
				synctest.Wait()
				want(t, answers(r, "t"), "t.b")
				if got := told.kinds(); got != "loaded" {
					t.Errorf("told %q, want loaded", got)
				}
				time.Sleep(time.Minute)
				if got := told.kinds(); got != "" {
					t.Errorf("told %q of a file that does not change", got)
				}
			})
		})
	}
}

// Kubernetes shows a ConfigMap as ring.json -> ..data/ring.json, ..data -> ..1, and swaps ..data by a rename.
func TestASwappedSymlinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring.json")
	mount := func(version, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "ring.json"), text)
		age(t, filepath.Join(dir, version, "ring.json"), time.Hour)
		if err := os.Symlink(version, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	mount("..1", `{"t": ["a"]}`)
	if err := os.Symlink(filepath.Join("..data", "ring.json"), path); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	want(t, answers(r, "t"), "t.a")
	mount("..2", `{"t": ["b"]}`)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	want(t, answers(r, "t"), "t.b")
}

func TestABadNewFileKeepsTheOldRing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	write(t, path, `{"t": ["a"], "empty": []}`)
	var told events
	r := open(t, path, told.observe)
	for _, bad := range []string{`{"t": ["b"`, `{"t": "b"}`, ""} {
		write(t, path, bad)
		err := r.Reload()
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), path+", line 1: ") {
			t.Errorf("reload of %s: %v", bad, err)
		}
		if again := r.Reload(); again == nil || again.Error() != err.Error() {
			t.Errorf("the second look at %s: %v", bad, again)
		}
		want(t, answers(r, "t"), "t.a")
		if v, _ := r.Members(bg, "t"); v.Stale == nil || v.Err() != nil {
			t.Errorf("with %s in the file: %+v", bad, v)
		}
		// A file that cannot be read may have somebody there.
		if _, err := r.TopicExchange(bg, "empty"); !errors.Is(err, core.ErrUnavailable) {
			t.Error("an empty topic of a stale ring:", err)
		}
		if v, _ := r.Members(bg, "absent"); !errors.Is(v.Err(), core.ErrUnavailable) {
			t.Error("a topic that a stale ring does not have:", v.Err())
		}
	}
	if got := told.kinds(); got != "refused refused refused" {
		t.Errorf("told %q, want each once", got)
	}
	write(t, path, `{"t": ["a"], "empty": []}`)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.TopicExchange(bg, "empty"); !errors.Is(err, core.ErrNoHosts) {
		t.Error("an empty topic of a restored ring:", err)
	}
	if v, _ := r.Members(bg, "absent"); !errors.Is(v.Err(), core.ErrUnknownTopic) {
		t.Error("a topic that a restored ring does not have:", v.Err())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(); !errors.Is(err, fs.ErrNotExist) {
		t.Error("reload of a file that is gone:", err)
	}
	write(t, path, `{"t": ["b"]}`)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := told.kinds(); got != "restored refused loaded" {
		t.Errorf("told %q", got)
	}
	want(t, answers(r, "t"), "t.b")
}

func TestPlacesSurviveAReloadWhereTheHostsDid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	write(t, path, `{"same": ["a", "b", "c"], "other": ["a", "b", "c"], "record": ["a", "b"]}`)
	r := open(t, path)
	want(t, answers(r, "same", "other", "record"), "same.a", "other.a", "record.a")
	write(t, path, `{"same": ["a", "b", "c"], "other": ["a", "c"], "record": [{"host": "a", "zone": "z"}, "b"], "new": ["x"]}`)
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	want(t, answers(r, "same", "other", "record", "record", "new"), "same.b", "other.a", "record.b", "record.a", "new.x")
}

func TestAWatchSeesWhatChangesInItsTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ring.json")
		write(t, path, `{"t": ["a"], "u": ["x"]}`)
		r := open(t, path)
		ctx, end := context.WithCancel(bg)
		seen := make(chan string, 100)
		go func() {
			defer close(seen)
			for v := range r.Watch(ctx, "t") {
				hosts := ""
				for _, m := range v.Members {
					hosts += m.Host
				}
				seen <- fmt.Sprint(hosts, v.Stale != nil)
			}
		}()
		for _, text := range []string{
			`{"t": ["a"], "u": ["y"]}`, `{"t": ["a", "b"]}`, `{`, `{"t": ["a", "b"]}`, `{}`,
		} {
			time.Sleep(time.Second)
			synctest.Wait()
			write(t, path, text)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		end()
		var got []string
		for s := range seen {
			got = append(got, s)
		}
		want(t, got, "afalse", "abfalse", "abtrue", "abfalse", "false")
	})
}

func TestAsOfIsTheLastLookThatConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ring.json")
		write(t, path, `{"t": ["a"]}`)
		age(t, path, time.Hour)
		r := open(t, path)
		time.Sleep(time.Minute)
		synctest.Wait()
		if v, _ := r.Members(bg, "t"); time.Since(v.AsOf) > 0 {
			t.Error("confirmed a moment ago, as of", time.Since(v.AsOf), "ago")
		}
		write(t, path, "{")
		age(t, path, time.Hour)
		time.Sleep(time.Minute)
		synctest.Wait()
		if v, _ := r.Members(bg, "t"); time.Since(v.AsOf) != time.Minute {
			t.Error("confirmed a minute ago, as of", time.Since(v.AsOf), "ago")
		}
	})
}

func TestCloseEndsTheFollowingAndKeepsTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ring.json")
		write(t, path, `{"t": ["a"]}`)
		r := open(t, path)
		for range 2 {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		write(t, path, `{"t": ["b"]}`)
		time.Sleep(time.Minute)
		want(t, answers(r, "t"), "t.a")
	})
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ring.json")
		write(t, path, `{}`)
		var told time.Time
		r := open(t, path, func(ringmm.Event) {
			time.Sleep(time.Second / 2)
			told = time.Now()
		})
		write(t, path, "{")
		time.Sleep(time.Second)
		synctest.Wait() // the look is under way
		if _ = r.Close(); told.IsZero() {
			t.Error("Close returned before the look under way had ended")
		}
	})
	if r := ring(t, nil); r.Close() != nil || r.Reload() != nil {
		t.Error("a ring made by New has nothing to close and to reload")
	}
}

func TestAReloadIsSeenAsAWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	write(t, path, `{"t": ["a1", "a2"]}`)
	r := open(t, path)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				routes, err := r.FanoutExchange(bg, "fanout~t")
				if err != nil || len(routes) != 2 || routes[0].Host[0] != routes[1].Host[0] {
					t.Errorf("parts of two rings: %+v, %v", routes, err)
					return
				}
				if _, err := r.TopicExchange(bg, "t"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 20 {
		name := string(rune('a' + i%26))
		write(t, path, fmt.Sprintf(`{"t": ["%s1", "%s2"]}`, name, name))
		if err := r.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

func TestWhatIsWrongInAFileIsNamedWithItsLine(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct{ text, want string }{
		{`{"t": [`, "line 1: unexpected end of JSON input"},
		{"{\n \"t\": [\"a\",]\n}", "line 2: invalid character ']'"},
		{"{\n\n} x", "line 3: invalid character 'x' after top-level value"},
		{``, "line 1: unexpected end of JSON input"},
		{"{\n\"t\": [\"\xff\"]}", "line 2: want UTF-8"},
		{`["a"]`, "line 1: want an object of topics, got a list"},
		{`"t"`, `line 1: want an object of topics, got the string "t"`},
		{"{\n\"t\": null}", `line 2: topic "t": want a list of hosts, got null`},
		{"{\n\"t\":\n\"abc\"}", `line 3: topic "t": want a list of hosts, got the string "abc"`},
		{`{"t": {}}`, `topic "t": want a list of hosts, got an object`},
		{`{"t": 7}`, `topic "t": want a list of hosts, got 7`},
		{"{\"t\": [\"a\"],\n\"t\": [\"b\"]}", `line 2: topic "t" is there twice`},
		{"{\"t\": [\n1,\n\"a\"]}", `line 2: topic "t", host 1: want a name or an object, got 1`},
		{"{\"t\": [\"a\",\n\n[\"b\"]]}", `line 3: topic "t", host 2: want a name or an object, got ["b"]`},
		{"{\"t\": [\"a\",\nnull]}", `line 2: topic "t", host 2: want a name or an object, got null`},
		{"{\"t\": [\"a\",\n\"\"]}", `line 2: topic "t", host 2: invalid host "": want a name of 1 to 255 bytes`},
		{"{\"t\": [{\"host\": \"a\",\n\"port\": 80}]}", `line 2: topic "t", host 1: unknown field "port": want host, addr, zone, weight and labels`},
		{"{\"t\": [{\"host\": \"a\",\n\n\"weight\": \"2\"}]}", `line 3: topic "t", host 1: weight: want int, got string`},
		{"{\"t\": [\n{\"host\": \"a\", \"weight\": 65536}]}", `line 2: topic "t", host 1: invalid weight "65536"`},
		{"{\"t\": [\n{\"zone\": \"z\"}]}", `line 2: topic "t", host 1: invalid host ""`},
		{"{\"t\": [\n{\"host\": \"a\", \"addr\": \"here\"}]}", `line 2: topic "t", host 1: invalid addr "here"`},
		{"{\"t\": [{\"host\": \"a\", \"zone\": \"z\"},\n\"a\"]}", `line 2: topic "t", host 2: invalid host "a": want the same`},
	} {
		path := filepath.Join(dir, fmt.Sprint(i))
		write(t, path, c.text)
		_, err := ringmm.Open(path)
		if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "absent")} {
		if _, err := ringmm.Open(path); !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), path) {
			t.Errorf("open %s: %v", path, err)
		}
	}
}

func TestAFileMayListNamesAndObjects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring.json")
	write(t, path, `{"web": ["plain", {"host": "full", "addr": "[::1]:80", "zone": "east", "weight": 3, "labels": {"rack": "7"}}], "": []}`)
	r := open(t, path)
	v, _ := r.Members(bg, "web")
	want := core.Registration{Topic: "web", Host: "full", Addr: "[::1]:80", Zone: "east", Weight: 3, Labels: map[string]string{"rack": "7"}}
	if len(v.Members) != 2 || fmt.Sprint(v.Members[0].Registration) != fmt.Sprint(want) || v.Members[1].Host != "plain" {
		t.Errorf("members %+v", v.Members)
	}
	if topics, _ := r.Topics(bg); !slices.Equal(topics, []string{"", "web"}) {
		t.Errorf("topics %q", topics)
	}
	write(t, path, `{}`)
	if err := r.Reload(); err != nil {
		t.Error("an empty ring:", err)
	}
}

func FuzzAnyTextIsARingOrRefused(f *testing.F) {
	for _, seed := range []string{`{"t": ["a", {"host": "b", "weight": 2}]}`, `{"t": null}`, `{"": []}`, "\xff", `{"t": [`} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "ring.json")
		write(t, path, text)
		r, err := ringmm.Open(path)
		if err != nil {
			if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), "line ") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		defer func() { _ = r.Close() }()
		topics, _ := r.Topics(bg)
		for _, topic := range topics {
			if _, err := r.TopicExchange(bg, topic); err != nil && !errors.Is(err, core.ErrNoHosts) {
				t.Errorf("%q: topic %q: %v", text, topic, err)
			}
		}
	})
}
