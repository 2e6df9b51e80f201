// Package httpmm lets HTTP clients find hosts, and HTTP servers be found, through a matchmaker.
//
// In the URLs of a client with this [Transport], the host is a topic:
//
//	client := &http.Client{Transport: httpmm.NewTransport(mm.Live(), http.DefaultTransport)}
//	resp, err := client.Get("http://compute/path")
//
// Each request goes to one of the hosts that a lookup of the topic would pick among, by the transport's policy. A host
// that cannot be connected to is left alone by this transport for some seconds, while there are others, and the request
// goes to another host once, if it may be sent again. Nobody else hears of it: who is listed is up to heartbeats.
//
// Everything else is as the client had it: connections, timeouts, TLS and proxies are the base transport's, redirects
// and cookies are by topic, as by a domain. When nobody is there, the error names the topic: errors.Is knows it as
// [core.ErrNoHosts], [core.ErrUnknownTopic] or [core.ErrUnavailable].
//
// A server is a [Service] that a matchmaker keeps registered for as long as it serves:
//
//	err := mm.Serve(ctx, httpmm.Service(server, lis), core.Registration{Topic: "compute", Host: "node1", Addr: addr})
//
// When ctx ends it drains, stops and leaves, in the order in which no request fails.
package httpmm
