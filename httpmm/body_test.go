package httpmm_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/httpmm"
)

// fixed is a directory of one view.
type fixed struct{ *core.View }

func (f fixed) Members(context.Context, string) (*core.View, error) { return f.View, nil }

func TestABodyThatBreaksDoesNotSpeakAgainstTheHost(t *testing.T) {
	var got [2]atomic.Int64
	v := &core.View{Topic: "compute", Version: core.Version{Epoch: "e"}}
	for i := range got {
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				got[i].Add(1)
			}
		}))
		defer s.Close()
		r := core.Registration{Topic: "compute", Host: string(rune('a' + i)), Addr: s.Listener.Addr().String()}
		v.Members = append(v.Members, &core.Member{Registration: r})
	}
	tr := httpmm.NewTransport(fixed{v}, &http.Transport{})
	defer tr.CloseIdleConnections()
	body := io.MultiReader(strings.NewReader("part"), iotest.ErrReader(io.ErrUnexpectedEOF))
	broken, err := http.NewRequest(http.MethodPost, "http://compute/", body)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := tr.RoundTrip(broken); err == nil {
		resp.Body.Close()
		t.Fatal("a body that broke was sent")
	}
	for range 60 {
		req, err := http.NewRequest(http.MethodGet, "http://compute/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if got[0].Load() == 0 || got[1].Load() == 0 {
		t.Errorf("a healthy host is left alone: %d and %d requests", got[0].Load(), got[1].Load())
	}
}
