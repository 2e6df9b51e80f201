package page

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// page is a page that is open in a context of its own. Its methods end the test if it does not do as it is told.
type page struct {
	t       testing.TB
	b       *browser
	session string

	mu         sync.Mutex
	requests   []string
	complaints []string
}

// look is how a page is looked at.
type look struct {
	width, height int
	dark          bool
}

var desk = look{1280, 900, false}

type is = map[string]any

// open opens a page, and returns when it is loaded. A console error, an exception or a violation of its policy fails
// the test, and so does a request to another than it came from.
func open(t testing.TB, url string, as look) *page {
	t.Helper()
	p := &page{t: t, b: browse(t)}
	var context struct{ BrowserContextID string }
	var target struct{ TargetID string }
	var session struct{ SessionID string }
	p.must(p.b.call("", "Target.createBrowserContext", is{"disposeOnDetach": true}, &context))
	p.must(p.b.call("", "Target.createTarget", is{"url": "about:blank", "browserContextId": context.BrowserContextID, "width": as.width, "height": as.height}, &target))
	p.must(p.b.call("", "Target.attachToTarget", is{"targetId": target.TargetID, "flatten": true}, &session))
	p.session = session.SessionID
	p.b.mu.Lock()
	p.b.pages[p.session] = p
	p.b.mu.Unlock()
	t.Cleanup(func() {
		_ = p.b.call("", "Target.disposeBrowserContext", is{"browserContextId": context.BrowserContextID}, nil)
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.complaints {
			t.Errorf("the page complains: %s", c)
		}
		for _, r := range p.requests {
			if !strings.HasPrefix(r, url) && r != "about:blank" {
				t.Errorf("the page asks for %s", r)
			}
		}
	})
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.do(domain+".enable", is{}, nil)
	}
	scheme := "light"
	if as.dark {
		scheme = "dark"
	}
	p.do("Emulation.setEmulatedMedia", is{"features": []is{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	p.do("Emulation.setDeviceMetricsOverride", is{"width": as.width, "height": as.height, "deviceScaleFactor": 1, "mobile": false}, nil)
	p.do("Page.navigate", is{"url": url}, nil)
	p.until(20*time.Second, "the page is loaded", `document.readyState === 'complete' && location.href !== 'about:blank'`)
	return p
}

func (p *page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) do(method string, params, result any) {
	p.t.Helper()
	p.must(p.b.call(p.session, method, params, result))
}

// happened notes an event.
func (p *page) happened(method string, params json.RawMessage) {
	var e struct {
		Request struct{ URL string }
		Entry   struct{ Level, Text, URL string }
		Type    string
		Details struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
		Args []struct{ Value any }
	}
	_ = json.Unmarshal(params, &e)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case method == "Network.requestWillBeSent":
		p.requests = append(p.requests, e.Request.URL)
	case method == "Log.entryAdded" && e.Entry.Level != "verbose" && e.Entry.Level != "info":
		p.complaints = append(p.complaints, e.Entry.Text+" "+e.Entry.URL)
	case method == "Runtime.exceptionThrown":
		p.complaints = append(p.complaints, e.Details.Text+" "+e.Details.Exception.Description)
	case method == "Runtime.consoleAPICalled" && e.Type != "log":
		p.complaints = append(p.complaints, fmt.Sprint(e.Type, e.Args))
	}
}

// forgive forgets the complaints until now, which have to be as expected.
func (p *page) forgive(expected string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		if !strings.Contains(c, expected) {
			p.t.Errorf("the page complains: %s", c)
		}
	}
	p.complaints = nil
}

// eval evaluates an expression in the page, and waits for its promise.
func (p *page) eval(script string, into any) {
	p.t.Helper()
	var got struct {
		Result struct{ Value json.RawMessage }
		Wrong  *struct {
			Text      string
			Exception struct{ Description string }
		} `json:"exceptionDetails"`
	}
	p.do("Runtime.evaluate", is{"expression": script, "returnByValue": true, "awaitPromise": true}, &got)
	if got.Wrong != nil {
		p.t.Fatalf("%s: %s %s", script, got.Wrong.Text, got.Wrong.Exception.Description)
	}
	if into != nil && len(got.Result.Value) > 0 {
		p.must(json.Unmarshal(got.Result.Value, into))
	}
}

func (p *page) text(selector string) (text string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &text)
	return text
}

// until waits until an expression is true, and returns how long that took.
func (p *page) until(d time.Duration, what, script string) time.Duration {
	p.t.Helper()
	began := time.Now()
	for {
		asked := time.Now()
		var so bool
		p.eval("Boolean("+script+")", &so)
		if so {
			return time.Since(began)
		}
		if asked.Sub(began) > d {
			p.t.Fatalf("within %s it is not so that %s; the page shows:\n%s", d, what, p.text("body"))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// keys are those that are pressed by name.
var keys = map[string]is{
	"Enter": {"windowsVirtualKeyCode": 13, "text": "\r"}, "Escape": {"windowsVirtualKeyCode": 27}, "Tab": {"windowsVirtualKeyCode": 9},
	"ArrowDown": {"windowsVirtualKeyCode": 40}, "ArrowUp": {"windowsVirtualKeyCode": 38},
	"End": {"windowsVirtualKeyCode": 35}, "Home": {"windowsVirtualKeyCode": 36}, "PageDown": {"windowsVirtualKeyCode": 34},
	"/": {"windowsVirtualKeyCode": 191, "text": "/"},
}

// press presses keys, one after the other.
func (p *page) press(names ...string) {
	p.t.Helper()
	for _, name := range names {
		down := is{"type": "keyDown", "key": name, "code": name}
		for k, v := range keys[name] {
			down[k] = v
		}
		p.do("Input.dispatchKeyEvent", down, nil)
		p.do("Input.dispatchKeyEvent", is{"type": "keyUp", "key": name, "code": name}, nil)
	}
}

// write types text.
func (p *page) write(text string) {
	p.t.Helper()
	p.do("Input.insertText", is{"text": text}, nil)
}

// picture writes what is seen of the page to a file.
func (p *page) picture(file string) {
	p.t.Helper()
	var shot struct{ Data string }
	p.do("Page.captureScreenshot", is{"format": "png", "optimizeForSpeed": false}, &shot)
	text, err := base64.StdEncoding.DecodeString(shot.Data)
	p.must(err)
	p.must(os.WriteFile(file, text, 0o644))
}
