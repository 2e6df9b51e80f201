package ringmm

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redismm/matchmaker/core"
)

const (
	// lookEvery is the interval between two looks at a ring file. A look is one stat, which follows renames
	// and symlinks on every file system; notifications of the kernel do not on all of them.
	lookEvery = time.Second
	// settled is how long before it was read a file must have changed last for its time to be believed: some
	// file systems count in steps of two seconds, and a second change in one step leaves no trace.
	settled = 2 * time.Second
)

// file is the ring file, and what was seen of it last.
type file struct {
	path string
	end  context.CancelFunc
	gone chan struct{} // closed when nobody looks any more

	confirmed atomic.Int64 // when the ring was last seen to be what the file says, Unix ns

	mu   sync.Mutex        // one look at a time
	info fs.FileInfo       // before it was read last; nil if it could not be
	read time.Time         // last
	sum  [sha256.Size]byte // of what the table was loaded from
}

func (f *file) asOf() time.Time { return time.Unix(0, f.confirmed.Load()) }

// Open returns the ring that the file at path holds and follows the file until Close. The observers are told
// every [Event]. The error is a [core.ErrInvalid] that names the file, and the line and the topic where it is
// wrong.
func Open(path string, observers ...func(Event)) (*Ring, error) {
	ctx, end := context.WithCancel(context.Background())
	r := &Ring{observers: observers, file: &file{path: path, end: end, gone: make(chan struct{})}}
	if err := r.Reload(); err != nil {
		end()
		return nil, err
	}
	go r.follow(ctx)
	return r, nil
}

// Close stops following the file. The ring goes on answering. It may be called twice, and does nothing to a
// ring made by New.
func (r *Ring) Close() error {
	if r.file != nil {
		r.file.end()
		<-r.file.gone
	}
	return nil
}

func (r *Ring) follow(ctx context.Context) {
	defer close(r.file.gone)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_ = r.Reload() // told
		case <-ctx.Done():
			return
		}
	}
}

// Reload looks at the ring file now instead of within a second, and returns nil, or why the ring before goes
// on answering. It does nothing to a ring made by New.
func (r *Ring) Reload() error {
	f := r.file
	if f == nil {
		return nil
	}
	f.mu.Lock()
	kind, err := r.look(time.Now())
	f.mu.Unlock()
	if kind != 0 {
		r.tell(Event{Kind: kind, Err: err})
	}
	return err
}

// look compares the file with the table, replaces the table if they differ, and returns what to tell.
func (r *Ring) look(now time.Time) (EventKind, error) {
	f, t := r.file, r.now.Load()
	if t != nil && f.unchanged() {
		if t.stale == nil {
			f.confirmed.Store(now.UnixNano())
		}
		return 0, t.stale
	}
	f.read = now
	text, err := f.text()
	sum := sha256.Sum256(text)
	if err == nil && t != nil && sum == f.sum {
		f.confirmed.Store(now.UnixNano())
		return r.restore(t), nil
	}
	var ls lists
	if err == nil {
		ls, err = parse(f.path, text)
	}
	if err != nil {
		return r.refuse(t, err)
	}
	f.sum = sum
	f.confirmed.Store(now.UnixNano())
	r.replace(t, lay(ls, t))
	if t == nil {
		return 0, nil
	}
	return Loaded, nil
}

// refuse lets t go on answering, and remembers why. There is no t yet when the file is opened.
func (r *Ring) refuse(t *table, err error) (EventKind, error) {
	switch {
	case t == nil:
		return 0, err
	case t.stale != nil && t.stale.Error() == err.Error():
		return 0, t.stale
	}
	r.replace(t, t.with(err))
	return Refused, err
}

// restore ends a refusal of t, if there is one.
func (r *Ring) restore(t *table) EventKind {
	if t.stale == nil {
		return 0
	}
	r.replace(t, t.with(nil))
	return Restored
}

// replace makes t the newest table and wakes those who watch the one before.
func (r *Ring) replace(before, t *table) {
	r.now.Store(t)
	if before != nil {
		close(before.replaced)
	}
}

// unchanged says whether the file is as it was when it was read last, as far as can be told without reading.
func (f *file) unchanged() bool {
	info, err := os.Stat(f.path)
	return err == nil && f.info != nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() &&
		info.ModTime().Equal(f.info.ModTime()) && f.read.Sub(info.ModTime()) > settled
}

// text reads the file, and notes its state from before.
func (f *file) text() ([]byte, error) {
	info, err := os.Stat(f.path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: want a regular file", f.path)
	}
	var text []byte
	if f.info = nil; err == nil {
		text, err = os.ReadFile(f.path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w ring file: %w", core.ErrInvalid, err)
	}
	f.info = info
	return text, nil
}
