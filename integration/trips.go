package integration

import (
	"context"
	"net"
	"sync/atomic"
)

// Trips counts the round trips of connections that its Dial makes: how often something is written on one after
// something was read. The zero value counts from 0; any number of connections may be counted at once.
type Trips struct{ n atomic.Int64 }

// Dial is for the Dialer of a client of Redis.
func (t *Trips) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &counted{Conn: c, trips: t}, nil
}

// Count is how many there were.
func (t *Trips) Count() int64 { return t.n.Load() }

type counted struct {
	net.Conn
	trips *Trips
	asked bool
}

func (c *counted) Write(b []byte) (int, error) {
	if !c.asked {
		c.asked = true
		c.trips.n.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *counted) Read(b []byte) (int, error) {
	c.asked = false
	return c.Conn.Read(b)
}
