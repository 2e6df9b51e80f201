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
			if !old.due("compute", fmt.Sprint(seq+1)) {
				t.Errorf("step %d is not told", seq+1)
			}
		}
		told := 0
		for range 600 {
			time.Sleep(time.Second)
			if old.due("compute", "1000") {
				told++
			}
		}
		if told != 10 {
			t.Errorf("told %d times in ten minutes", told)
		}
		began := time.Now()
		if fresh.due("compute", "1000") {
			t.Error("who comes late tells at once")
		}
		for !fresh.due("compute", "1000") {
			time.Sleep(time.Second)
		}
		if waited := time.Since(began); waited > nameEvery+time.Second {
			t.Errorf("told after %s", waited)
		}
	})
}
