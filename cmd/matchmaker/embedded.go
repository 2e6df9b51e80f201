package main

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// embeddedURL asks for a Redis inside this process.
const embeddedURL = "embedded:"

// startEmbedded serves an empty Redis on a free loopback port until stop is called.
func startEmbedded() (url string, stop func(), err error) {
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true)
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return "", nil, fmt.Errorf("start an embedded Redis: %w", err)
	}
	return "redis://" + m.Addr() + "/0", m.Close, nil
}
