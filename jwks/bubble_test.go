package jwks

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// roundTripper is an issuer inside a synctest bubble, where time is made.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// bubble is an issuer that publishes document, takes delay to answer, and
// notes when it was asked.
type bubble struct {
	mu       sync.Mutex
	document string
	delay    time.Duration
	fail     bool
	asked    []time.Time
}

func (b *bubble) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.asked = append(b.asked, time.Now())
	delay, fail, document := b.delay, b.fail, b.document
	b.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if fail {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(document)), Request: r}, nil
}

func (b *bubble) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *bubble) times() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]time.Time(nil), b.asked...)
}

func (b *bubble) config() Config {
	return Config{URL: "https://issuer.example/jwks.json", Client: &http.Client{Transport: b}}
}

// wantAtMostTenAMinute looks through every window of a minute.
func wantAtMostTenAMinute(t *testing.T, asked []time.Time) {
	t.Helper()
	for i := range asked {
		if i >= fetchesMax && asked[i].Sub(asked[i-fetchesMax]) < window {
			t.Fatalf("fetches %d to %d lie within %v", i-fetchesMax, i, asked[i].Sub(asked[i-fetchesMax]))
		}
	}
}
