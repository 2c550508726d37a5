package fastproxy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAFormMayComeInAnyPieces: its length known or not, all at once or byte by
// byte, asked for or not; what stands behind it is the next request.
func TestAFormMayComeInAnyPieces(t *testing.T) {
	d := startDoor(t, nil, nil)
	form := "user=tina&password=" + strings.Repeat("x", 20) + "&return_to=" + strings.Repeat("%2F", 1500)
	chunked := fmt.Sprintf("5\r\n%s\r\n%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n", form[:5], len(form)-5, form[5:])
	for _, c := range []struct{ name, line, body string }{
		{"short", "Content-Length: 9", "user=tina"},
		{"longer than other bodies that are awaited", fmt.Sprint("Content-Length: ", len(form)), form},
		{"chunked", "Transfer-Encoding: chunked", chunked},
		{"asked for", fmt.Sprint("Expect: 100-continue\r\nContent-Length: ", len(form)), form},
		{"chunked, asked for", "Expect: 100-continue\r\nTransfer-Encoding: chunked", chunked},
	} {
		for _, path := range []string{"/.fastproxy/password", "/logout"} {
			for _, piece := range []int{1, 7, 4096, 1 << 20} {
				if piece == 1 && len(c.body) > 100 && path == "/logout" {
					continue // as for the other
				}
				t.Run(fmt.Sprintf("%s %s by %d", c.name, path, piece), func(t *testing.T) {
					t.Parallel()
					d := &door{testProxy: d.testProxy, shiny: d.shiny, t: t, cookie: d.cookie}
					c0 := d.dial()
					head := d.request("POST "+path, "Content-Type: application/x-www-form-urlencoded", c.line)
					if strings.Contains(c.line, "Expect") {
						c0.say(head)
						c0.want("HTTP/1.1 100 Continue\r\n\r\n")
						head = ""
					}
					for all := head + c.body + d.request("GET /.fastproxy/session"); all != ""; {
						n := min(piece, len(all))
						c0.say(all[:n])
						all = all[n:]
					}
					c0.wantAnswer("403 Forbidden") // no form of ours
					if s := c0.wantAnswer("200 OK"); !strings.Contains(s, `"signed_in": true`) {
						t.Errorf("the next request was answered %s", s)
					}
				})
			}
		}
	}
}

// TestAFormThatDoesNotComeIsNotAwaitedForLong, nor is one that no page of ours
// would take.
func TestAFormThatDoesNotComeIsNotAwaitedForLong(t *testing.T) {
	d := startDoor(t, nil, func(p *Proxy) { p.limits.paceStart = 50 * time.Millisecond })
	for _, c := range []struct{ lines, body, want string }{
		{"Content-Length: 9", "user", "408 Request Timeout"},
		{"Content-Length: 16000", "user", "408 Request Timeout"},
		{"Transfer-Encoding: chunked", "9\r\nuser", "408 Request Timeout"},
		{"Transfer-Encoding: chunked", "9\r\nuser=tinaX", "413 Request Entity Too Large"}, // malformed
		{"Content-Length: 1000000000", "user", "413 Request Entity Too Large"},
		{"Expect: 100-continue\r\nContent-Length: 1000000000", "", "413 Request Entity Too Large"},
	} {
		t.Run(c.lines, func(t *testing.T) {
			d := &door{testProxy: d.testProxy, shiny: d.shiny, t: t, cookie: d.cookie}
			c0 := d.dial()
			c0.say(d.request("POST /.fastproxy/password", "Content-Type: application/x-www-form-urlencoded", c.lines), c.body)
			c0.wantAnswer(c.want)
			c0.wantEnd("")
		})
	}
}
