package api

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redismm/matchmaker/core"
)

// hosts registers n hosts with addresses and labels under a topic.
func (s *served) hosts(topic string, n int) {
	s.t.Helper()
	claims := make([]*core.Claim, n)
	for i := range claims {
		claims[i] = &core.Claim{Registration: core.Registration{Topic: topic, Host: fmt.Sprintf("node%05d", i),
			Addr: fmt.Sprintf("10.0.%d.%d:8774", i/250, i%250), Zone: "east", Labels: map[string]string{"rack": fmt.Sprint(i / 40)}}}
	}
	if _, err := s.registry.BackendRegister(s.t.Context(), time.Hour, claims); err != nil {
		s.t.Fatal(err)
	}
}

// BenchmarkReadWith10000Hosts is a read over HTTP on loopback, in a topic of 10,000 hosts.
func BenchmarkReadWith10000Hosts(b *testing.B) {
	s := serve(b)
	s.hosts("compute", 10_000)
	url := s.online()
	for _, path := range []string{"/v1/resolve/compute", "/v1/resolve/fanout~compute", "/v1/topics", "/v1/topics/compute", "/v1/topics/compute/hosts/node05000", "/readyz"} {
		b.Run(strings.ReplaceAll(path[1:], "/", ":"), func(b *testing.B) {
			for b.Loop() {
				if code, err := get(url + path); err != nil || code != 200 {
					b.Fatal(code, err)
				}
			}
		})
	}
}

// BenchmarkChangeToldTo1000Readers is the time from a change to the last of 1,000 readers of a topic of 1,000 hosts, each
// over a connection of its own. Readers and server share the machine.
func BenchmarkChangeToldTo1000Readers(b *testing.B) {
	const readers = 1000
	s := serve(b)
	s.hosts("compute", 1000)
	url := s.online()
	told := make(chan bool, readers)
	for range readers {
		r := read(b, url, "compute", "")
		r.says("snapshot")
		go func() {
			for {
				if _, more := r.next(); !more {
					return
				}
				told <- true
			}
		}()
	}
	i := 0
	for b.Loop() {
		i++
		s.put("compute", fmt.Sprint("new", i))
		for range readers {
			<-told
		}
	}
}

// BenchmarkRegister is a registration over HTTP of a host that is kept already.
func BenchmarkRegister(b *testing.B) {
	s := serve(b)
	all := s.All()
	for b.Loop() {
		w := httptest.NewRecorder()
		if all.ServeHTTP(w, request("PUT", y, "{}")); w.Code > 201 {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// get reads an answer to its end.
func get(url string) (int, error) {
	r, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}
