package api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// online serves over HTTP.
func (s *served) online() string {
	on := httptest.NewUnstartedServer(s.All())
	on.Config = NewServer(on.Config.Handler, nil)
	on.Start()
	s.t.Cleanup(func() {
		s.Close()
		on.Close()
	})
	return on.URL
}

func TestChangesBeginWithTheWholeAndGoOnFromTheLastId(t *testing.T) {
	t.Parallel()
	s := serve(t)
	url := s.online()
	s.put("x", "a")
	r := read(t, url, "x", "")
	whole := r.says("snapshot", `"hosts":1`, `"host":"a"`)
	s.put("x", "b")
	joined := r.says("change", `"change":"joined"`, `"host":"b"`)
	if joined.id == whole.id || !strings.Contains(joined.id, ":") {
		t.Errorf("ids %q and %q", whole.id, joined.id)
	}
	r.end()
	s.put("x", "c")
	if _, err := s.registry.BackendUnregister(t.Context(), time.Minute, []*core.Claim{{Registration: core.Registration{Topic: "x", Host: "a"}}}); err != nil {
		t.Fatal(err)
	}
	s.becomes("/v1/topics/x", 200, `"hosts":2`)
	back := read(t, url, "x", joined.id)
	seen := []sent{back.says("change", `"host":"c"`), back.says("change", `"change":"left"`, `"host":"a"`)}
	older := read(t, url, "x", whole.id)
	older.says("change", `"host":"b"`)
	older.says("change", `"host":"c"`)
	s.registry.Break(errDown)
	back.says("change", `"change":"stale"`, "connection refused")
	s.registry.Unbreak()
	if e := back.says("change", `"change":"fresh"`); e.id == seen[1].id {
		t.Errorf("two ids are %q", e.id)
	}
	for _, unknown := range []string{"nosuch", whole.id + "0", "::" + strings.Repeat("9", 400), joined.id[:len(joined.id)-1] + "+1", strings.Replace(whole.id, ":", ";", 9)} {
		read(t, url, "x", unknown).says("snapshot", `"hosts":2`)
	}
}

// A sidecar that was started again has no memory of what was held: it must not take up another's stream.
func TestAnIdOfAnotherSidecarBeginsWithTheWhole(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put("x", "a")
	id := read(t, s.online(), "x", "").says("snapshot").id
	other := serveAt(t, s.registry)
	read(t, other.online(), "x", id).says("snapshot", `"host":"a"`)
}

// What several changes of one view belong to is their last: who has read a part of them reads them again.
func TestOnlyTheLastChangeOfAViewHasAnId(t *testing.T) {
	t.Parallel()
	s := serve(t)
	tl := &telling{name: "n", stale: error.Error}
	view := func(hosts ...string) *core.View {
		v := &core.View{Topic: "x"}
		for _, h := range hosts {
			v.Members = append(v.Members, &core.Member{Registration: core.Registration{Topic: "x", Host: h}})
		}
		return v
	}
	tl.show(view())
	tl.show(view("a", "b"))
	frames, next, _ := tl.from(0, s.topicOf)
	if len(frames) != 1 || next != 1 || strings.Count(string(frames[0]), "id: ") != 1 || strings.Index(string(frames[0]), "id: ") < strings.Index(string(frames[0]), `"host":"a"`) {
		t.Errorf("%d frames: %s", len(frames), frames)
	}
}

func TestWhoIsTooSlowBeginsAnew(t *testing.T) {
	t.Parallel()
	tl := &telling{name: "n", stale: error.Error}
	whole := func(v *core.View) Topic { return Topic{Version: fmt.Sprint(v.Version.Seq)} }
	frames, n, newer := tl.from(-1, whole)
	if len(frames) > 0 || n != -1 {
		t.Errorf("before the first view: %q, %d", frames, n)
	}
	for i := range uint64(3 * mostTold) {
		v := &core.View{Topic: "x", Version: core.Version{Epoch: "e", Seq: i, Change: "c"}}
		if i%2 == 1 {
			v.Members = []*core.Member{{Registration: core.Registration{Topic: "x", Host: "a"}}}
		}
		tl.show(v)
	}
	<-newer
	if len(tl.told) != mostTold {
		t.Errorf("%d frames are kept, want %d", len(tl.told), mostTold)
	}
	frames, n, _ = tl.from(1, whole)
	if len(frames) != 1 || !strings.Contains(string(frames[0]), "event: snapshot\ndata: {") || n != 3*mostTold-1 {
		t.Errorf("%d, %s", n, frames)
	}
	if frames, _, _ = tl.from(n-2, whole); len(frames) != 2 {
		t.Errorf("%q", frames)
	}
	if _, known := tl.after("e:1:c:n:1"); known {
		t.Error("an id that is not kept any more is known")
	}
	if at, known := tl.after(fmt.Sprintf("e:1:c:n:%d", n-2)); !known || at != n-2 {
		t.Errorf("%d, %t", at, known)
	}
	tl.size += sizeTold // as if they were large
	tl.show(&core.View{Topic: "x", Stale: errDown})
	if len(tl.told) != 1 {
		t.Errorf("%d frames are kept, of more bytes than may be", len(tl.told))
	}
}

func TestReadersAreBounded(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var all []*telling
	for i := range mostTellings {
		all = append(all, s.tellings.join(fmt.Sprint("topic ", i)))
	}
	if s.tellings.join("one more") != nil {
		t.Error("one more topic is told")
	}
	s.tellings.part(all[0])
	if s.tellings.join("one more") == nil {
		t.Error("a topic that nobody reads takes up room")
	}
	for s.tellings.join("one more") != nil {
	}
	if s.tellings.readers != mostReaders {
		t.Errorf("%d readers, want %d", s.tellings.readers, mostReaders)
	}
	if got := s.ask("GET", "/v1/topics/x/changes", ""); got.code != 503 || !strings.Contains(got.body, ":too-many") {
		t.Errorf("%d %s", got.code, got.body)
	}
	if s.strangers.join("x") == nil {
		t.Error("readers on this machine take the room of others")
	}
}

func TestTheEndOfTheApiIsTheEndOfItsStreams(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := read(t, s.online(), "x", "")
	r.says("snapshot", `"members":[]`)
	s.Close()
	if e, more := r.next(); more || r.lines.Err() != nil {
		t.Errorf("%+v, %v", e, r.lines.Err())
	}
}

func TestAThousandReadersSeeEachChange(t *testing.T) {
	t.Parallel()
	const readers, changes = 1000, 5
	s := serve(t)
	s.put("x", "a")
	all := make([]*telling, readers)
	var ready, done sync.WaitGroup
	ready.Add(readers)
	for i := range all {
		all[i] = s.tellings.join("x")
		done.Go(func() {
			seen, n := 0, -1
			for first := true; seen < changes; {
				frames, next, newer := all[i].from(n, s.topicOf)
				n = next
				for _, f := range frames {
					seen += strings.Count(string(f), `"change":"joined"`)
				}
				if first && len(frames) > 0 {
					first = false
					ready.Done()
				}
				if len(frames) == 0 {
					select {
					case <-newer:
					case <-time.After(20 * time.Second):
						t.Errorf("reader %d has seen %d changes", i, seen)
						return
					}
				}
			}
		})
	}
	ready.Wait()
	for i := range changes {
		s.put("x", fmt.Sprint("b", i))
	}
	done.Wait()
}
