package fastproxy

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bothEngines runs f with each engine that the system has.
func bothEngines(t *testing.T, f func(t *testing.T, engine Engine)) {
	for _, engine := range []Engine{EnginePortable, EngineEpoll} {
		if engine != EngineEpoll || systemHasEpoll {
			t.Run(string(engine), func(t *testing.T) { f(t, engine) })
		}
	}
}

// waits finds that a client gets no answer, as far as that can be found.
func (d *door) waits(c *peer) {
	d.t.Helper()
	c.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := c.r.ReadByte(); err == nil {
		d.t.Fatalf("%q is the beginning of an answer", b)
	}
	c.nc.SetReadDeadline(time.Now().Add(patient))
}

func TestWhoComesToAFullProxyWaitsAndNobodyElseNotices(t *testing.T) {
	bothEngines(t, func(t *testing.T, engine Engine) {
		d := startDoor(t, map[string]string{"MAX_CONNECTIONS": "20", "ENGINE": string(engine)}, func(p *Proxy) { p.room.times.settle = longTime })
		type tunnel struct{ client, shiny *peer }
		var inside []tunnel
		for range 20 {
			c := d.dial()
			c.say(d.handshake(plainSocket, fromOurs))
			s := d.shiny.accept()
			s.head()
			s.say(switching)
			c.want(switched)
			inside = append(inside, tunnel{c, s})
		}
		late, later := d.dial(), d.dial()
		late.say(d.request("GET /.fastproxy/session"))
		d.eventually("a pause", d.room.shut.Load)
		d.waits(late)
		for _, w := range inside {
			w.client.say(hello)
			w.shiny.want(hello)
			w.shiny.say(hello)
			w.client.want(hello)
		}
		if r := d.ops(t, "/readyz"); r.StatusCode != 200 {
			t.Errorf("not ready: %s", r.body)
		}
		if m := d.ops(t, "/metrics").body; !strings.Contains(m, "fastproxy_accept_paused 1\n") || !strings.Contains(m, "fastproxy_accept_pauses_total 1\n") ||
			!strings.Contains(m, "fastproxy_accept_limit 20\n") {
			t.Errorf("metrics are %s", m)
		}
		d.waits(late)

		inside[0].client.close()
		inside[0].shiny.wantGone()
		inside[0].shiny.close()
		late.wantAnswer("200 OK")
		later.say(d.request("GET /.fastproxy/session"))
		d.waits(later)
		for _, w := range inside[1:] {
			w.client.close()
			w.shiny.wantGone()
			w.shiny.close()
		}
		later.wantAnswer("200 OK")
		late.close()
		later.close()
		d.eventually("everybody to leave", func() bool { return d.room.clients.Load() == 0 && d.room.held.Load() == 0 })
		d.room.passTime()
		if m := d.ops(t, "/metrics").body; !strings.Contains(m, "fastproxy_accept_paused 0\n") || !strings.Contains(m, "fastproxy_accept_pauses_total 1\n") {
			t.Errorf("metrics are %s", m)
		}
		d.eventuallyLogged("there is room", `"event.duration":`)
		if n := strings.Count(d.log.String(), "new ones wait"); n != 1 {
			t.Errorf("%d lines say that new ones wait", n)
		}
	})
}

// TestEveryOneWhoEnteredLeaves has connections end in every way there is, where
// there is room for one.
func TestEveryOneWhoEnteredLeaves(t *testing.T) {
	bothEngines(t, func(t *testing.T, engine Engine) {
		d := startDoor(t, map[string]string{"MAX_CONNECTIONS": "1", "ENGINE": string(engine)}, quickly)
		end := func(what string) {
			t.Helper()
			d.eventually("nobody to be inside after "+what, func() bool { return d.room.clients.Load() == 0 && d.room.held.Load() <= 1 })
		}
		d.dial().close()
		end("nothing")
		c := d.dial()
		c.say("GET / HTTP/1.1\r\nbad head\r\n\r\n")
		c.wantAnswer("400 Bad Request")
		c.close()
		end("a malformed head")
		c = d.dial()
		c.say(d.request("GET /.fastproxy/session", "Connection: close"))
		c.wantAnswer("200 OK")
		c.wantEnd("")
		c.close()
		end("a page of ours")
		c = d.dial()
		for range 3 { // with what is given back and lent again
			c.say(d.request("GET /reports/"))
			s := d.shiny.accept()
			s.head()
			s.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			c.want("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			c.say(d.request("GET /.fastproxy/session"))
			c.wantAnswer("200 OK")
		}
		c.close()
		end("three answers of each kind")
		c = d.dial()
		c.say(d.request("GET /reports/"))
		s := d.shiny.accept()
		s.head()
		c.close()
		s.wantGone()
		end("a client who left while Shiny computes")
		c = d.dial()
		c.say(d.request("GET /reports/"))
		d.shiny.accept().close()
		c.wantAnswer("502 Bad Gateway")
		c.close()
		end("a Shiny that hung up")
		c = d.dial()
		c.say(d.handshake(plainSocket, fromOurs))
		s = d.shiny.accept()
		s.head()
		s.say("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		c.wantHead("HTTP/1.1 403 Forbidden")
		c.close()
		end("a handshake that Shiny refused")
		c = d.dial()
		c.say(d.handshake(plainSocket, fromOurs))
		s = d.shiny.accept()
		s.head()
		s.say(switching)
		c.want(switched)
		if n := d.room.clients.Load(); n != 1 {
			t.Errorf("a tunnel counts as %d", n)
		}
		s.close()
		c.wantEnd("")
		c.close()
		end("a tunnel")
	})
}

func TestAFullProxyStops(t *testing.T) {
	bothEngines(t, func(t *testing.T, engine Engine) {
		d := startDoor(t, map[string]string{"MAX_CONNECTIONS": "1", "ENGINE": string(engine)}, nil)
		inside := d.dial()
		inside.say(d.request("GET /.fastproxy/session"))
		inside.wantAnswer("200 OK")
		late := d.dial()
		late.say(d.request("GET /.fastproxy/session"))
		d.eventually("a pause", d.room.shut.Load)
		d.stop()
		inside.wantGone()
		late.wantGone()
	})
}

func TestAListenerThatWaitsTakesNoPlace(t *testing.T) {
	bothEngines(t, func(t *testing.T, engine Engine) {
		socket := filepath.Join(t.TempDir(), "x.sock")
		d := startDoor(t, map[string]string{"MAX_CONNECTIONS": "1", "ENGINE": string(engine), "LISTEN": "127.0.0.1:0," + socket}, nil)
		for range 3 {
			for _, a := range d.Addrs() {
				nc, err := net.Dial(a.Network(), a.String())
				if err != nil {
					t.Fatal(err)
				}
				c := newPeer(t, "client", nc)
				c.say(d.request("GET /.fastproxy/session"))
				c.wantAnswer("200 OK")
				c.close()
			}
		}
	})
}
