//go:build linux

package fastproxy_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// demonstrates has kim and sam visit `fastproxy demo`, as a newcomer would.
func (w *world) demonstrates(t *testing.T) {
	cmd := exec.Command(w.bin.fastproxy, "demo", "--port", "0")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}
	demo := start(t, "fastproxy demo", cmd)
	origin := regexp.MustCompile(`http://localhost:\d+`).FindString(demo.awaitLine(t, `^Open http://localhost:\d+/ `))
	eventually(t, "the demo to answer", func() error { return answers(origin+"/login/nothing", 404) })

	for _, who := range []string{"kim", "sam"} {
		p := w.browser.open(t, who)
		p.visit(origin + "/")
		p.arrive("http://127.0.0.1:")
		p.screenshot("demo-login")
		p.click("button[value=" + who + "]")
		p.arrive(origin + "/reports/")
		p.await("#whoami", "session$user")
		p.await("#table", "DL")
		p.say("change", args{"selector": "#plot", "name": "src", "text": ""})
		if alone := !strings.Contains(p.text("#table"), "UA"); alone != (who == "sam") {
			t.Errorf("%s sees the companies\n%s", who, p.text("#table"))
		}
		plot := p.attribute("#plot", "src")
		p.fill("#late", "60")
		p.await("#late-shown", "60")
		p.say("change", args{"selector": "#plot", "name": "src", "text": plot})
		p.screenshot("demo-" + who)
		p.visit(origin + "/reports/sockjs/")
		for _, transport := range []string{"eventsource", "xhr", "websocket", "xhr_streaming"} {
			p.click("input[value=" + transport + "]")
			p.await("#state", "connected")
			p.await("#count", "5") // two a second: what streams arrives as it is sent
		}
		if lost := p.text("#lost"); lost != "0" {
			t.Errorf("%s lost %s messages over SockJS", who, lost)
		}
		p.screenshot("demo-sockjs-" + who)
		p.visit(origin + "/.fastproxy/session")
		p.screenshot("demo-session-" + who)
		want := map[string]int{"kim": 200, "sam": 403}[who]
		if got := p.visit(origin + "/admin/"); got != want {
			t.Errorf("%s gets %d at /admin/, want %d", who, got, want)
		}
		p.screenshot("demo-admin-" + who)
		p.visit(origin + "/logout")
		p.await("body", "igned out")
	}
	if err := demo.stop(); err != nil {
		t.Errorf("asked to end, the demo ends with %v, want exit 0", err)
	}
}
