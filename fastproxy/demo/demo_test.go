package demo_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// suite ends what tests share before the leak check.
type suite struct{ *testing.M }

func (s suite) Run() int {
	defer sharedAuth0.close()
	return s.M.Run()
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// browser keeps cookies and follows no redirect, so that each can be looked at.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Jar: jar, Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch does the request and reads the whole answer.
func fetch(t *testing.T, c *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func request(t *testing.T, method, to, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func get(t *testing.T, c *http.Client, to string, header ...string) (*http.Response, string) {
	t.Helper()
	return fetch(t, c, request(t, http.MethodGet, to, "", header...))
}

func postForm(t *testing.T, c *http.Client, to string, form url.Values, header ...string) (*http.Response, string) {
	t.Helper()
	r := request(t, http.MethodPost, to, form.Encode(), header...)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return fetch(t, c, r)
}

// wants fails unless the answer has that status.
func wants(t *testing.T, resp *http.Response, status int, body string) {
	t.Helper()
	if resp.StatusCode != status {
		t.Fatalf("%s %s: got %d, want %d: %.300s", resp.Request.Method, resp.Request.URL, resp.StatusCode, status, body)
	}
}

// pocketShiny serves a Shiny until the test ends; then nothing of it is left.
func pocketShiny(t *testing.T, o demo.ShinyOptions) (base string) {
	t.Helper()
	s := demo.NewShiny(o)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		s.Close()
		server.Close()
	})
	return server.URL
}

// eventually waits for something another goroutine is about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}
