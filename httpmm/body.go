package httpmm

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// kept is a request's body that can be sent again as long as nobody has read it. A nil kept keeps nothing.
type kept struct {
	body io.ReadCloser

	mu     sync.Mutex
	read   bool
	closed bool // by the base transport
	free   bool // to be closed
	taken  bool // for another host
}

// keepBody returns a request whose body is kept, if it could not be had again otherwise.
func keepBody(req *http.Request) (*http.Request, *kept) {
	if empty(req) || req.GetBody != nil {
		return req, nil
	}
	k := &kept{body: req.Body}
	return withBody(req, k), k
}

func withBody(req *http.Request, body io.ReadCloser) *http.Request {
	with := req.WithContext(req.Context())
	with.Body = body
	return with
}

// rewound is a request with its body from the beginning, if it can be had.
func rewound(req *http.Request, k *kept) (*http.Request, bool) {
	switch {
	case empty(req):
		return req, true
	case k != nil:
		return withBody(req, k.body), k.take()
	}
	body, err := req.GetBody()
	return withBody(req, body), err == nil
}

var errTaken = errors.New("the body is sent to another host")

// Read reads the body, which is not kept any more.
func (k *kept) Read(p []byte) (int, error) {
	k.mu.Lock()
	k.read = true
	taken := k.taken
	k.mu.Unlock()
	if taken {
		return 0, errTaken
	}
	return k.body.Read(p)
}

// Close closes the body, once it is not kept any more.
func (k *kept) Close() error {
	k.mu.Lock()
	k.closed = true
	now := k.free && !k.taken
	k.mu.Unlock()
	if now {
		return k.body.Close()
	}
	return nil
}

// take says whether the body can be sent to another host, and then leaves it to that.
func (k *kept) take() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken = !k.read
	return k.taken
}

// release keeps the body no longer.
func (k *kept) release() {
	if k == nil {
		return
	}
	k.mu.Lock()
	k.free = true
	now := k.closed && !k.taken
	k.mu.Unlock()
	if now {
		k.body.Close()
	}
}
