package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/reply"
	"github.com/redismm/matchmaker/core"
)

// telling is one topic, as it is told to any number of readers: what changes is encoded once, and kept for those who
// are slow or come back.
type telling struct {
	topic string
	name  string // in ids: another telling of the topic counts from another beginning
	stale func(error) string
	any   *bell // of all tellings

	mu      sync.Mutex
	view    *core.View
	whole   []byte        // the view as an event, once somebody asked; nil before
	told    [][]byte      // the newest, each the events that led from one view to the next
	size    int           // of told
	next    int           // the number of the frame that comes next
	newer   chan struct{} // closed by the next frame
	readers int
	leaves  *time.Timer // while nobody reads
	end     context.CancelFunc
}

const (
	mostTold = 256     // frames
	sizeTold = 1 << 20 // bytes, of all but the newest frame
	lingers  = time.Minute
	// mostTellings bounds the topics that are told, and mostReaders those who read.
	mostTellings = 1000
	mostReaders  = 5000
)

// versionOf is a view's version in one word.
func versionOf(v *core.View) string {
	if v.Version == (core.Version{}) {
		return ""
	}
	return fmt.Sprintf("%s:%d:%s", v.Version.Epoch, v.Version.Seq, v.Version.Change)
}

// id identifies the state after frame n: the view's version, and which telling has come how far. The caller holds mu.
func (t *telling) id(n int) string { return fmt.Sprintf("%s:%s:%d", versionOf(t.view), t.name, n) }

// after returns the number of the frame that follows on an id, and false if it is not known any more, or never was.
func (t *telling) after(id string) (int, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := bytes.LastIndexByte([]byte(id), ':')
	var n int
	if at < 0 || !bytes.HasSuffix([]byte(id[:at]), []byte(":"+t.name)) {
		return 0, false
	}
	if _, err := fmt.Sscanf(id[at+1:], "%d", &n); err != nil || fmt.Sprint(n) != id[at+1:] {
		return 0, false
	}
	return n, t.next-len(t.told) <= n && n <= t.next
}

// show takes the next view.
func (t *telling) show(v *core.View) {
	cs := reply.Changes(t.view, v) // only here is the view changed
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.view == nil
	t.view = v
	if first {
		t.wake()
		return
	}
	if len(cs) == 0 {
		t.whole = nil
		return
	}
	t.next++
	var frame bytes.Buffer
	for i := range cs {
		if cs[i].Error != "" {
			cs[i].Error = t.stale(v.Stale)
		}
		id := ""
		if i == len(cs)-1 { // who has read a part of them reads them again
			id = t.id(t.next)
		}
		event(&frame, id, "change", cs[i])
	}
	t.whole = nil
	t.told = append(t.told, frame.Bytes())
	t.size += frame.Len()
	for len(t.told) > mostTold || t.size > sizeTold && len(t.told) > 1 {
		t.size -= len(t.told[0])
		t.told = t.told[1:]
	}
	t.wake()
}

// wake lets the readers go on. The caller holds mu.
func (t *telling) wake() {
	t.any.ring()
	if t.newer != nil {
		close(t.newer)
		t.newer = nil
	}
}

// event writes one event of text/event-stream.
func event(to *bytes.Buffer, id, kind string, data any) {
	if id != "" {
		fmt.Fprintf(to, "id: %s\n", id)
	}
	fmt.Fprintf(to, "event: %s\ndata: ", kind)
	lines := json.NewEncoder(to)
	lines.SetEscapeHTML(false)
	lines.Encode(data) // on one line
	to.WriteByte('\n')
}

// eventOf is one event without an id.
func eventOf(kind string, data any) []byte {
	var text bytes.Buffer
	event(&text, "", kind, data)
	return text.Bytes()
}

// from returns what comes from frame n on, the number of the frame after that, and what is closed once there is more.
// Where those frames are not kept, or n is negative, it is the whole.
func (t *telling) from(n int, whole func(*core.View) Topic) (frames [][]byte, next int, newer <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.newer == nil {
		t.newer = make(chan struct{})
	}
	newer = t.newer
	if t.view == nil { // it is still to come
		return nil, n, newer
	}
	if oldest := t.next - len(t.told); n < oldest {
		if t.whole == nil {
			var text bytes.Buffer
			event(&text, t.id(t.next), "snapshot", whole(t.view))
			t.whole = text.Bytes()
		}
		return [][]byte{t.whole}, t.next, newer
	} else if n < t.next {
		frames = append(frames, t.told[n-oldest:]...)
	}
	return frames, t.next, newer
}

// tellings are the topics that somebody reads, or read a minute ago.
type tellings struct {
	ctx   context.Context
	live  *core.Live
	stale func(error) string
	going sync.WaitGroup
	any   bell // rung when one of them has something new
	pulse pulse

	mu      sync.Mutex
	byTopic map[string]*telling
	readers int
}

func (ts *tellings) begin(ctx context.Context, live *core.Live, stale func(error) string) {
	ts.ctx, ts.live, ts.stale = ctx, live, stale
	ts.byTopic = make(map[string]*telling)
}

// join adds a reader of a topic; nil if there are as many as there may be, or all has ended.
func (ts *tellings) join(topic string) *telling {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.readers >= mostReaders {
		return nil
	}
	t := ts.add(topic)
	if t != nil {
		ts.readers++
	}
	return t
}

// part ends one reading.
func (ts *tellings) part(t *telling) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.readers--
	ts.remove(t)
}

// survey is join for a reader of everything, which is bounded elsewhere; surveyed is its part.
func (ts *tellings) survey(topic string) *telling {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.add(topic)
}

func (ts *tellings) surveyed(t *telling) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.remove(t)
}

// add returns the telling of a topic, which somebody reads from now on; nil if there are as many as there may be, or all
// has ended. The caller holds mu.
func (ts *tellings) add(topic string) *telling {
	if ts.ctx.Err() != nil {
		return nil
	}
	t := ts.byTopic[topic]
	if t == nil {
		if len(ts.byTopic) >= mostTellings && !ts.dropIdle() {
			return nil
		}
		t = &telling{topic: topic, name: rand.Text()[:8], stale: ts.stale, any: &ts.any}
		ts.byTopic[topic] = t
		ctx, end := context.WithCancel(ts.ctx)
		t.end = end
		ts.going.Go(func() {
			for v := range ts.live.Watch(ctx, topic) {
				t.show(v)
			}
		})
	}
	if t.leaves != nil {
		t.leaves.Stop()
		t.leaves = nil
	}
	t.readers++
	return t
}

// remove ends one reading. The telling goes on for a minute, for a reader who comes back. The caller holds mu.
func (ts *tellings) remove(t *telling) {
	t.readers--
	if t.readers == 0 {
		t.leaves = time.AfterFunc(lingers, func() {
			ts.mu.Lock()
			defer ts.mu.Unlock()
			ts.drop(t)
		})
	}
}

// drop ends a telling that nobody reads. The caller holds mu.
func (ts *tellings) drop(t *telling) bool {
	if t.readers > 0 || ts.byTopic[t.topic] != t {
		return false
	}
	delete(ts.byTopic, t.topic)
	t.end()
	return true
}

// dropIdle makes room for another telling. The caller holds mu.
func (ts *tellings) dropIdle() bool {
	for _, t := range ts.byTopic {
		if t.readers == 0 {
			t.leaves.Stop()
			return ts.drop(t)
		}
	}
	return false
}
