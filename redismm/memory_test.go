package redismm

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

var changes = flag.Int("changes", 100_000, "number of changes that a watcher is shown")

// TestAWatcherTakesNoMoreMemoryHoweverMuchChanges: hosts whose names and stamps are never seen again come, are
// drained and go. After all of it a watcher takes what it took after a tenth.
func TestAWatcherTakesNoMoreMemoryHoweverMuchChanges(t *testing.T) {
	const atOnce, most = 100, 256 << 10 // changes, bytes
	onMiniredis(t, func(r *registry) {
		r.process(r.wire, "stays")
		ctx, cancel := context.WithCancel(r.Context())
		live := core.NewLive(ctx, r.store(), core.RoundRobin)
		r.Cleanup(func() { cancel(); live.Wait() })
		w := &turmoil{r, r.version()}
		early := uint64(0)
		for i := range *changes {
			lost := i < *changes/2 && i%1000 == 999 // the topic is read again
			w.change(i, lost)
			if i%atOnce == atOnce-1 {
				r.pass(2 * gather)
			}
			if lost {
				r.pass(r.config.Freq)
			}
			if i%1000 == 999 {
				if view, err := live.Members(ctx, compute); err != nil || shown(view) != "stays" {
					t.Fatalf("after %d changes %q is shown, %v", i+1, shown(view), err)
				}
			}
			if i == *changes/10 {
				early = inUse()
			}
		}
		late := inUse()
		t.Logf("%d bytes after %d changes, %d after %d", early, *changes/10, late, *changes)
		if late > early+most {
			t.Errorf("%d bytes are in use after %d changes, and were %d after a tenth, want %d more at most", late, *changes, early, most)
		}
	})
}

// turmoil makes changes as the scripts would, and past them: of those a million take long. When a topic is read,
// all who came have left.
type turmoil struct {
	*registry
	version
}

// change makes one change, and tells nobody if that is lost. Each host is registered, drained for a while, and
// registered anew or not drained any more before it leaves.
func (w *turmoil) change(i int, lost bool) {
	host, stamp := fmt.Sprintf("passing%d", i/4), stampOf(1e15, uint64(i/4))
	set := keysOf.set(compute)
	var change []string
	switch step := i % 4; {
	case step == 0:
		w.mini.SAdd(set, host)
		change = []string{"up", host, stamp, "1", "{}"}
	case step == 1:
		change = []string{"drain", host, fmt.Sprint(time.Now().Add(gather).UnixMicro()), "why"}
	case step == 2 && i%8 < 4:
		change = []string{"drain", host, "0", ""}
	case step == 2:
		change = []string{"up", host, stamp, "2", "{}"}
	default:
		w.mini.SRem(set, host)
		change = []string{"left", host, stamp}
	}
	if lost { // miniredis remembers keys for ever
		key := keysOf.liveness(compute, host)
		w.mini.Set(key, "T "+stamp+" 0")
		w.mini.SetTTL(key, w.config.TTL)
	}
	w.tell(change, lost)
}

// tell makes a change a step of the version.
func (w *turmoil) tell(change []string, lost bool) {
	members, _ := w.mini.SMembers(keysOf.set(compute))
	seq, _ := strconv.Atoi(w.seq)
	m := message{Epoch: w.epoch, Seq: strconv.Itoa(seq + 1), Change: newNonce(), Previous: w.version.change,
		N: strconv.Itoa(len(members)), Changes: [][]string{change}}
	w.version = m.version()
	w.mini.HSet(keysOf.version(compute), "e", m.Epoch, "s", m.Seq, "c", m.Change, "n", m.N)
	if text, _ := json.Marshal(m); !lost {
		w.mini.Publish(keysOf.channel(compute), string(text))
	}
}

// inUse is how many bytes of the heap and of stacks are in use.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers let go
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
