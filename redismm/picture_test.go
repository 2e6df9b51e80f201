package redismm

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// heldPicture is a picture that holds the one host of compute, an instance of the stamp, since it was read at step 9.
func heldPicture(stamp string) *picture {
	p := newPicture(compute, 15*time.Second)
	p.look(snapshotAt(9, map[string]value{"node1": {live, stamp, 1, "{}"}}))
	p.attest()
	p.since = 0
	p.look(snapshotAt(9, nil))
	return p
}

// snapshotAt is of a set that has node1, whoever lives.
func snapshotAt(step int, values map[string]value) *snapshot {
	return &snapshot{time: 1, version: version{"epoch", strconv.Itoa(step), fmt.Sprint("change", step), "1"}, hosts: []string{"node1"}, values: values}
}

// A host is back in each interval, and Redis loses it at once.
func TestWhoIsToldToBeBackIsHeldOn(t *testing.T) {
	older := stampOf(1, 1)
	for name, told := range map[string]struct {
		changes func(step int) [][]string
		applied bool
	}{
		"as it was": {func(int) [][]string { return [][]string{{"up", "node1", older, "1", "{}"}} }, true},
		"as a newer instance, while a reading had failed": {func(step int) [][]string { return [][]string{{"up", "node1", stampOf(int64(step), 1), "1", "{}"}} }, false},
	} {
		p := heldPicture(older)
		for step := 10; step < 20; step++ {
			p.since, p.synced = 4*time.Second, told.applied
			p.hear(&message{Epoch: "epoch", Seq: strconv.Itoa(step), Change: fmt.Sprint("change", step), Previous: fmt.Sprint("change", step-1), N: "1",
				Changes: told.changes(step)})
			p.since = 5 * time.Second
			p.look(snapshotAt(step, nil))
			p.pass(5 * time.Second)
		}
		if len(p.members) == 0 {
			t.Errorf("who is back each interval, %s, is dropped", name)
		}
	}
}

// What was not heard may have told that a host is back of which a sweeper announced before that it is away.
func TestAnExpiryIsNotBelievedWhereAChangeWasNotHeard(t *testing.T) {
	stamp := stampOf(1, 1)
	p := heldPicture(stamp)
	step := func(n, previous int, changes ...[]string) {
		p.hear(&message{Epoch: "epoch", Seq: strconv.Itoa(n), Change: fmt.Sprint("change", n), Previous: fmt.Sprint("change", previous), N: "1", Changes: changes})
	}
	step(10, 9, []string{"suspect", "node1"})
	p.look(snapshotAt(12, nil)) // nobody heard of step 11: it was up
	p.pass(5 * time.Second)
	step(13, 12, []string{"expired", "node1", stamp})
	if len(p.members) == 0 {
		t.Error("who may have been back after its absence was announced is dropped by its expiry")
	}
}

// Somebody opens an epoch after a loss: what was told before it, and not heard, may have told that a host is back.
func TestTheFirstMessageOfAnEpochVouchesForNothingBeforeIt(t *testing.T) {
	stamp := stampOf(1, 1)
	p := heldPicture(stamp)
	for i := range 5 {
		epoch, change := fmt.Sprint("epoch", i), fmt.Sprint("first", i)
		p.since = 4 * time.Second
		p.hear(&message{Epoch: epoch, Seq: "1", Change: change, N: "1", Changes: [][]string{{"up", "node2", stamp, "1", "{}"}}})
		p.since = 5 * time.Second
		p.look(&snapshot{time: 1, version: version{epoch, "1", change, "1"}, hosts: []string{"node2"}, values: map[string]value{"node2": {live, stamp, 1, "{}"}}})
		p.pass(5 * time.Second)
	}
	if p.members["node1"] == nil {
		t.Error("who may have been back in each interval is dropped")
	}
}

// A poll that is slow sees, after the interval that it counts, who is absent.
func TestAHoldThatBeginsWhileAPollIsSlowLastsATTL(t *testing.T) {
	for name, begin := range map[string]func(p *picture){
		"first seen absent": func(p *picture) {},
		"begun anew where a change was not heard": func(p *picture) {
			p.look(snapshotAt(10, nil))
		},
	} {
		p := newPicture(compute, 15*time.Second)
		p.look(snapshotAt(9, map[string]value{"node1": {live, stampOf(1, 1), 1, "{}"}}))
		p.attest()
		p.since = 7 * time.Second
		p.look(snapshotAt(9, nil))
		begin(p)
		p.pass(5 * time.Second)
		for passed := 5 * time.Second; passed <= 20*time.Second; passed += 5 * time.Second {
			p.pass(5 * time.Second)
			if held := passed - 2*time.Second; (held < 15*time.Second) != (len(p.members) == 1) {
				t.Errorf("%s, %s after: %d members are shown", name, held, len(p.members))
			}
		}
	}
}
