package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redismm/matchmaker/cmd/matchmaker/internal/api"
)

func (a *app) readyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ready",
		Short: "Ask whether this machine's sidecar is ready",
		Long: `Asks the sidecar, or run, that listens at --listen whether all that it keeps is in order, as an exec probe does: exit
code 0 if it is, 1 if not or if nobody answers within --timeout. It is ready once every registration was
accepted; it is not while it starts, drains, was removed by name, or stands by for a newer instance. Redis out
of reach does not make it unready: it is degraded then, and says since when, with exit code 0.`,
		Example: `  matchmaker ready
  matchmaker ready --listen /run/matchmaker.sock`,
		Args: operands(0, 0, "no operands"),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.askReady(cmd.Context()) },
	}
	c.Flags().StringVar(&a.Listen, "listen", defaultListen, "where it listens: an `address`, or the path of a socket")
	return c
}

func (a *app) askReady(ctx context.Context) error {
	if a.Listen == listenOff {
		return usagef("%s is %q, want where the sidecar listens", a.origin("listen"), listenOff)
	}
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	status, body, err := get(ctx, a.Listen, "/readyz")
	var is api.Ready
	if err == nil {
		if err = json.Unmarshal(body, &is); err == nil && is.Status == "" {
			err = errors.New("what answers there says nothing of a status")
		}
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "matchmaker: ready: no sidecar answers at %s (%s): %v\n", a.Listen, a.origin("listen"), err)
		return exitCode(exitFailed)
	}
	if a.JSON {
		err = a.printJSON(is)
	} else {
		err = a.say("%s", sentence(is))
	}
	if err == nil && status != http.StatusOK {
		err = exitCode(exitFailed)
	}
	return err
}

// sentence is a state for people.
func sentence(is api.Ready) string {
	text := is.Status
	if is.Since != nil {
		text += " since " + is.Since.UTC().Format(time.RFC3339)
	}
	if is.Reason != "" {
		text += ": " + is.Reason
	}
	return text
}

// get asks an HTTP server at host:port, or at the path of a socket.
func get(ctx context.Context, at, path string) (status int, body []byte, err error) {
	network, host := "tcp", at
	if strings.Contains(at, "/") {
		network, host = "unix", "localhost"
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, at)
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, (&url.URL{Scheme: "http", Host: host, Path: path}).String(), nil)
	if err != nil {
		return 0, nil, err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("no answer in time")
		}
		return 0, nil, err
	}
	defer answer.Body.Close()
	const most = 64 << 10
	body, err = io.ReadAll(io.LimitReader(answer.Body, most))
	return answer.StatusCode, body, err
}
