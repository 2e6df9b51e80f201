package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2"

	"github.com/redismm/matchmaker/core"
)

// embeddedURL asks for a Redis inside this process; the port that may follow on it is where others find that Redis.
const embeddedURL = "embedded:"

// embedded says whether the URL is that of a Redis inside this process.
func (a *app) embedded() bool { return strings.HasPrefix(a.RedisURL, embeddedURL) }

// startEmbedded serves an empty Redis on the loopback port of a URL, or on a free one, until stop is called.
func startEmbedded(at string) (url string, stop func(), err error) {
	port := strings.TrimPrefix(at, embeddedURL)
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return "", nil, core.Invalid("URL", at, "want embedded: or embedded:PORT")
	}
	if port == "" {
		port = "0"
	}
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	if err := m.StartAddr("127.0.0.1:" + port); err != nil {
		return "", nil, fmt.Errorf("start an embedded Redis: %w", err)
	}
	return "redis://" + m.Addr() + "/0", m.Close, nil
}
