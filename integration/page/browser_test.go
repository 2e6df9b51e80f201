package page

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/redismm/matchmaker/integration"
)

// tests are those of the package, and ending what they share.
type tests struct{ *testing.M }

func (t tests) Run() int {
	defer chromium.end()
	return integration.Main(t.M)
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

// chromium is the one browser of all tests.
var chromium browser

// browser is a Chromium that was started, and answers by a pipe.
type browser struct {
	once  sync.Once
	err   error
	cmd   *exec.Cmd
	dir   string
	to    io.WriteCloser
	write sync.Mutex

	mu      sync.Mutex
	n       int
	replies map[int]chan reply
	pages   map[string]*page // by session
}

// message is a command, its reply, or an event.
type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

type reply struct {
	result json.RawMessage
	err    error
}

// flags let it run as root and keep it from speaking to anybody but the pages it is told to open.
var flags = []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
	"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
	"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows",
	"--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe", "about:blank"}

// browse returns the browser, which the first test starts.
func browse(t testing.TB) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser: not with -short")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		const how = "chromium is not installed: `make setup` installs it"
		if os.Getenv("CI") == "true" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	chromium.once.Do(func() { chromium.err = chromium.start(path) })
	if chromium.err != nil {
		t.Fatalf("start %s: %v", path, chromium.err)
	}
	return &chromium
}

func (b *browser) start(path string) (err error) {
	if b.dir, err = os.MkdirTemp("", "matchmaker-page-"); err != nil {
		return err
	}
	in, to, err := os.Pipe()
	if err != nil {
		return err
	}
	from, out, err := os.Pipe()
	if err != nil {
		return err
	}
	b.cmd = exec.Command(path, append([]string{"--user-data-dir=" + b.dir}, flags...)...)
	b.cmd.Env = append(os.Environ(), "HOME="+b.dir, "TZ=UTC")
	b.cmd.ExtraFiles = []*os.File{in, out} // 3 and 4, as its protocol has it
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = b.cmd.Start()
	in.Close()
	out.Close()
	b.to, b.replies, b.pages = to, make(map[int]chan reply), make(map[string]*page)
	if err == nil {
		go b.listen(from)
	}
	return err
}

// end ends the browser and all its processes.
func (b *browser) end() {
	if b.cmd != nil && b.cmd.Process != nil {
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		_ = b.cmd.Wait()
	}
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}

// listen hands out what the browser says until it ends.
func (b *browser) listen(from io.ReadCloser) {
	defer from.Close()
	for r := bufio.NewReader(from); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			b.lose(err)
			return
		}
		var m struct {
			message
			Params json.RawMessage `json:"params"`
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		waits, p := b.replies[m.ID], b.pages[m.SessionID]
		delete(b.replies, m.ID)
		b.mu.Unlock()
		switch {
		case waits != nil && m.Error != nil:
			waits <- reply{err: fmt.Errorf("%s", m.Error.Message)}
		case waits != nil:
			waits <- reply{result: m.Result}
		case p != nil && m.Method != "":
			p.happened(m.Method, m.Params)
		}
	}
}

// lose tells those who wait that the browser has ended.
func (b *browser) lose(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, waits := range b.replies {
		waits <- reply{err: fmt.Errorf("the browser has ended: %w", err)}
	}
	clear(b.replies)
}

// call sends a command, of a page unless session is empty, and takes in its result unless that is nil.
func (b *browser) call(session, method string, params, result any) error {
	waits := make(chan reply, 1)
	b.mu.Lock()
	b.n++
	m := message{ID: b.n, SessionID: session, Method: method, Params: params}
	b.replies[m.ID] = waits
	b.mu.Unlock()
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	b.write.Lock()
	_, err = b.to.Write(append(text, 0))
	b.write.Unlock()
	if err != nil {
		return err
	}
	r := <-waits
	if r.err == nil && result != nil {
		r.err = json.Unmarshal(r.result, result)
	}
	if r.err != nil {
		return fmt.Errorf("%s: %w", method, r.err)
	}
	return nil
}
