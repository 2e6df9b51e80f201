// Package page is what a sidecar shows to people: one page, of plain files, which reads the API's stream of all
// changes and has no verb. Nothing is built, and nothing is loaded from anywhere else.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed files
var files embed.FS

// policy lets the page load its own files and read the API, and nothing else; text never becomes markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Files are the handlers of the page, at "/", and of its parts, by path.
func Files() map[string]http.Handler {
	all := make(map[string]http.Handler)
	list, _ := fs.ReadDir(files, "files")
	for _, f := range list {
		at := "/page/" + f.Name()
		if f.Name() == "index.html" {
			at = "/{$}"
		}
		all[at] = fileOf(f.Name())
	}
	return all
}

// fileOf serves a file, which browsers ask for again each time, so that parts of two releases never meet.
func fileOf(name string) http.Handler {
	text, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err) // it was listed
	}
	sum := sha256.Sum256(text)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	kind := kinds[path.Ext(name)]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		if strings.Contains(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Write(text)
	})
}

// kinds are the media types of files: those of the machine may be others.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}
