// Package upstream knows the Shiny servers behind the front door: how to
// reach one, and which of its connections wait to be used again.
package upstream

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// IdleLimit is how long a connection may wait for its next request. Shiny
	// Server closes its own after 5 s (Keep-Alive: timeout=5); staying under
	// that leaves the race to the rare case.
	IdleLimit = 4 * time.Second
	// maxIdle bounds the waiting connections of one backend.
	maxIdle = 256
	// DialLimit bounds one TCP connect.
	DialLimit = 10 * time.Second
)

// Backend is one Shiny: an address, and connections to it that wait. It is
// safe for use by many goroutines.
type Backend struct {
	addr   string
	dialer net.Dialer
	near   atomic.Pointer[near]

	mu     sync.Mutex
	idle   []*Conn // the most recently used last
	closed bool
}

// Parse reads "http://host:port" (port 80 when absent; nothing else may be in
// it). Connections are made on demand.
func Parse(rawURL string) (*Backend, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("upstream: found %q, want http://host:port", rawURL)
	}
	if u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return nil, fmt.Errorf("upstream: found %q, want http://host:port and no more", u.Redacted())
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	b := &Backend{addr: net.JoinHostPort(u.Hostname(), port)}
	b.near.Store(literal(u.Hostname(), port))
	return b, nil
}

// Addr returns host:port.
func (b *Backend) Addr() string { return b.addr }

// Get returns a waiting connection that the backend has not closed, or dials;
// it dials when nobody has for so long that Near is not known.
func (b *Backend) Get(ctx context.Context) (*Conn, error) {
	for {
		if _, known := b.Near(); !known {
			return b.Dial(ctx)
		}
		c := b.takeIdle()
		if c == nil {
			return b.Dial(ctx)
		}
		if c.alive() {
			c.reused = true
			return c, nil
		}
		c.Close()
	}
}

// Dial returns a new connection; the caller closes it or gives it to Put.
func (b *Backend) Dial(ctx context.Context) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, DialLimit)
	defer cancel()
	nc, err := b.dialer.DialContext(ctx, "tcp", b.addr)
	if err != nil {
		return nil, fmt.Errorf("upstream: dial %s: %w", b.addr, err)
	}
	b.remember(nc)
	return newConn(nc), nil
}

// Put takes back a connection whose last answer was read to its end.
func (b *Backend) Put(c *Conn) {
	c.since = time.Now()
	b.mu.Lock()
	if !b.closed && len(b.idle) < maxIdle {
		b.idle = append(b.idle, c)
		c = nil
	}
	b.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

// takeIdle takes the connection used last: it is the least likely to be stale,
// and the others get old enough to be closed.
func (b *Backend) takeIdle() *Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.idle)
	if n == 0 {
		return nil
	}
	c := b.idle[n-1]
	if time.Since(c.since) > IdleLimit {
		return nil // Run closes it, and all older ones
	}
	b.idle[n-1] = nil
	b.idle = b.idle[:n-1]
	return c
}

// Run closes connections that waited too long, until ctx ends; then it closes
// all that wait. It returns nil.
func (b *Backend) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.closeIdle(time.Now().Add(-IdleLimit))
		case <-ctx.Done():
			b.mu.Lock()
			b.closed = true
			b.mu.Unlock()
			b.closeIdle(time.Now())
			return nil
		}
	}
}

// closeIdle closes the connections that have waited since before t.
func (b *Backend) closeIdle(t time.Time) {
	b.mu.Lock()
	n := 0
	for n < len(b.idle) && !b.idle[n].since.After(t) {
		n++
	}
	old := append([]*Conn(nil), b.idle[:n]...)
	kept := copy(b.idle, b.idle[n:])
	clear(b.idle[kept:])
	b.idle = b.idle[:kept]
	b.mu.Unlock()
	for _, c := range old {
		c.Close()
	}
}

// Idle returns how many connections wait.
func (b *Backend) Idle() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.idle)
}
