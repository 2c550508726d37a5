package fastproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
)

const (
	checkTimeout = 5 * time.Second
	checkBody    = 1 << 20 // bytes of an answer that are read
)

// CheckOnline asks the issuer and every Shiny whether they are what the
// settings say, and writes one line for each finding, then the nginx block
// and the URLs for Auth0's dashboard that fit. The error holds all that would
// keep people from signing in or from their apps. It blocks for some seconds
// at most, changes nothing anywhere and sends no secret but
// SHINY_SHARED_SECRET, to Shiny.
func CheckOnline(ctx context.Context, s *Settings, w io.Writer) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	direct := transport.Clone()
	direct.Proxy = nil // Shiny is here, whatever HTTP_PROXY says of the world
	c := &onlineCheck{settings: s, w: w, world: checkClient(transport), here: checkClient(direct), now: time.Now}
	c.heading("online")
	if s.HasOIDC() {
		c.checkIssuer(ctx)
	}
	c.checkBackends(ctx)
	c.heading("nginx in front, in /etc/nginx/conf.d/fastproxy.conf")
	c.print(s.nginxBlock())
	if s.HasOIDC() {
		c.heading("in Auth0's dashboard, under Applications, this application, Settings")
		c.print(s.dashboard())
	}
	return errors.Join(append(c.wrongs, c.writeErr)...)
}

func checkClient(t *http.Transport) *http.Client {
	return &http.Client{
		Transport:     t,
		Timeout:       checkTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type onlineCheck struct {
	settings    *Settings
	w           io.Writer
	world, here *http.Client
	now         func() time.Time
	wrongs      []error
	writeErr    error
}

func (c *onlineCheck) heading(text string) { c.print("\n" + text + "\n") }

func (c *onlineCheck) print(text string) {
	if c.writeErr == nil {
		_, c.writeErr = io.WriteString(c.w, text)
	}
}

func (c *onlineCheck) ok(format string, args ...any) {
	c.print("  ok     " + visible(format, args) + "\n")
}

func (c *onlineCheck) note(format string, args ...any) {
	c.print("  note   " + visible(format, args) + "\n")
}

func (c *onlineCheck) wrong(format string, args ...any) {
	text := visible(format, args)
	c.print("  wrong  " + text + "\n")
	c.wrongs = append(c.wrongs, errors.New("check: "+text))
}

// visible formats without what a strange server could do to a terminal.
func visible(format string, args []any) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, fmt.Sprintf(format, args...))
}

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	body   []byte
	// skew is how far the server's clock is ahead of ours; dated says that it
	// told the time.
	skew  time.Duration
	dated bool
}

// get fetches url. Redirects are not followed.
func (c *onlineCheck) get(ctx context.Context, client *http.Client, url string, header http.Header) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", "fastproxy-check")
	for name, values := range header {
		req.Header[name] = values
	}
	sent := c.now()
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, plainCause(err)
	}
	defer resp.Body.Close()
	received := c.now()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// Date is cut to whole seconds, and was written while we waited.
		a.skew, a.dated = date.Add(500*time.Millisecond).Sub(sent.Add(received.Sub(sent)/2)), true
	}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, checkBody)); err != nil {
		return answer{}, plainCause(err)
	}
	return a, nil
}

// plainCause cuts what net/http puts before the cause: the URL is in the line
// already.
func plainCause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer in %s", checkTimeout)
	}
	text := err.Error()
	if i := strings.Index(text, `": `); i >= 0 {
		return errors.New(text[i+3:])
	}
	return err
}
