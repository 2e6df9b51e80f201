// Package page looks at the sidecar's page with a browser: Chromium, headless, told by its own protocol over a pipe.
package page
