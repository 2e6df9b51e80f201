package api

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/core/coretest"
)

// Regression 27, of HTTP. Topics are listed and resolved by turns, and of some the changes are asked for, by readers who
// leave at once.
func TestAHundredThousandTopicsAskedForByHTTPAreBounded(t *testing.T) {
	const topics, early = 100_000, 30_000
	const most = 300 << 20 // bytes, mostly of the 10,000 topics that are followed
	const more = 8 << 20   // of those that are not
	mm, err := core.NewHeartbeat(coretest.Nowhere{Memory: coretest.NewMemory()}, core.HeartbeatConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer mm.Close()
	a := New(Config{MatchMaker: mm})
	defer a.Close()
	all := a.All()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	before, then := coretest.InUse(), uint64(0)
	for i := range topics {
		path, want, ctx := fmt.Sprintf("/v1/topics/mistyped%d", i), 404, t.Context()
		switch {
		case i%25 == 0:
			path, want, ctx = path+"/changes", 200, gone
		case i%2 == 0:
			path = fmt.Sprintf("/v1/resolve/mistyped%d", i)
		}
		r := request("GET", path, "").WithContext(ctx)
		w := httptest.NewRecorder()
		if all.ServeHTTP(w, r); w.Code != want {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if i == early {
			then = coretest.InUse()
		}
	}
	now := coretest.InUse()
	t.Logf("held: %d bytes before, %d after %d topics, %d after %d", before, then, early, now, topics)
	if now > before+most || now > then+more {
		t.Errorf("%d bytes are held, %d after %d topics, %d before all", now, then, early, before)
	}
	if n := len(a.tellings.byTopic); n > mostTellings {
		t.Errorf("%d topics are told", n)
	}
	if n := len(mm.Live().Views()); n > 10_000 {
		t.Errorf("%d topics are followed", n)
	}
}
