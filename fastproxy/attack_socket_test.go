package fastproxy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
)

// TestNoShapeOfASocketPathTakesSomebodyElsesID: Shiny Server finds ids in
// places where its client never writes them (shiny.ReadSocketIDs tells where);
// a connection that is kim's is nobody else's through any of them. Mended by
// the commit that brought this test; until then some of them did.
func TestNoShapeOfASocketPathTakesSomebodyElsesID(t *testing.T) {
	for _, rules := range []string{"signed_in", "{groups: [Admin]}"} {
		shiny := startRecorder(t)
		p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h"}, fmt.Sprintf(`mounts:
  - {path: /x/, upstream: ["http://%s"], allow: signed_in}
  - {path: /y/, upstream: ["http://%[1]s"], upstream_path: /y/, allow: %[2]s}
`, shiny.l.Addr(), rules))
		p.sockets.began = time.Now().Add(-time.Hour)
		kim := p.tina(t)
		other := p.cookieFor(t, identity.Principal{Method: identity.MethodPasswd, Subject: "tina", Issuer: "another"})
		// Kim's connection, and her SockJS session.
		if statuses, err := p.answers(requestFor("POST {t/}__sockjs__/n=KIM/000/kimsown/xhr HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "/x/app/", kim, 0), 1); err != nil || statuses[0] != 200 {
			t.Fatalf("kim gets %v, %v", statuses, err)
		}
		shiny.take()
		n := 0
		for _, path := range []string{
			"__sockjs__/o=KIM/000/abc/{}", "__sockjs__/n=KIM/000/abc/{}", "__sockjs__/o=KIM/abc/{}", "__sockjs__/000/o=KIM/{}", "__sockjs__/n=mine/000/o=KIM/{}", "__sockjs__/n=mine/o=KIM/{}",
			"__sockjs__/n=mine/o=KIM/000/abc/{}", "__sockjs__/o=KIM/n=mine/000/abc/{}", "__sockjs__/t=1/o=KIM/000/abc/{}", "__sockjs__/foo=bar/o=KIM/000/abc/{}", "__sockjs__//o=KIM/000/abc/{}",
			"o=KIM/__sockjs__/000/abc/{}", "o=KIM/x/__sockjs__/000/abc/{}", "o=KIM/__sockjs__/{}", "__sockjs__/o=KIM/{}", "__sockjs__/o=KIM/__sockjs__/000/abc/{}", "__sockjs__/n=mine/000/abc/__sockjs__/o=KIM/000/abc/{}",
			"__sockjs__/%6f=KIM/000/abc/{}", "__sockjs__/o%3dKIM/000/abc/{}", "__sockjs__/o=KI%4d/000/abc/{}", "__sockjs__/o=%4bIM/000/abc/{}", "%5f_sockjs__/o=KIM/000/abc/{}",
			"__sockjs__/000/kimsown/{}", "__sockjs__/n=mine/kimsown/{}", "__sockjs__/n=mine/000/kimsown/{}", "__sockjs__/001/kimsown/{}/", "__sockjs__/t=1/kimsown/{}", "__sockjs__/s=0/w=1/000/kimsown/{}", "__sockjs__/x=y/kimsown/{}",
		} {
			for i, transport := range []string{"websocket", "xhr", "xhr_send", "xhr_streaming", "eventsource", "jsonp", "htmlfile"} {
				target := "/x/app/" + strings.Replace(path, "{}", transport, 1)
				raw := "POST {t} HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]"
				switch {
				case i == 0:
					raw = "GET {t} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
				case i > 3:
					raw = "GET {t} HTTP/1.1\r\n\r\n"
				}
				n++
				statuses, err := p.answers(requestFor(raw, target, other, n), 1)
				if saw := shiny.take(); err != nil || len(statuses) != 1 || statuses[0] != 403 && statuses[0] != 400 || saw != "" {
					t.Errorf("%s, %s: answers %v, %v; Shiny saw %q", target, rules, statuses, err, saw)
				}
			}
		}
		t.Logf("%d requests for what is kim's", n)
		// Whose it is goes on.
		for _, target := range []string{"/x/app/__sockjs__/o=KIM/000/abc/xhr", "/x/app/__sockjs__/n=KIM/000/kimsown/xhr_send", "/x/app/__sockjs__/n=KIM/t=a_1/w=/s=0/001/kimsown/xhr_streaming/"} {
			if statuses, err := p.answers(requestFor("POST {t} HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", target, kim, n), 1); err != nil || statuses[0] != 200 {
				t.Errorf("%s: kim gets %v, %v", target, statuses, err)
			}
		}
	}
}

// maskedFrame is one frame of a WebSocket client's (RFC 6455 section 5.2).
func maskedFrame(first byte, payload string, mask [4]byte) []byte {
	b := []byte{first, 0x80}
	if len(payload) > 125 {
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	} else {
		b[1] |= byte(len(payload))
	}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i&3])
	}
	return b
}

// TestNoSpellingOfAnOpenReachesAnotherRulesApp opens an app of another rule in
// every spelling, over sockets with and without the robust layer and without
// SockJS's own, in frames that are cut, masked and mixed in many ways.
func TestNoSpellingOfAnOpenReachesAnotherRulesApp(t *testing.T) {
	shiny := startShiny(t)
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h"}, fmt.Sprintf(`mounts:
  - {path: /reports/, upstream: ["http://%s"], upstream_path: /reports/, allow: signed_in}
  - {path: /finance/, upstream: ["http://%[1]s"], upstream_path: /finance/, allow: {groups: [Finance]}}
`, shiny.l.Addr()))
	visitor := p.tina(t)
	var commands []string
	for _, up := range []string{"../", "..//", "./../", "x/../../", "/../", "../x/../", "../../../", "?/../../", "x?/../../", "%2e%2e/", ".%2e/", "..%2f", "..%5c", `..\\`, "..;/", "%u002e%u002e/", "#/../../"} {
		for _, word := range []string{"finance/", "finance", "%66inance/", "%2566inance/", "%u0066inance/", "./finance/", "finance//x/", "finance/?x", "finance%00/"} {
			commands = append(commands, "0|o|"+up+word)
		}
	}
	commands = append(commands, `0|o|`, `0\u007co|../finance/`, `00|\u006f|..\/finance/`, "x\\n0|o|../finance/", "x\\u20280|o|../finance/", "x\\r0|o|../finance/")
	tries := []struct {
		name, socket, frame string // {} is the command
		op                  byte
	}{
		{"sockjs", "__sockjs__/000/s{n}/websocket", `["{}"]`, 1},
		{"robust", "__sockjs__/n=r{n}/000/s{n}/websocket", `["0#{}"]`, 1},
		{"raw", "__sockjs__/websocket", `{}`, 1},
		{"none", "__sockjs__/n=none/000/s{n}/websocket", `["{}"]`, 1},
		{"bare string", "__sockjs__/000/s{n}/websocket", `"{}"`, 1},
		{"binary", "__sockjs__/000/s{n}/websocket", `["{}"]`, 2},
		{"array behind a space", "__sockjs__/000/s{n}/websocket", ` ["{}"]`, 1},
		{"two that a space joins", "__sockjs__/000/s{n}/websocket", ` ["0|o|","0|m|/../../{}"]`, 1},
		{"nested", "__sockjs__/000/s{n}/websocket", `[["{}"]]`, 1},
		{"behind harmless ones", "__sockjs__/n=r{n}/000/s{n}/websocket", `["ACK 0","0#0|m|x","1#{}"]`, 1},
	}
	n := 0
	for i, command := range commands {
		for j, try := range tries {
			if i >= 20 && (i+j)%4 != 0 || command == "0|o|" && j != 1 {
				continue
			}
			n++
			payload := strings.Replace(try.frame, "{}", command, 1)
			if try.name == "raw" {
				payload = strings.NewReplacer(`\\`, `\`, `\u007c`, "|", `\u006f`, "o", `\/`, "/", `\n`, "\n", `\u2028`, "\u2028", `\r`, "\r").Replace(payload)
			}
			p.openInside(t, shiny, visitor, strings.ReplaceAll(try.socket, "{n}", fmt.Sprint(n)), try.name, payload, try.op, n, command == "0|o|")
		}
	}
	t.Logf("%d sockets", n)
	if n < 400 {
		t.Error("too few")
	}
}

// openInside opens a socket and sends one message, cut in a way that seed
// chooses. Where it is not to pass, Shiny must not get its last byte, and the
// client hears 4500.
func (p *testProxy) openInside(t *testing.T, shiny *shinyStub, cookie, socket, name, payload string, op byte, seed int, passes bool) {
	t.Helper()
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	mask := [4]byte{byte(seed), byte(seed >> 3), byte(seed * 7), 0}
	all := cutFrames(payload, op, mask, seed)
	early := 0 // comes with the handshake, before anybody agreed to it
	if seed%4 == 0 {
		early = 1 + seed%len(all)
	}
	fmt.Fprintf(nc, "GET /reports/%s HTTP/1.1\r\nHost: h\r\nCookie: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n%s", socket, cookie, all[:early])
	s := shiny.accept()
	defer s.close()
	s.head()
	s.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	in := bufio.NewReader(nc)
	for {
		l, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if l == "\r\n" {
			break
		}
	}
	go func() { // it may be cut off
		if seed%5 != 0 {
			nc.Write(all[early:])
			return
		}
		for i := early; i < len(all); i++ {
			nc.Write(all[i : i+1])
		}
	}()
	if passes {
		s.want(string(all))
		return
	}
	saw, _ := io.ReadAll(s.r)
	heard, _ := io.ReadAll(in)
	if len(saw) >= len(all) {
		t.Errorf("%s, %q: Shiny got all of it", name, payload)
	}
	if want := "\x11\x94"; !strings.Contains(string(heard), "4500") && !strings.Contains(string(heard), want) { // c[4500,…], or the code of a Close frame
		t.Errorf("%s, %q: the client heard %q", name, payload, heard)
	}
}

// cutFrames writes a message in one frame, or in several with a ping between
// them.
func cutFrames(payload string, op byte, mask [4]byte, seed int) (all []byte) {
	cut := 1 + seed%len(payload)
	if seed%3 == 0 || cut == len(payload) {
		return maskedFrame(0x80|op, payload, mask)
	}
	all = append(all, maskedFrame(op, payload[:cut], mask)...)
	all = append(all, maskedFrame(0x89, "ping", mask)...)
	all = append(all, maskedFrame(0, "", mask)...)
	return append(all, maskedFrame(0x80, payload[cut:], mask)...)
}

// TestAnOpenThatIsRefusedBehindAnEarlyAnswerIsRecorded: a Shiny that answers a
// sending before it has read it does not keep the refusal out of the audit.
func TestAnOpenThatIsRefusedBehindAnEarlyAnswerIsRecorded(t *testing.T) {
	shiny := startShiny(t)
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h"}, fmt.Sprintf(`mounts:
  - {path: /reports/, upstream: ["http://%s"], upstream_path: /reports/, allow: signed_in}
  - {path: /finance/, upstream: ["http://%[1]s"], upstream_path: /finance/, allow: {groups: [Finance]}}
`, shiny.l.Addr()))
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	body := `["0|m|` + strings.Repeat("x", gatherMost) + `","0|o|../finance/"]` // a small one is awaited whole
	fmt.Fprintf(nc, "POST /reports/__sockjs__/000/abc/xhr_send HTTP/1.1\r\nHost: h\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s", p.tina(t), len(body), body[:5])
	s := shiny.accept()
	defer s.close()
	s.head()
	s.want(body[:5])
	s.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx") // and no more, so that it is under way
	in := bufio.NewReader(nc)
	if l, err := in.ReadString('\n'); err != nil || l != "HTTP/1.1 200 OK\r\n" {
		t.Fatalf("found %q, %v", l, err)
	}
	io.WriteString(nc, body[5:])
	if rest, _ := io.ReadAll(s.r); strings.Contains(string(rest), "]") {
		t.Errorf("Shiny got %q", rest)
	}
	p.awaitRecord(t, "event.dataset", "fastproxy.audit", "event.reason", "app_not_admitted")
	if n := strings.Count(p.log.String(), `"app_not_admitted"`); n != 1 {
		t.Errorf("recorded %d times", n)
	}
}

// TestWhatIsOpenInsideEndsWithTheRightToIt: somebody loses a group, and with it
// an app that is open inside a connection to another; neither that connection
// nor its resumption, which Shiny Server would grant for 15 s, keeps it.
func TestWhatIsOpenInsideEndsWithTheRightToIt(t *testing.T) {
	shiny := startShiny(t)
	groups := filepath.Join(t.TempDir(), "groups")
	write(t, groups, "Finance:tina\n")
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h", "AUTH_GROUPS_FILE": groups}, fmt.Sprintf(`mounts:
  - {path: /reports/, upstream: ["http://%s"], upstream_path: /reports/, allow: signed_in}
  - {path: /finance/, upstream: ["http://%[1]s"], upstream_path: /finance/, allow: {groups: [Finance]}}
`, shiny.l.Addr()))
	tina := p.tina(t)
	ask := func(path string) *peer {
		t.Helper()
		nc, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		c := newPeer(t, "client", nc)
		c.say(strings.NewReplacer("{t}", path, "{c}", tina).Replace("GET {t} HTTP/1.1\r\nHost: h\r\nCookie: {c}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
		return c
	}
	c := ask("/reports/__sockjs__/n=ROBUST/000/abc/websocket")
	s := shiny.accept()
	s.head()
	s.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	c.head()
	open := string(maskedFrame(0x81, `["0#0|o|../finance/"]`, [4]byte{1, 2, 3, 4}))
	c.say(open)
	s.want(open)
	write(t, groups, "Other:tina\n")
	if said, _ := io.ReadAll(c.r); !strings.Contains(string(said), "4500") {
		t.Errorf("the client heard %q", said)
	}
	s.close()
	for _, path := range []string{"/reports/__sockjs__/o=ROBUST/000/xyz/websocket", "/reports/__sockjs__/n=another/000/abc/websocket", "/reports/__sockjs__/n=ROBUST/000/xyz/websocket"} {
		c := ask(path)
		if body := c.wantAnswer("403 Forbidden"); !strings.Contains(body, "socket_of_another") {
			t.Errorf("%s: %q", path, body)
		}
		c.close()
	}
	c = ask("/reports/__sockjs__/n=ANEW/000/new/websocket")
	s = shiny.accept()
	s.head()
	s.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	c.head()
	c.say(open)
	if said, _ := io.ReadAll(c.r); !strings.Contains(string(said), "4500") {
		t.Errorf("a new one opens it: %q", said)
	}
	s.close()
	c.close()
}
