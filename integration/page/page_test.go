package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
	"github.com/redismm/matchmaker/integration"
)

// late is how much later than promised something may be seen on a machine with much else to do.
const late = 2 * time.Second

func TestAJoinIsARowWithinASecond(t *testing.T) {
	t.Parallel()
	s := set(t, quick)
	p := open(t, s.url, desk)
	p.until(soon, "it says what to run", `!document.getElementById('nobody').hidden && document.getElementById('hosts').hidden`)
	s.keep(quick, core.Registration{Topic: "web", Host: "web1", Addr: "10.0.0.1:80", Zone: "east", Weight: 3})
	p.until(soon, "the first host is there", row("web", "web1"))
	if !strings.Contains(p.text("tr.is"), "10.0.0.1:80\teast\t3") {
		t.Errorf("the row is %q", p.text("tr.is"))
	}
	p.until(soon, "its life is a bar", `document.querySelector('tr.is .bar:not([hidden]) i')?.style.transform.startsWith('scaleX(')`)
	other := s.process(quick)
	began := time.Now()
	if err := other.Register(t.Context(), core.Registration{Topic: "web", Host: "web2"}); err != nil {
		t.Fatal(err)
	}
	p.until(time.Second+late, "the second is there", row("web", "web2"))
	t.Logf("a row after %s", time.Since(began))
	s.keep(quick, core.Registration{Topic: "other", Host: "other1"})
	p.until(soon, "a host of a new topic is there, and told", row("other", "other1")+` && /other1 of other joined/.test(document.querySelector('#changes').innerText)`)
	p.until(soon, "the change is told", `/web2 of web joined/.test(document.querySelector('#changes').innerText)`)
	p.until(soon, "what to run is not said any more", `document.getElementById('nobody').hidden`)
}

// row is that a host is in the table, and words its state.
func row(topic, host string) string {
	return fmt.Sprintf(`document.querySelector('tr.is[data-key="h\\A %s\\A %s"]')`, topic, host)
}

func rowIs(topic, host, state string) string {
	return row(topic, host) + "?.dataset.is === '" + state + "'"
}

func TestARedisThatStopsIsSaidWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	for name, does := range map[string]struct{ stop, start func(*integration.Redis) }{
		"killed": {(*integration.Redis).Kill, (*integration.Redis).Restart}, "stopped": {(*integration.Redis).Pause, (*integration.Redis).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := set(t, core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 15 * time.Second}, "web=own,addr=10.0.0.9:80")
			p := open(t, s.url, desk)
			p.until(soon, "the host is there", rowIs("web", "own", "up"))
			p.until(soon, "it is confirmed", `document.getElementById('status').innerText === 'live' && document.querySelector('tr.is .bar:not([hidden])')`)
			does.stop(s.redis)
			took := p.until(2*time.Second+late, "it is said", `!document.getElementById('trouble').hidden && document.getElementById('status').dataset.is === 'failing'`)
			t.Logf("after %s", took)
			for _, want := range []string{"Redis does not answer since ", "1\u00a0host of 1\u00a0topic still stands as last known", "1\u00a0registration"} {
				if !strings.Contains(p.text("#trouble"), want) {
					t.Errorf("it says %q, want %q", p.text("#trouble"), want)
				}
			}
			p.until(soon, "lives are not guessed", `document.querySelector('tr.is .bar').hidden`)
			p.until(soon, "the host still stands", row("web", "own"))
			does.start(s.redis)
			p.until(soon, "it is over", `document.getElementById('trouble').hidden && document.getElementById('status').innerText === 'live'`)
		})
	}
}

func TestAKilledHostIsHeldAndThenGone(t *testing.T) {
	t.Parallel()
	s := set(t, quick)
	s.keep(quick, core.Registration{Topic: "web", Host: "stays"})
	dies, _ := s.another("web=dies,addr=10.0.0.1:80")
	p := open(t, s.url, desk)
	p.until(soon, "both are up", rowIs("web", "dies", "up")+" && "+rowIs("web", "stays", "up"))
	dies.Kill()
	p.until(quick.TTL+3*quick.Freq+time.Second+late, "it is held", rowIs("web", "dies", "held"))
	if why := p.text("#attention"); !strings.Contains(why, "dies of web is held since") || !strings.Contains(why, "Redis does not show it, and nobody said that it left") {
		t.Errorf("why is said as %q", why)
	}
	p.until(quick.TTL+3*quick.Freq+time.Second+late, "it is gone", "!"+row("web", "dies")+" && "+rowIs("web", "stays", "up"))
	p.until(soon, "that is told", `/gone: held for a TTL/.test(document.querySelector('#changes').innerText) && document.getElementById('attention').hidden`)
}

