package jwks

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// answerMax bounds a body from the issuer, after decompression.
	answerMax = 1 << 20
	// answerTime bounds a whole exchange with the issuer.
	answerTime = 5 * time.Second
	headMax    = 64 << 10
)

// Client returns an HTTP client fit to ask an identity provider: it speaks
// https, and plain http to loopback only; it follows no redirect, gives up
// after five seconds, and reads at most 1 MiB of an answer. Of base only the
// Transport is used, which stays base's; nil means a transport of its own.
// Close its idle connections when done.
func Client(base *http.Client) *http.Client {
	var rt http.RoundTripper
	if base != nil {
		rt = base.Transport
	}
	if rt == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes = headMax
		// The code of a sign-in is good once: a POST that meets a connection
		// just closed cannot be sent again. A handshake costs less.
		t.DisableKeepAlives = true
		rt = t
	}
	return &http.Client{
		Transport:     &guard{next: rt},
		Timeout:       answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CheckURL parses an address of an identity provider: absolute, https (http
// only for loopback), no user information, no fragment.
func CheckURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("jwks: check URL: not a URL")
	}
	return u, checkURL(u)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Host == "" || u.Opaque != "" || u.Hostname() == "":
		return errors.New("jwks: check URL: want an absolute https URL")
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("jwks: check URL of %s: found user information or a fragment, want neither", u.Host)
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("jwks: check URL of %s: found scheme %.10q, want https (http only for loopback)", u.Host, u.Scheme)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// guard is the transport under Client.
type guard struct{ next http.RoundTripper }

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := checkURL(r.URL); err != nil {
		return nil, err
	}
	answer, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = &capped{ReadCloser: answer.Body, left: answerMax}
	return answer, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach through.
func (g *guard) CloseIdleConnections() {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// capped fails a body that goes on beyond its limit, so that half a document
// is never taken for a whole one.
type capped struct {
	io.ReadCloser
	left int
}

func (c *capped) Read(p []byte) (int, error) {
	if len(p) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.ReadCloser.Read(p)
	if n > c.left {
		return 0, fmt.Errorf("jwks: read answer: more than %d bytes", answerMax)
	}
	c.left -= n
	return n, err
}
