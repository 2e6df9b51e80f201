package main

import (
	"strings"
	"testing"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/redismm"
)

func TestLsShowsTopicsWithCountsAndHostsInAlignedColumns(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	mm, err := redismm.Open(t.Context(), urlOf(m), redismm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer mm.Close()
	if err := mm.Register(t.Context(), core.Registration{Topic: "compute", Host: "node10", Addr: "10.0.0.1:8080", Zone: "east",
		Weight: 7, Labels: map[string]string{"rack": "7", "disk": "ssd"}}, registration("compute", "b"), registration("gone", "x")); err != nil {
		t.Fatal(err)
	}
	if err := mm.Drain(t.Context(), "compute", "b"); err != nil {
		t.Fatal(err)
	}
	if err := mm.Unregister(t.Context(), "gone", "x"); err != nil {
		t.Fatal(err)
	}
	r := matchmaker("ls").at(m).run(t)
	if want := "TOPIC    HOSTS  UP  DRAINING  FAILING\ncompute  2      1   1         0\ngone     0      0   0         0\n"; r != (result{out: want}) {
		t.Errorf("ls: %+v, want\n%s", r, want)
	}
	r = matchmaker("ls", "--json").at(m).run(t)
	if want := `{"topic":"compute","hosts":2,"up":1,"draining":1,"failing":0}` + "\n" + `{"topic":"gone","hosts":0,"up":0,"draining":0,"failing":0}` + "\n"; r != (result{out: want}) {
		t.Errorf("ls --json: %+v, want\n%s", r, want)
	}
	r = matchmaker("ls", "compute", "--json").at(m).run(t)
	if want := `{"topic":"compute","host":"b","state":"draining","instance":?,"ttl_seconds":?}` + "\n" +
		`{"topic":"compute","host":"node10","addr":"10.0.0.1:8080","zone":"east","weight":7,"labels":{"disk":"ssd","rack":"7"},"state":"up","instance":?,"ttl_seconds":?}` + "\n"; steady(r.out) != want {
		t.Errorf("ls compute --json: %+v, want\n%s", r, want)
	}
	whole := matchmaker("ls", "compute").at(m).run(t).out
	var rows [][]string
	for line := range strings.Lines(whole) {
		rows = append(rows, strings.Fields(line))
		if strings.Index(line, rows[len(rows)-1][1]) != strings.Index(whole, "STATE") {
			t.Errorf("the second column is not aligned:\n%s", whole)
		}
	}
	if len(rows) != 3 || len(rows[1]) != 8 || len(rows[2]) != 8 {
		t.Fatalf("ls compute:\n%s", whole)
	}
	for _, row := range rows[1:] {
		if !strings.HasSuffix(row[2], "s") || len(row[3]) != 8 {
			t.Errorf("TTL %q and instance %q, want seconds and 8 characters", row[2], row[3])
		}
		row[2], row[3] = "?", "?"
	}
	want := "HOST STATE TTL INSTANCE ADDR ZONE WEIGHT LABELS/b draining ? ? - - 1 -/node10 up ? ? 10.0.0.1:8080 east 7 disk=ssd,rack=7"
	if got := strings.Join([]string{strings.Join(rows[0], " "), strings.Join(rows[1], " "), strings.Join(rows[2], " ")}, "/"); got != want {
		t.Errorf("ls compute: %s, want\n%s", got, want)
	}
}

func TestLsOfARingListsItsFile(t *testing.T) {
	t.Parallel()
	ring := []string{"--backend=ring", "--ringfile", ringFile(t), "ls"}
	r := matchmaker(ring...).run(t)
	if want := "TOPIC    HOSTS  UP  DRAINING  FAILING\ncompute  3      3   0         0\nnone     0      0   0         0\n"; r != (result{out: want}) {
		t.Errorf("ls: %+v, want\n%s", r, want)
	}
	r = matchmaker(append(ring, "compute")...).run(t)
	want := "HOST  STATE  TTL  INSTANCE  ADDR         ZONE  WEIGHT  LABELS\n" +
		"a     up     -    -         -            -     1       -\n" +
		"b     up     -    -         10.0.0.2:80  east  2       -\n" +
		"c     up     -    -         -            -     1       -\n"
	if r != (result{out: want}) {
		t.Errorf("ls compute: %+v, want\n%s", r, want)
	}
	r = matchmaker(append(ring, "compute", "--json")...).run(t)
	if line, _, _ := strings.Cut(r.out, "\n"); line != `{"topic":"compute","host":"a","state":"up"}` {
		t.Errorf("%+v", r)
	}
}

func TestAHeldHostIsShownAsHeld(t *testing.T) {
	t.Parallel()
	l := listed{Member: core.Member{Registration: registration("a", "b"), Held: true}}
	if row := l.row(); row[1] != "up (held)" {
		t.Errorf("%q", row)
	}
}
