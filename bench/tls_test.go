//go:build linux

package bench

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// encrypted is a server with TLS of the standard library's and WebSockets that
// are not ours: /echo, /talks and, of any other path, a page of 100 kB.
func encrypted(t *testing.T, version uint16) Target {
	t.Helper()
	upgrader := websocket.Upgrader{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.Write(make([]byte, 100_000))
			return
		}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if r.URL.Path == "/talks" {
			go func() {
				conn.ReadMessage() // answers the Close frame
				conn.Close()
			}()
		}
		for r.URL.Path == "/talks" {
			if conn.WriteMessage(websocket.BinaryMessage, make([]byte, 100_000)) != nil {
				return
			}
		}
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	}))
	s.TLS = &tls.Config{MaxVersion: version, MinVersion: version}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return Target{URL: strings.Replace(s.URL, "https", "wss", 1), Roots: roots, Timeout: 10 * time.Second}
}

func TestEverythingIsMeasuredThroughTLSToo(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		target := encrypted(t, version)
		at := func(scheme, path string) Target {
			to := target
			to.URL = scheme + strings.TrimPrefix(target.URL, "wss") + path
			return to
		}
		r := mustHold(t, HoldOptions{Target: at("wss", "/echo"), N: 40, Ramp: Max, For: 200 * time.Millisecond, Ping: 100, Echo: true, Churn: 50})
		if c := r.Counts; r.Err() != nil || c.OpenAtEnd != 40 || c.Answered < 10 {
			t.Errorf("%s, hold: %v, %+v, %+v", name, r.Err(), c, r.Failures)
		}
		r = mustHold(t, HoldOptions{Target: at("https", "/page"), N: 20, Ramp: Max, For: 10 * time.Millisecond, HTTP: true})
		if r.Err() != nil || r.Counts.OpenAtEnd != 20 {
			t.Errorf("%s, hold HTTP: %v, %+v", name, r.Err(), r.Counts)
		}
		r = mustHTTP(t, HTTPOptions{Target: at("https", "/page"), Rate: Max, Size: 100_000})
		if r.Err() != nil || r.Counts.Answered == 0 {
			t.Errorf("%s, http: %v, %+v, %+v", name, r.Err(), r.Counts, r.Failures)
		}
		if version == tls.VersionTLS12 {
			continue
		}
		r = mustChat(t, ChatOptions{Target: at("wss", "/echo"), N: 5, Rate: Max, Size: Sizes{64, 300_000}, For: 200 * time.Millisecond})
		if c := r.Counts; r.Err() != nil || c.Answered == 0 || c.BytesIn != c.BytesOut {
			t.Errorf("%s, chat: %v, %+v, %+v", name, r.Err(), c, r.Failures)
		}
		r = mustChat(t, ChatOptions{Target: at("wss", "/talks"), N: 2, Rate: Max, Listen: true, For: 600 * time.Millisecond})
		if r.Err() != nil || r.Counts.BytesIn < 100_000 {
			t.Errorf("%s, listen: %v, %+v", name, r.Err(), r.Counts)
		}
	}
}

func TestACertificateOfNobodyWeTrustIsAFailureOfEachConnection(t *testing.T) {
	target := encrypted(t, tls.VersionTLS13)
	target.Roots = nil
	r := mustHold(t, HoldOptions{Target: target, N: 5, Ramp: Max, For: time.Hour})
	if r.Counts.Failed != 5 || len(r.Failures) != 1 || r.Failures[0].Kind != "tls" || !strings.Contains(r.Failures[0].Sample, "unknown authority") {
		t.Errorf("%+v, %+v", r.Counts, r.Failures)
	}
}

func TestAServerThatSpeaksNoTLSIsAFailureOfEachConnection(t *testing.T) {
	p := newParrot(t)
	target := p.target("/echo")
	target.URL, target.Timeout = strings.Replace(target.URL, "ws", "wss", 1), 200*time.Millisecond
	r := mustHold(t, HoldOptions{Target: target, N: 5, Ramp: Max, For: time.Hour})
	if r.Counts.Failed != 5 || len(r.Failures) != 1 || r.Failures[0].Kind != "timeout" { // it waits for a request
		t.Errorf("%+v, %+v", r.Counts, r.Failures)
	}
}

func TestAuthoritiesAreReadFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + "x"} {
		var asked *UsageError
		if _, err := Authorities(name); !errors.As(err, &asked) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
