package simulate

import (
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := 20 * time.Minute
		p := script(1, long)
		w := newWorld(t, p)
		w.play(p, long)
		f, _ := os.Create("/tmp/history.txt")
		n := map[string]int{}
		for _, e := range w.recorder.Events() {
			fmt.Fprintln(f, e.String())
			n[string(e.What)]++
		}
		f.Close()
		t.Log(n, w.effects, w.without, w.net.sent.Load())
	})
}
