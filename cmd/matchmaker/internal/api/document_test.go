package api

import (
	"net/http"
	"slices"
	"testing"
)

func TestTheDocumentHasExactlyThePathsThatAreServed(t *testing.T) {
	t.Parallel()
	doc, a := documented(t), serve(t)
	var want, got []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			want = append(want, method+" "+path)
		}
	}
	for _, r := range slices.Concat(a.reads(&a.tellings), a.writes()) {
		got = append(got, r.method+" "+r.path)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("served:\n%q\nin the document:\n%q", got, want)
	}
	if r := a.ask("GET", "/v1/openapi.yaml", ""); r.code != http.StatusOK || r.body != string(document) {
		t.Errorf("%d %.80s", r.code, r.body)
	}
}

func TestEveryReadHasItsTagAndEveryVerbToo(t *testing.T) {
	t.Parallel()
	a := serve(t)
	for _, r := range a.writes() {
		if op := documented(t).Paths.Value(r.path).GetOperation(r.method); !slices.Equal(op.Tags, []string{"verbs"}) {
			t.Errorf("%s %s is tagged %q, want verbs", r.method, r.path, op.Tags)
		}
	}
	for _, r := range a.reads(&a.tellings) {
		if op := documented(t).Paths.Value(r.path).GetOperation(r.method); slices.Contains(op.Tags, "verbs") {
			t.Errorf("%s %s is tagged %q", r.method, r.path, op.Tags)
		}
	}
}