func TestStatesAreWordsAndDrainsHaveTheirReasonAndEnd(t *testing.T) {
	t.Parallel()
	slow := core.HeartbeatConfig{Freq: 5 * time.Second}
	s := set(t, core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 15 * time.Second}, "web=own,addr=10.0.0.9:80")
	mm := s.keep(slow, core.Registration{Topic: "web", Host: "drained"}, core.Registration{Topic: "web", Host: "fails"}, core.Registration{Topic: "web", Host: "drains", Labels: map[string]string{"rack": "r7"}})
	p := open(t, s.url, desk)
	p.until(soon, "all are up", `document.querySelectorAll('tr.is[data-is=up]').length === 4`)
	s.drain("web", "drained", time.Hour, "kernel update")
	if err := mm.Fail(t.Context(), "web", "fails"); err != nil {
		t.Fatal(err)
	}
	if err := mm.Drain(t.Context(), "web", "drains"); err != nil {
		t.Fatal(err)
	}
	p.until(soon, "they are shown", rowIs("web", "drained", "draining")+" && "+rowIs("web", "fails", "failing")+" && "+rowIs("web", "drains", "draining"))
	p.until(soon, "it is said why", `/drained of web is drained for kernel update until (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d/.test(document.querySelector('#attention').innerText)`)
	for _, want := range []string{"fails of web is failing", "drains of web is draining, as it says itself"} {
		if !strings.Contains(p.text("#attention"), want) {
			t.Errorf("%q does not say %q", p.text("#attention"), want)
		}
	}
	if all := p.text("#table tbody"); !strings.Contains(all, "failing") || !strings.Contains(all, "draining") || !strings.Contains(all, "1\u00a0up · 2\u00a0draining · 1\u00a0failing") {
		t.Errorf("the states are not words in %q", all)
	}
	p.until(soon, "what the sidecar keeps is there", `/ready[^]*own of web[^]*valid; last beat \d+\s+s ago, good for \d+\s+s/.test(document.querySelector('#sidecar').innerText)`)
}

func TestTheKeyboardReachesEverything(t *testing.T) {
	t.Parallel()
	s := set(t, quick)
	s.keep(quick, core.Registration{Topic: "api", Host: "api1"}, core.Registration{Topic: "web", Host: "web1", Labels: map[string]string{"rack": "r7"}}, core.Registration{Topic: "web", Host: "web2"})
	p := open(t, s.url, desk)
	p.until(soon, "all are there", `document.querySelectorAll('tr.is').length === 3`)
	p.press("/")
	p.write("RACK=r7")
	p.until(soon, "one is found, by its label", `document.activeElement.id === 'filter' && document.querySelectorAll('tr.is').length === 1 && document.getElementById('found').innerText === '1\u00a0host found'`)
	p.press("Escape")
	p.until(soon, "all are there again", `document.querySelectorAll('tr.is').length === 3`)
	p.write("nosuch")
	p.until(soon, "it says that none matches", `!document.getElementById('none').hidden`)
	p.press("Escape", "ArrowDown")
	p.until(soon, "the first row has the focus", `document.activeElement === `+row("api", "api1"))
	p.press("ArrowDown")
	p.until(soon, "the next has", `document.activeElement === `+row("web", "web1"))
	p.press("End")
	p.until(soon, "the last has", `document.activeElement === `+row("web", "web2"))
	p.press("ArrowUp", "Enter")
	p.until(soon, "the host is shown whole", `document.getElementById('details').open && /Label rack\s+r7/.test(document.getElementById('details').innerText)`)
	p.press("Escape")
	p.until(soon, "the row has the focus again", `!document.getElementById('details').open && document.activeElement === `+row("web", "web1"))
	p.eval(`document.querySelector('#topics button:nth-child(2)').focus()`, nil)
	p.press("Enter")
	p.until(soon, "one topic is shown", `document.querySelectorAll('tr.is').length === 1 && document.activeElement.getAttribute('aria-pressed') === 'true'`)
	var nameless []string
	p.eval(`[...document.querySelectorAll('button, input, [role=grid], section:not([hidden])')].filter(e => !e.innerText.trim() && !e.ariaLabel && !e.getAttribute('aria-labelledby') && !e.labels?.length && !e.closest('[hidden]')).map(e => e.outerHTML)`, &nameless)
	if len(nameless) > 0 {
		t.Errorf("these have no name: %q", nameless)
	}
}

