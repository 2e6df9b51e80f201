package page

import (
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

var (
	screenshots = flag.String("screenshots", "", "write pictures of the page to this `folder`")
	allLooks    = flag.Bool("all", false, "write them in every look, not only those that README.md shows")
)

// looks are those that pictures are taken in, and shown those of them that README.md shows.
var (
	looks = map[string]look{
		"light": {1120, 660, false}, "dark": {1120, 660, true}, "wide": {1600, 900, false},
		"narrow": {380, 820, false}, "narrow-dark": {380, 820, true}, "narrowest": {320, 700, false},
	}
	shown = map[string]string{"empty-light": "empty", "busy-light": "busy", "failing-dark": "failing"}
)

// pictures takes one in each look, of pages that were open for a while, so that they have seen changes.
func pictures(t *testing.T, url, name, ready string, happens func()) {
	t.Helper()
	pages := make(map[string]*page)
	for as, look := range looks {
		if shown[name+"-"+as] == "" && !*allLooks {
			continue
		}
		p := open(t, url, look)
		p.until(soon, "it is ready", ready)
		pages[as] = p
	}
	happens()
	for as, p := range pages {
		file := name + "-" + as
		if !*allLooks {
			file = shown[file]
		}
		p.picture(filepath.Join(*screenshots, file+".png"))
	}
}

// TestScreenshots is for `make screenshots`.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("takes pictures: want -screenshots FOLDER")
	}
	config := core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 15 * time.Second}
	s := set(t, config)
	pictures(t, s.url, "empty", `!document.getElementById('nobody').hidden`, func() { time.Sleep(time.Second) })

	_, url := s.another("gateway=edge1,addr=10.0.1.2:443,zone=east", "metrics=edge1,addr=10.0.1.2:9100,zone=east")
	keep := func(topic string, n int, port int, more func(i int, r *core.Registration)) *core.HeartbeatMatchMaker {
		var rs []core.Registration
		zones := []string{"east", "north", "west"}
		for i := range n {
			r := core.Registration{Topic: topic, Host: fmt.Sprintf("%s-%02d", topic, i+1), Zone: zones[i%3], Addr: fmt.Sprintf("10.0.%d.%d:%d", i%3+1, 20+i, port)}
			if more != nil {
				more(i, &r)
			}
			rs = append(rs, r)
		}
		return s.keep(config, rs...)
	}
	compute := keep("compute", 7, 8774, func(i int, r *core.Registration) {
		if i == 2 {
			r.Weight = 4
		}
	})
	keep("gateway", 3, 443, nil)
	keep("metrics", 2, 9100, nil)
	render := keep("render", 4, 7000, func(_ int, r *core.Registration) { r.Labels = map[string]string{"gpu": "a100"} })
	dies := s.keep(core.HeartbeatConfig{Freq: time.Second, TTL: 2 * time.Second}, core.Registration{Topic: "compute", Host: "compute-08", Zone: "north", Addr: "10.0.2.28:8774"})
	if err := render.Fail(t.Context(), "render", "render-03"); err != nil {
		t.Fatal(err)
	}
	s.drain("compute", "compute-05", 30*time.Minute, "kernel update")
	pictures(t, url, "busy", `document.querySelectorAll('tr.is').length >= 10`, func() {
		time.Sleep(6 * time.Second)
		if err := render.Drain(t.Context(), "render", "render-01"); err != nil {
			t.Fatal(err)
		}
		keep("backup", 1, 8730, nil)
		if err := compute.Unregister(t.Context(), "compute", "compute-07"); err != nil {
			t.Fatal(err)
		}
		dies.Close()
		time.Sleep(10 * time.Second)
	})
	pictures(t, url, "failing", `document.querySelectorAll('tr.is').length >= 10`, func() {
		s.redis.Kill()
		time.Sleep(6 * time.Second)
	})
}
