package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	refreshEvery = 10 * time.Minute
	retryMin     = time.Second
	retryMax     = time.Minute
)

var errStopped = errors.New("jwks: stopped")

// Run keeps the keys fresh until ctx ends, and then returns nil: a fetch at
// once, then one every ten minutes, or, after a failure, in 1 s, 2 s, and so
// on to 60 s; and when a token names an unknown key. A fetch that fails or
// brings no usable key leaves the old keys in place. Run it once.
func (k *Keys) Run(ctx context.Context) error {
	defer k.client.CloseIdleConnections()
	defer k.end(errStopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	next, retry := time.Now(), retryMin
	for {
		timer.Reset(k.pause(next))
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
			continue
		case <-timer.C:
		}
		if !k.begin(next) {
			continue
		}
		err := k.fetch(ctx)
		if err != nil && ctx.Err() == nil {
			k.onError(err)
		}
		k.end(err)
		if err == nil {
			next, retry = time.Now().Add(refreshEvery), retryMin
			continue
		}
		next, retry = time.Now().Add(retry), min(2*retry, retryMax)
	}
}

// pause returns how long until somebody's fetch may begin; scheduled is when
// our own is due.
func (k *Keys) pause(scheduled time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	d := max(scheduled.Sub(now), k.throttle.wait(now, issuer))
	for a, wanted := range k.wanted {
		if wanted {
			d = min(d, k.throttle.wait(now, asker(a)))
		}
	}
	return max(d, 0)
}

// begin marks a fetch as under way, unless nobody's is due after all.
func (k *Keys) begin(scheduled time.Time) bool {
	if k.pause(scheduled) > 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.throttle.note(time.Now(), k.wanted[stranger])
	k.fetching, k.wanted = true, [askers]bool{}
	return true
}

// end tells everybody who waits.
func (k *Keys) end(err error) {
	if err == nil {
		k.lastErr.Store(nil)
	} else {
		k.lastErr.Store(&err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.round.err = err
	close(k.round.done)
	k.round = &round{done: make(chan struct{})}
	k.fetching = false
}

// fetch replaces the set by what the issuer publishes now.
func (k *Keys) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	address, err := k.resolve(ctx)
	if err != nil {
		return fmt.Errorf("jwks: find the keys' address: %w", err)
	}
	document, err := k.get(ctx, address)
	if err != nil {
		return err
	}
	set, complaint, err := readDocument(document)
	if err != nil {
		return err
	}
	k.complain(complaint)
	if old := k.set.Swap(set); old.lost(set) {
		k.onGone()
	}
	return nil
}

func (k *Keys) get(ctx context.Context, address string) ([]byte, error) {
	u, err := CheckURL(address)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("jwks: fetch keys from %s: %w", u, err)
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	answer, err := k.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("jwks: fetch keys: %w", err) // a url.Error names method and URL
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks: fetch keys from %s: found status %d, want 200", u, answer.StatusCode)
	}
	document, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("jwks: fetch keys from %s: %w", u, err)
	}
	return document, nil
}

// complain reports keys that should be usable and are not, once each time
// the list of them changes.
func (k *Keys) complain(complaint error) {
	text := ""
	if complaint != nil {
		text = complaint.Error()
	}
	if complaint != nil && text != k.complaint {
		k.onError(complaint)
	}
	k.complaint = text
}