func TestHostileNamesAreText(t *testing.T) {
	t.Parallel()
	s := set(t, quick)
	script, turned, long := `<script>alert(1)</script><img src=x onerror=alert(1)>`, "web\u202e1reverof\u2066\u200b", strings.Repeat("w", 255)
	var rs []core.Registration
	for _, topic := range []string{script, turned, long, "__proto__"} {
		for _, host := range []string{script, turned, long, "__proto__", `"]|'\`} {
			rs = append(rs, core.Registration{Topic: topic, Host: host, Zone: script, Labels: map[string]string{script: turned, "__proto__": "x"}})
		}
	}
	s.keep(quick, rs...)
	s.drain(turned, turned, time.Hour, script+turned)
	for _, as := range []look{{1280, 2400, false}, {320, 2400, true}} { // tall: no row is left out
		p := open(t, s.url, as)
		p.until(soon, "all are there", `document.querySelectorAll('tr.topic').length === 4 && document.querySelectorAll('tr.is').length === 20`)
		p.until(soon, "the drain is told", `document.querySelector('#attention').innerText.includes('<script>alert(1)')`)
		var made, wide int
		p.eval(`document.querySelectorAll('body script, body img[src=x]').length`, &made)
		p.eval(`document.documentElement.scrollWidth - innerWidth`, &wide)
		if made > 0 || wide > 0 {
			t.Errorf("%d elements were made of names, and the page is %d pixels too wide", made, wide)
		}
		if all := p.text("body"); strings.ContainsAny(all, "\u202e\u2066\u200b") || !strings.Contains(all, "web⟨U+202E⟩1reverof⟨U+2066⟩⟨U+200B⟩") {
			t.Error("what turns text around is not shown as such")
		}
		p.eval(`document.querySelector('tr.is').click()`, nil)
		p.until(soon, "a host is shown whole", `document.getElementById('details').open && document.getElementById('details').innerText.includes('<script>')`)
	}
}

// What is counted is what makes a page slow: nodes, and work that lets nobody in between.
func TestTwoThousandHostsCostWhatAFewDo(t *testing.T) {
	t.Parallel()
	const hosts, mostNodes = 2000, 1500
	s := set(t, core.HeartbeatConfig{Freq: 5 * time.Second, TTL: 15 * time.Second})
	rs := make([]core.Registration, hosts)
	for i := range rs {
		rs[i] = core.Registration{Topic: "web", Host: fmt.Sprintf("web%04d", i), Addr: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250), Zone: "east"}
	}
	mm := s.keep(core.HeartbeatConfig{Freq: 5 * time.Second}, rs...)
	p := open(t, s.url, desk)
	p.until(soon, "the table is there", `document.querySelectorAll('tr.is').length > 20`)
	var first float64
	p.eval(`performance.now()`, &first)
	t.Logf("the first rows %.0f ms after the page was asked for", first)
	p.eval(`void new PerformanceObserver(l => { window.long = (window.long ?? 0) + l.getEntries().filter(e => e.duration > 200).length; }).observe({type: 'longtask'})`, nil)
	p.until(soon, "lives are there", `document.querySelector('tr.is .bar:not([hidden])')`)
	var nodes int
	if p.eval(`document.querySelectorAll('*').length`, &nodes); nodes > mostNodes {
		t.Errorf("there are %d elements, want at most %d", nodes, mostNodes)
	}
	p.press("/", "ArrowDown", "End")
	p.until(soon, "the last row is there", `document.activeElement === `+row("web", "web1999"))
	p.eval(`scrollTo(0, 0)`, nil)
	p.until(soon, "the focus is kept though its row is not", `document.activeElement.id === 'table' && document.querySelector('tr.is[tabindex="0"]')`)
	p.press("ArrowUp")
	p.until(soon, "the keyboard goes on from there", `document.activeElement === `+row("web", "web1998"))
	p.press("/")
	p.write("web1234")
	p.until(soon, "one is found", `document.querySelectorAll('tr.is').length === 1`)
	p.press("Escape")
	for i := range 200 {
		if err := mm.Drain(t.Context(), "web", rs[i].Host); err != nil {
			t.Fatal(err)
		}
	}
	p.until(soon, "they drain", `/200\s+draining/.test(document.getElementById('counts').innerText) && document.querySelectorAll('#changes li').length <= 100`)
	var changes int
	if p.eval(`document.querySelectorAll('#changes li').length`, &changes); changes != 100 {
		t.Errorf("%d changes are listed, want the newest 100", changes)
	}
	if p.eval(`document.querySelectorAll('*').length`, &nodes); nodes > mostNodes+100*8 {
		t.Errorf("there are %d elements after the changes", nodes)
	}
	var long int
	p.eval(`window.long ?? 0`, &long)
	t.Logf("%d elements, %d tasks of more than 200 ms", nodes, long)
}

// The page that anybody may read is the same, and so is what it may load.
func TestThePageIsAtBothListenersAndHeardOfNobodyElse(t *testing.T) {
	t.Parallel()
	s := set(t, quick)
	o := integration.Matchmaker("sidecar", "--listen", "off", "--listen-ops", "127.0.0.1:0", "--register", "web=own").With("MATCHMAKER_REDIS_URL=" + s.redis.URL).Start(t)
	o.Says(soon, `"message":"listen-ops"`)
	url := "http://" + opens.FindStringSubmatch(o.Err())[1] + "/"
	p := open(t, url, look{320, 700, false})
	p.until(soon, "the host is there", rowIs("web", "own", "up"))
	var wide int
	if p.eval(`document.documentElement.scrollWidth - innerWidth`, &wide); wide > 0 {
		t.Errorf("at 320 pixels it is %d too wide", wide)
	}
	o.Kill()
	p.until(soon, "it says that nobody is heard", `/does not hear its sidecar/.test(document.getElementById('trouble').innerText)`)
	p.until(soon, "what was said last stands", row("web", "own"))
	p.forgive("ERR_") // of the stream that broke off
}
