package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// ask asks for a file of the page.
func ask(t *testing.T, at, tag string) *httptest.ResponseRecorder {
	t.Helper()
	h := Files()[at]
	if h == nil {
		t.Fatalf("nothing is at %s", at)
	}
	r := httptest.NewRequest("GET", "/", nil)
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEachFileIsServedUnderTheStrictPolicy(t *testing.T) {
	t.Parallel()
	for at := range Files() {
		w := ask(t, at, "")
		h := w.Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; ", "X-Content-Type-Options": "nosniff",
			"Cache-Control": "no-cache", "Referrer-Policy": "no-referrer", "ETag": `"`,
		} {
			if !strings.HasPrefix(h.Get(name), want) {
				t.Errorf("%s: %s is %q, want %q", at, name, h.Get(name), want)
			}
		}
		if p := h.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || strings.Contains(p, "http") || strings.Contains(p, "data:") {
			t.Errorf("%s: the policy is %q", at, p)
		}
		if h.Get("Content-Type") == "" || w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: %d, %d bytes of %q", at, w.Code, w.Body.Len(), h.Get("Content-Type"))
		}
		if again := ask(t, at, h.Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s, as it was: %d", at, again.Code)
		}
	}
}

// What a name says is text wherever it is shown, and no part of the page is loaded from elsewhere.
func TestNoFileMakesMarkupOfTextOrNamesAnotherSite(t *testing.T) {
	t.Parallel()
	refused := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style|\son[a-z]+=|<style|style="|https?://|//cdn`)
	for at := range Files() {
		text := strings.ReplaceAll(ask(t, at, "").Body.String(), `xmlns="http://www.w3.org/2000/svg"`, "")
		if found := refused.FindString(text); found != "" {
			t.Errorf("%s has %q", at, found)
		}
	}
}

func TestEveryFileThatIsNamedIsThere(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`(?:href|src)="(page/[^"]+)"|from '\./([^']+)'`)
	used := map[string]bool{"/{$}": true}
	for at := range Files() {
		for _, m := range named.FindAllStringSubmatch(ask(t, at, "").Body.String(), -1) {
			path := "/page/" + m[2]
			if m[1] != "" {
				path = "/" + m[1]
			}
			if Files()[path] == nil {
				t.Errorf("%s names %s, which is not there", at, path)
			}
			used[path] = true
		}
	}
	for at := range Files() {
		if !used[at] {
			t.Errorf("%s is named by nobody", at)
		}
	}
}
