package fastproxy

import (
	"io"
	"net/http"
	"testing"
	"time"
)

// ops asks OPS_LISTEN.
func (p *testProxy) ops(t testing.TB, path string) reply {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := c.Get("http://" + p.Proxy.ops.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp, string(b)}
}
