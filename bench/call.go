package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// call is one request.
type call struct {
	method string // GET or POST
	to     *url.URL
	// target is sent as it is; "": that of to.
	target string
	accept string // default */*
	kind   string // Content-Type of body
	origin bool   // an Origin header goes with it, as with a browser's form
	body   io.Reader
	length int64
	want   int64 // bytes of the answer's body to keep, decoded; the rest is counted
	stay   bool  // redirects are an answer like any other
	plain  bool  // the answer is read as it comes: no encoding
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	at     *url.URL // after redirects
}

// redirects that a call follows at most, as many as shinycannon.
const maxRedirects = 50

// acceptPage is what browsers ask for when they go somewhere.
const acceptPage = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"

// homeCall is a GET of a path below the app's, which is sent byte for byte.
func (n *network) homeCall(path string) *call {
	target := n.home.EscapedPath() + wireTarget(path)
	raw, query, _ := strings.Cut(target, "?")
	to := &url.URL{Scheme: n.home.Scheme, Host: n.home.Host, Path: raw, RawQuery: query}
	if plain, err := url.PathUnescape(raw); err == nil {
		to.Path, to.RawPath = plain, raw
	}
	return &call{method: http.MethodGet, to: to, target: target}
}

// wireTarget encodes what must not stand in a request line; the rest stays.
func wireTarget(path string) string {
	bad := func(b byte) bool { return b <= ' ' || b >= 0x7f || b == '#' }
	for i := range len(path) {
		if !bad(path[i]) {
			continue
		}
		var b strings.Builder
		for j := range len(path) {
			if bad(path[j]) {
				fmt.Fprintf(&b, "%%%02X", path[j])
			} else {
				b.WriteByte(path[j])
			}
		}
		return b.String()
	}
	return path
}

// redirect is the call that an answer asks for instead; nil for none.
func (c *call) redirect(a *answer) (*call, error) {
	location := a.header.Get("Location")
	if c.stay || location == "" {
		return nil, nil
	}
	next := *c
	switch a.status {
	case 301, 302, 303:
		next.method, next.body, next.length, next.kind, next.origin = http.MethodGet, nil, 0, "", false
	case 307, 308:
		if c.body != nil {
			return nil, nil
		}
	default:
		return nil, nil
	}
	to, err := c.to.Parse(location)
	if err != nil {
		return nil, faultf("redirect", "redirected to what is no URL")
	}
	to.Fragment = ""
	next.to, next.target = to, ""
	return &next, nil
}

// send writes head and body of a request.
func (v *visitor) send(conn net.Conn, c *call) error {
	out := bufio.NewWriterSize(conn, 2048)
	target := c.target
	if target == "" {
		target = c.to.RequestURI()
	}
	fields := v.fields(c)
	host := c.to.Host
	if h := fields.Get("Host"); h != "" {
		host = h
		delete(fields, "Host")
	}
	fmt.Fprintf(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", c.method, target, host)
	fields.Write(out)
	out.WriteString("\r\n")
	if c.body != nil {
		n, err := io.CopyN(out, c.body, c.length)
		v.net.bytesOut.Add(n)
		if err != nil {
			return fmt.Errorf("send body: %w", err)
		}
	}
	return out.Flush()
}

// fields are the header of a request. What the user gives wins, and goes to
// the target's own origin only.
func (v *visitor) fields(c *call) http.Header {
	h := http.Header{}
	h.Set("User-Agent", userAgent)
	if !c.plain {
		h.Set("Accept-Encoding", "gzip")
	}
	h.Set("Accept", "*/*")
	if c.accept != "" {
		h.Set("Accept", c.accept)
	}
	if c.method == http.MethodPost {
		h.Set("Content-Length", strconv.FormatInt(c.length, 10))
	}
	if c.kind != "" {
		h.Set("Content-Type", c.kind)
	}
	if c.origin {
		h.Set("Origin", c.to.Scheme+"://"+c.to.Host)
	}
	if v.net.isHome(c.to) {
		for name, values := range v.net.header {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	if cookies := v.cookies(c.to, h.Values("Cookie")); cookies != "" {
		h.Set("Cookie", cookies)
	}
	return h
}

// cookies is the Cookie line for u: those given, then the jar's.
func (v *visitor) cookies(u *url.URL, given []string) string {
	all := append([]string(nil), given...)
	for _, c := range v.jar.Cookies(u) {
		all = append(all, c.Name+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

// userAgent is what fastbench calls itself.
const userAgent = "fastbench"
