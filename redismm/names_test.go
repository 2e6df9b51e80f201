package redismm

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestATopicIsToldAtItsFirstStepsAndThenOnceAMinuteByEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := &names{every: nameEvery}, &names{every: nameEvery}
		for seq := range first {
			if !old.due("compute", fmt.Sprint(seq+1), 0.001) {
				t.Errorf("step %d is not told", seq+1)
			}
		}
		told := 0
		for range 600 {
			time.Sleep(time.Second)
			if old.due("compute", "1000", 1) {
				told++
			}
		}
		if told != 10 {
			t.Errorf("told %d times in ten minutes", told)
		}
		began := time.Now()
		if fresh.due("compute", "1000", 1) {
			t.Error("who comes late tells at once")
		}
		for !fresh.due("compute", "1000", 1) {
			time.Sleep(time.Second)
		}
		if waited := time.Since(began); waited > nameEvery+time.Second {
			t.Errorf("told after %s", waited)
		}
	})
}

func TestAFewTellATopicHoweverManyBeatInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		each, told := make([]*names, 1000), 0
		for i := range each {
			each[i] = &names{every: nameEvery}
		}
		for range 600 {
			for _, n := range each {
				if n.due("compute", "1000", 1.0/1000) {
					told++
				}
			}
			time.Sleep(time.Second)
		}
		if told < 20 || told > 200 {
			t.Errorf("told %d times in ten minutes, want about 80", told)
		}
	})
}

// All names are looked at once in a while, however many there are: each look takes as long as there are names.
func TestNamesAreNotLookedThroughByEachBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{every: nameEvery}
		tell := func() {
			for i := range 3 * mostNames {
				n.due(fmt.Sprint("topic", i), "1000", 1)
			}
		}
		tell()
		looked := n.tidied
		time.Sleep(time.Second)
		tell()
		if n.tidied != looked {
			t.Error("they were looked through again a second later")
		}
		time.Sleep(2*nameEvery + time.Second)
		n.due("compute", "1000", 1)
		if len(n.next) > 1 {
			t.Errorf("%d names are kept of topics that nobody beats in", len(n.next))
		}
	})
}

// Who keeps a hundred members may keep one more whose place another has: that is told whole in each interval, by itself.
func TestAStandbyDoesNotTellATopicInThePlaceOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, told := &names{every: nameEvery}, 0
		for second := range 3600 {
			if second%5 == 0 && n.due("compute", "1000", 1.0/101) {
				told++
			}
			if second%60 == 30 && n.due("compute", "1000", 100.0/101) {
				told++
			}
			time.Sleep(time.Second)
		}
		if told < 50 || told > 70 {
			t.Errorf("told %d times in an hour, want about 60", told)
		}
	})
}

func TestHoweverManyTopicsAreKeptEachIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, told := &names{every: nameEvery}, make(map[string]bool)
		const topics = 11 * mostNames
		for range 3 {
			for i := range topics {
				if topic := fmt.Sprint(i); n.due(topic, "1000", 1) {
					told[topic] = true
				}
			}
			time.Sleep(nameEvery)
		}
		if len(told) != topics || len(n.next) > 10*mostNames {
			t.Errorf("%d of %d topics were told in three minutes, %d are remembered", len(told), topics, len(n.next))
		}
	})
}
