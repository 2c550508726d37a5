package oidc

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

const (
	rediscoverEvery = time.Hour
	retryMin        = time.Second
	retryMax        = time.Minute
	// nudgeEvery is how soon after a failed discovery a visitor may cause
	// another.
	nudgeEvery = 5 * time.Second
	// patience bounds how long a caller waits for discovery, or for its turn.
	patience = 5 * time.Second
	// waitersMax and finishMax bound the callers' goroutines that an issuer
	// which answers slowly can hold.
	waitersMax = 64
	finishMax  = 64
)

// Provider is one issuer as this application sees it. All methods may be
// called by many goroutines.
type Provider struct {
	config    Config
	client    *http.Client
	now       func() time.Time
	onError   func(error)
	scopes    []string
	params    []oauth2.AuthCodeOption
	maxAge    time.Duration
	hasMaxAge bool
	slots     chan struct{} // held by each Finish
	wake      chan struct{} // capacity 1: tells Run that somebody waits

	found   atomic.Pointer[metadata] // nil until discovered; never back to nil
	lastErr atomic.Pointer[error]    // of the last discovery; nil when it went well

	mu          sync.Mutex
	round       *round // the discovery under way, or else the next
	discovering bool
	wanted      bool
	waiting     int
	ended       time.Time // when the last discovery ended
}

// round is one discovery. err may be read when done is closed.
type round struct {
	done chan struct{}
	err  error
}

func newRound() *round { return &round{done: make(chan struct{})} }

var errStopped = errors.New("oidc: stopped")

// Run discovers the issuer until ctx ends, and then returns nil: at once, then
// every hour; after a failure in 1 s, 2 s, and so on to 60 s, or sooner when
// somebody wants to sign in. A discovery that fails leaves the last good one
// in place. Run it once.
func (p *Provider) Run(ctx context.Context) error {
	defer p.client.CloseIdleConnections()
	defer p.end(errStopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	next, retry := time.Now(), retryMin
	for {
		timer.Reset(time.Until(next))
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
			if !p.isWanted() {
				continue
			}
		case <-timer.C:
		}
		p.begin()
		m, err := p.discover(ctx)
		if err == nil {
			p.found.Store(m)
		} else if ctx.Err() == nil {
			p.onError(err)
		}
		p.end(err)
		if err == nil {
			next, retry = time.Now().Add(rediscoverEvery), retryMin
			continue
		}
		next, retry = time.Now().Add(retry), min(2*retry, retryMax)
	}
}

func (p *Provider) isWanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wanted
}

func (p *Provider) begin() {
	p.mu.Lock()
	p.discovering, p.wanted = true, false
	p.mu.Unlock()
}

// end tells everybody who waits.
func (p *Provider) end(err error) {
	if err == nil {
		p.lastErr.Store(nil)
	} else {
		p.lastErr.Store(&err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.round.err = err
	close(p.round.done)
	p.round, p.discovering, p.ended = newRound(), false, time.Now()
}

// Ready returns nil once people can sign in, as far as discovery goes; else
// why not.
func (p *Provider) Ready() error {
	if p.found.Load() != nil {
		return nil
	}
	if err := p.lastErr.Load(); err != nil {
		return *err
	}
	return unavailable("not discovered yet")
}

// JWKSURL returns where the issuer's keys are. Not discovered yet, it waits
// for discovery as Start does.
func (p *Provider) JWKSURL(ctx context.Context) (string, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	return m.jwksURL, nil
}

// metadata returns what was discovered. Before the first success it waits for
// the discovery that is under way or may begin now, at most five seconds.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	if m := p.found.Load(); m != nil {
		return m, nil
	}
	r, err := p.join()
	if err != nil {
		return nil, err
	}
	defer p.leave()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.done:
		if m := p.found.Load(); m != nil {
			return m, nil
		}
		return nil, unavailable("%w", r.err)
	case <-ctx.Done():
		return nil, unavailable("waiting for discovery: %w", ctx.Err())
	case <-timer.C:
		return nil, unavailable("no answer within %v", patience)
	}
}

// join returns the round to wait for, unless one has just failed or a crowd
// waits already.
func (p *Provider) join() (*round, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.waiting >= waitersMax:
		return nil, unavailable("%d callers wait already", waitersMax)
	case !p.discovering && !p.ended.IsZero() && time.Since(p.ended) < nudgeEvery:
		if err := p.lastErr.Load(); err != nil {
			return nil, unavailable("%w", *err)
		}
	case !p.discovering:
		p.wanted = true
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	p.waiting++
	return p.round, nil
}

func (p *Provider) leave() {
	p.mu.Lock()
	p.waiting--
	p.mu.Unlock()
}
