package httpmm

// Known is how many topics a transport keeps anything of.
func Known(t *Transport) (n int) {
	t.topics.Range(func(any, any) bool { n++; return true })
	return n
}
