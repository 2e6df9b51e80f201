package httpmm

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
)

// undialed says whether an error means that nothing was sent, because no connection was made.
func undialed(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// broken says whether an error means that the connection broke before an answer.
func broken(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// late says whether an error means that the request's time was over.
func late(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

// repeatable says whether a request that failed may be sent to another host: it was not sent, or may be carried
// out twice.
func repeatable(req *http.Request, sent bool, err error) bool {
	return req.Context().Err() == nil && (!sent || broken(err) && idempotent(req))
}

func idempotent(req *http.Request) bool {
	methods := []string{"", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete}
	return slices.Contains(methods, req.Method) || req.Header.Get("Idempotency-Key") != ""
}

func empty(req *http.Request) bool { return req.Body == nil || req.Body == http.NoBody }

// discard closes the body of a request that is not sent, as a RoundTripper must.
func discard(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
