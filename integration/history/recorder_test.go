package history

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inBubble gives f a recorder whose clock is the bubble's, and returns what it noted.
func inBubble(t *testing.T, f func(r *Recorder)) (events []Event) {
	synctest.Test(t, func(*testing.T) {
		r := NewRecorder(ttl)
		f(r)
		events = r.Events()
	})
	return events
}

func TestRecorderJoinsBeatsWhileNothingElseIsTold(t *testing.T) {
	claim := []*core.Claim{{Registration: core.Registration{Topic: "t", Host: "a"}, Instance: "1"}}
	events := inBubble(t, func(r *Recorder) {
		for _, o := range []core.Outcome{core.Joined, core.Kept, core.Changed, core.Joined, core.Superseded, core.Superseded, core.Kept, core.Unknown, core.Left} {
			sent := time.Now()
			time.Sleep(s)
			r.Told("p", sent, claim, []core.Outcome{o})
		}
		r.Ended("p")
		r.Ended("p")
		r.Told("p", time.Now(), claim, []core.Outcome{core.Joined})
	})
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprint(e.At, " ", e.What, " ", e.Last, " ", e.Until, " ", e.Anew))
	}
	want := []string{"1s valid 3s 17s true", "4s valid 4s 18s true", "5s superseded 0s 0s false", "7s valid 7s 21s false", "9s left 0s 0s false", "9s ended 0s 0s false"}
	if !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
}

func TestRecorderBeginsAnewAfterALapse(t *testing.T) {
	claim := []*core.Claim{{Registration: core.Registration{Topic: "t", Host: "a"}, Instance: "1"}}
	events := inBubble(t, func(r *Recorder) {
		r.Told("p", time.Now(), claim, []core.Outcome{core.Joined})
		time.Sleep(ttl + hair)
		r.Told("p", time.Now(), claim, []core.Outcome{core.Kept})
	})
	if len(events) != 2 {
		t.Errorf("noted %d validities, want 2: %v", len(events), events)
	}
}

// shows is a watcher of views that are known beforehand.
type shows struct {
	core.Watcher
	views []*core.View
}

func (w shows) Watch(context.Context, string) iter.Seq[*core.View] { return slices.Values(w.views) }

func TestRecorderNotesWhatDiffers(t *testing.T) {
	member := func(host string, held bool) *core.Member {
		return &core.Member{Registration: core.Registration{Topic: "t", Host: host}, Instance: "1", Held: held}
	}
	events := inBubble(t, func(r *Recorder) {
		r.Watch(t.Context(), "w", shows{views: []*core.View{
			{Topic: "t"},
			{Topic: "t", Members: []*core.Member{member("a", false), member("b", false)}},
			{Topic: "t", Members: []*core.Member{member("a", false), member("b", true)}},
			{Topic: "t", Members: []*core.Member{member("a", false), member("b", true)}, Stale: core.ErrUnavailable},
			{Topic: "t", Members: []*core.Member{member("a", false)}},
		}}, "t")
	})
	var got []string
	for _, e := range events {
		got = append(got, fmt.Sprint(e.What, " ", e.Number, " ", e.Stale, " ", e.Changes))
	}
	want := []string{"watching 0 false []", "seen 0 false []", "seen 2 false [a 1 b 1]", "seen 2 false [b 1 held]", "seen 2 true []", "seen 1 false [b absent]"}
	if !slices.Equal(got, want) {
		t.Errorf("noted %q, want %q", got, want)
	}
}

func TestRecorderTellsAnswersApart(t *testing.T) {
	none := &core.View{Topic: "t", Version: core.Version{Epoch: "e"}}
	events := inBubble(t, func(r *Recorder) {
		r.Read("r", "t", time.Now(), none, nil)
		r.Read("r", "t", time.Now(), &core.View{Topic: "t"}, nil)
		r.Read("r", "t", time.Now(), nil, core.ErrUnavailable)
		r.Picked("w", "t", time.Now(), nil, &core.LookupError{Key: "t", Err: core.ErrNoHosts})
	})
	for i, want := range []string{NoHosts, Unknown, Unavailable, NoHosts} {
		if events[i].Answer != want {
			t.Errorf("answer %d is %q, want %q", i, events[i].Answer, want)
		}
	}
}

func TestHistoryIsReadAsItWasWritten(t *testing.T) {
	events := told(99*s, lives("p", "a", 0, 50*s), watches(0), sees(1*s, 1, held("p", "a")), fails("", 3*s, 4*s), wentBack(5*s, 6*s),
		picks(7*s, "p", "a"), reads(8*s, NoHosts), drains("p", "a", 9*s), sent(10*s, 7)).Events
	var text bytes.Buffer
	if err := Write(&text, events); err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text.Bytes(), []byte("\n")); lines != len(events) {
		t.Errorf("%d lines for %d events", lines, len(events))
	}
	got, err := ReadAll(&text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, events) {
		t.Errorf("read %v, want %v", got, events)
	}
}

func TestMergedFaultsKeepTheirNumbersApart(t *testing.T) {
	one, two := fails("p", 1*s, 4*s), fails("q", 2*s, 3*s)
	for _, e := range []*Event{&one[0], &one[1], &two[0], &two[1]} {
		e.Number = 1
	}
	h := New(beat, ttl, Merge(one, two))
	if len(h.faults) != 2 || h.faults[0].until != 4*s || h.faults[1].until != 3*s {
		t.Errorf("faults %v, want p's until 4s and q's until 3s", h.faults)
	}
}

func TestRecordersOfOneMomentAgree(t *testing.T) {
	began, err := Moment()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	r, err := NewRecorderOf(ttl, began)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := Moment()
	r.Ended("p")
	after, _ := Moment()
	if at := r.Events()[0].At; at < before-began-s/1000 || at > after-began+s/1000 {
		t.Errorf("noted at %s of a history that began %s to %s ago", at, before-began, after-began)
	}
}
