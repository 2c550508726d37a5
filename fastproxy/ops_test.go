package fastproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/prometheus/common/expfmt" // reads what Prometheus reads
	"github.com/prometheus/common/model"
	"go.uber.org/zap/zapcore"

	"fastproxy/fastproxy/audit"
)

// ops asks OPS_LISTEN.
func (p *testProxy) ops(t testing.TB, path string) reply {
	t.Helper()
	return ask(t, &http.Transport{DisableKeepAlives: true}, "GET", "http://"+p.Proxy.ops.Addr().String()+path)
}

// control asks the control socket.
func (p *testProxy) control(t testing.TB, method, path string) reply {
	t.Helper()
	return ask(t, &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", p.current.Load().settings.ControlPath())
	}}, method, "http://control"+path)
}

func ask(t testing.TB, by *http.Transport, method, to string) reply {
	t.Helper()
	r, err := http.NewRequest(method, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: by, Timeout: 10 * time.Second}
	resp, err := c.Do(r)
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

// figure returns a metric's value; labels are name, value pairs.
func (p *testProxy) figure(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	a := p.ops(t, "/metrics").want(t, 200)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(a.body))
	if err != nil {
		t.Fatalf("/metrics cannot be read: %v", err)
	}
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		match := true
		for i := 0; i+1 < len(labels); i += 2 {
			found := false
			for _, l := range m.GetLabel() {
				found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
			}
			match = match && found
		}
		if match {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func TestMetricsCountWhatHappened(t *testing.T) {
	h, _ := flat(t, plan{})
	b := h.browser()
	b.fill(b.follow(b.visit("/login")), "tina", "wrong").want(t, 422)
	b.password("/reports/", "tina", tinaPassword).told(t)
	kim := h.browser()
	kim.follow(kim.choose(kim.follow(kim.visit("/login?with=issuer")), "")).want(t, 403)
	c := b.tunnel("/reports/websocket/")
	await(t, "an open tunnel", func() bool { return h.figure(t, "fastproxy_tunnels", "kind", "websocket") == 1 })
	if n := h.figure(t, "fastproxy_session_streams"); n != 1 {
		t.Errorf("%v streams", n)
	}
	b.clickLogout()
	ended(t, c)
	h.roundTrip(t, "GET / HTTP/1.1\r\nbad\r\n\r\n")
	for _, want := range []struct {
		name   string
		labels []string
		value  float64
	}{
		{"fastproxy_logins_total", []string{"login", "passwd", "outcome", "failure"}, 1},
		{"fastproxy_logins_total", []string{"login", "passwd", "outcome", "success"}, 1},
		{"fastproxy_logins_total", []string{"login", "oidc", "outcome", "failure"}, 1},
		{"fastproxy_sessions_ended_total", []string{"reason", "logout"}, 1},
		{"fastproxy_tunnels", []string{"kind", "websocket"}, 0},
		{"fastproxy_tunnels_closed_total", []string{"kind", "websocket", "closed_by", "proxy"}, 1},
		{"fastproxy_http_requests_total", []string{"kind", "page", "code", "200"}, 1},
		{"fastproxy_refused_heads_total", nil, 1},
		{"fastproxy_panics_total", nil, 0},
		{"fastproxy_log_lost_total", nil, 0},
	} {
		await(t, want.name+" "+strings.Join(want.labels, "="), func() bool { return h.figure(t, want.name, want.labels...) == want.value })
	}
	if n := h.figure(t, "fastproxy_tunnel_bytes_total", "direction", "from_client"); n == 0 {
		t.Error("the tunnel's bytes are not counted")
	}
	if n := h.figure(t, "go_goroutines"); n == 0 {
		t.Error("nothing is known of the process")
	}
	for _, never := range []string{"tina", "kim", "auth0|", "wrong"} {
		if strings.Contains(h.ops(t, "/metrics").body, never) {
			t.Errorf("the metrics name %q", never)
		}
	}
}

func TestHealthAndReadinessAreTold(t *testing.T) {
	h := build(t, plan{})
	h.ops(t, "/healthz").want(t, 200, "ok")
	await(t, "readiness", func() bool { return h.ops(t, "/readyz").StatusCode == 200 })
	var v readiness
	if err := json.Unmarshal([]byte(h.ops(t, "/readyz").body), &v); err != nil || v != (readiness{Ready: true, Issuer: "ok", Keys: "ok"}) {
		t.Errorf("%+v: %v", v, err)
	}
	for _, path := range []string{"/", "/sessions", "/debug/pprof/"} {
		if a := h.ops(t, path); a.StatusCode != 404 {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	h.stop()
	if v := h.readiness(); v.Ready || !v.Stopping {
		t.Errorf("while it stops: %+v", v)
	}
	flat, _ := flat(t, plan{noOIDC: true})
	if a := flat.ops(t, "/readyz").want(t, 200); strings.TrimSpace(a.body) != `{"ready":true}` {
		t.Errorf("without an issuer: %s", a.body)
	}
}

func TestAnOperatorEndsASessionByTheSocket(t *testing.T) {
	h := build(t, plan{})
	if st, err := os.Stat(h.current.Load().settings.ControlPath()); err != nil || st.Mode().Perm() != 0o600 || st.Mode()&os.ModeSocket == 0 {
		t.Errorf("the socket: %v, %v", st.Mode(), err)
	}
	b, other := h.browser(), h.browser()
	b.signIn("/reports/", "kim")
	other.signIn("/reports/", "sam")
	c := b.tunnel("/reports/websocket/")
	type one struct {
		ID, User, Login, Issued, Expires string
		LastSeen                         string `json:"last_seen"`
		Streams                          int
	}
	var all []one
	await(t, "both sessions and the tunnel", func() bool {
		if err := json.Unmarshal([]byte(h.control(t, "GET", "/sessions").want(t, 200).body), &all); err != nil {
			t.Fatal(err)
		}
		return len(all) == 2 && all[0].Streams+all[1].Streams == 1
	})
	kim := all[0]
	if kim.User != "auth0|kim" {
		kim = all[1]
	}
	if kim.User != "auth0|kim" || kim.Login != "oidc" || kim.Streams != 1 || kim.Issued == "" || kim.Expires <= kim.Issued || kim.LastSeen == "" {
		t.Errorf("found %+v", all)
	}
	h.control(t, "DELETE", "/sessions/"+kim.ID).want(t, 200, `{"streams_closed":1}`)
	if code := ended(t, c); code/100 != 45 {
		t.Errorf("the tunnel ended with %d, want 45xx", code)
	}
	if a := b.fetch("/reports/"); a.StatusCode != 401 {
		t.Errorf("the session: %s", a.Status)
	}
	other.fetch("/reports/").told(t)
	r := h.awaitRecord(t, "event.action", "session_ended")
	if r["user.id"] != "auth0|kim" || r["event.reason"] != "admin" || r["fastproxy.streams_closed"] != 1.0 {
		t.Errorf("record: %v", r)
	}
	h.control(t, "DELETE", "/sessions/"+kim.ID).want(t, 404)
	h.control(t, "DELETE", "/sessions/x").want(t, 400)
	h.control(t, "GET", "/debug/pprof/goroutine?debug=1").want(t, 200, "goroutine profile")
}

func TestAWebSocketIsRecordedAtItsEnd(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "kim")
	c := b.tunnel("/reports/app/websocket/?secret=4711")
	if n := len(h.records(t, "event.dataset", "fastproxy.websocket")); n > 0 {
		t.Error("it is recorded before its end")
	}
	c.WriteMessage(websocket.BinaryMessage, bytes.Repeat([]byte{1}, 1000))
	c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""), time.Now().Add(time.Second))
	c.Close()
	r := h.awaitRecord(t, "event.dataset", "fastproxy.websocket")
	in, _ := r["http.request.body.bytes"].(float64)
	if in < 1000 || in > 1100 || r["user.id"] != "auth0|kim" || r["fastproxy.closed_by"] != "client" || r["http.response.status_code"] != 101.0 ||
		r["url.path"] != "/reports/app/websocket/" || r["fastproxy.mount"] != "/reports/" || r["event.duration"] == 0.0 || r["http.request.id"] == nil {
		t.Errorf("record: %v", r)
	}
	if len(h.records(t, "http.request.id", r["http.request.id"].(string))) != 1 {
		t.Error("it is recorded twice")
	}
	if strings.Contains(h.log.String(), "4711") {
		t.Error("a query is in the log")
	}
}

func TestRequestsAreRecordedWithWhoAndWhere(t *testing.T) {
	h := build(t, plan{})
	b := h.browser()
	b.signIn("/reports/", "sam")
	a := b.fetch("/reports/app/data.json?token=4711", "User-Agent", "a browser", "X-Forwarded-For", "203.0.113.5")
	id := a.told(t).Header.Get("X-Request-Id")
	r := h.awaitRecord(t, "http.request.id", id)
	for name, want := range map[string]any{
		"event.dataset": "fastproxy.access", "http.request.method": "GET", "url.path": "/reports/app/data.json", "url.domain": "apps.test",
		"user_agent.original": "a browser", "client.address": "203.0.113.5", "user.id": "auth0|sam", "fastproxy.login": "oidc",
		"fastproxy.mount": "/reports/", "http.response.status_code": 200.0, "event.outcome": "success", "http.request.body.bytes": 0.0,
	} {
		if r[name] != want {
			t.Errorf("%s: found %v, want %v", name, r[name], want)
		}
	}
	if n, _ := r["http.response.body.bytes"].(float64); n < float64(len(a.body)) || r["event.duration"] == 0.0 || r["fastproxy.upstream"] == nil {
		t.Errorf("record: %v", r)
	}
	own := h.awaitRecord(t, "url.path", "/callback", "http.request.method", "GET")
	if own["fastproxy.kind"] != "own" || own["user.id"] != "auth0|sam" {
		t.Errorf("a page of ours: %v", own)
	}
	if strings.Contains(h.log.String(), "4711") || strings.Contains(h.log.String(), "code=") {
		t.Error("a query is in the log")
	}
}

// stuckWriter takes nothing until it is let go.
type stuckWriter chan struct{}

func (w stuckWriter) Write(b []byte) (int, error) {
	<-w
	return len(b), nil
}

func TestAStuckLogHoldsNobodyUp(t *testing.T) {
	stuck := make(stuckWriter)
	var log *audit.Log
	h := build(t, plan{env: map[string]string{"SHINY_ADMIN_PORT": closedPort(t), "ADMIN_USERS": "*"}, adjust: func(p *Proxy) {
		log = audit.New(stuck, zapcore.InfoLevel)
		p.log = log
	}})
	b := h.browser()
	b.signIn("/reports/", "kim")
	for range 50 {
		b.fetch("/reports/").told(t)
		if a := b.fetch("/admin/"); a.StatusCode != 502 { // which logs a line of its own
			t.Fatalf("a Shiny that is down: %s", a.Status)
		}
	}
	if a := b.clickLogout(); a.StatusCode != 303 {
		t.Errorf("signing out: %s", a.Status)
	}
	close(stuck)
	h.stop()
	if err := log.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
