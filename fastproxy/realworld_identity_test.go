//go:build linux

package fastproxy_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket" // a client that sends exactly the headers it is given
)

func (w *world) toldWhoIsThere(t *testing.T) {
	p, i := w.front(t, nil, "")
	kim := w.signedIn(t, p, i, "kim")
	want := []string{
		"HTTP_SHINY_SERVER_CREDENTIALS: " + `{"user":"auth0|5ad0c0ffee0000000000a001","groups":["Admin","Finance"]}`,
		"HTTP_X_AUTH0_EMAIL: kim@example.org",
		"HTTP_X_AUTH0_GROUPS: Admin,Finance",
		"HTTP_X_AUTH0_LOCALE: nb",
		"HTTP_X_AUTH0_NAME: Kim S%C3%B8rensen",
		"HTTP_X_AUTH0_NICKNAME: kim",
		"HTTP_X_AUTH0_PICTURE: https://example.org/kim.png",
		"HTTP_X_AUTH0_USER_ID: auth0|5ad0c0ffee0000000000a001",
	}
	for _, place := range []string{"#page_headers", "#socket_headers"} {
		told := headersOf(kim.text(place))
		expectHeaders(t, place, told, want...)
		expectNone(t, place, told, "fastproxy", "HTTP_AUTHORIZATION", "HTTP_COOKIE")
		if !strings.Contains(told, "HTTP_X_FORWARDED_HOST: "+strings.TrimPrefix(p.origin, "http://")+"\n") ||
			!strings.Contains(told, "HTTP_X_FORWARDED_PROTO: http\n") || !strings.Contains(told, "HTTP_X_FORWARDED_FOR: 127.0.0.1\n") {
			t.Errorf("%s: the forwarded headers do not describe the visitor:\n%s", place, told)
		}
	}
	var credentials struct{ User, Groups []string }
	if err := json.Unmarshal([]byte(kim.text("#credentials")), &credentials); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(credentials); got != "{[auth0|5ad0c0ffee0000000000a001] [Admin Finance]}" {
		t.Errorf("session$user and session$groups are %s", got)
	}

	kim.visit(p.origin + "/.fastproxy/session")
	kim.await("body", "auth0|5ad0c0ffee0000000000a001")
	kim.await("body", "HTTP_X_AUTH0_GROUPS")
	kim.screenshot("session")
}

func (w *world) bareToken(t *testing.T) {
	p, i := w.front(t, nil, "")
	robin := w.signedIn(t, p, i, "robin")
	for _, place := range []string{"#page_headers", "#socket_headers"} {
		expectHeaders(t, place, headersOf(robin.text(place)),
			"HTTP_X_AUTH0_EMAIL: robin@example.net",
			"HTTP_X_AUTH0_GROUPS: R&D%2C Oslo,%C3%84rzte,100%25",
			`HTTP_SHINY_SERVER_CREDENTIALS: {"user":"google-oauth2|103547991597142817347","groups":["R&D, Oslo","\u00C4rzte","100%"]}`)
	}
	robin.await("#credentials", `["R&D, Oslo","Ärzte","100%"]`)
}

func (w *world) unverifiedAddress(t *testing.T) {
	p, i := w.front(t, nil, "")
	lee := w.signedIn(t, p, i, "lee")
	for _, place := range []string{"#page_headers", "#socket_headers"} {
		told := headersOf(lee.text(place))
		expectHeaders(t, place, told, "HTTP_X_AUTH0_NAME: Lee")
		expectNone(t, place, told, "HTTP_X_AUTH0_EMAIL", "HTTP_X_AUTH0_GROUPS", "kim@example.org")
	}
	lee.visit(p.origin + "/.fastproxy/session")
	lee.await("body", "AUTH0_GROUPS_CLAIM")
	lee.screenshot("session-no-groups")
}

// readInR has R itself evaluate the expressions that the session page offers,
// on the headers that R was sent.
func (w *world) readInR(t *testing.T) {
	p, i := w.front(t, nil, "")
	robin := w.signedIn(t, p, i, "robin")
	_, body := fetch(t, p.origin+"/.fastproxy/session", http.Header{"Cookie": {cookieHeader(robin)}, "Accept": {"application/json"}})
	var page struct {
		Headers []struct{ Name, Value, R string }
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Headers) < 5 {
		t.Fatalf("the session as JSON: %v\n%s", err, body)
	}
	script := "request <- new.env()\n"
	for _, h := range page.Headers {
		variable := "HTTP_" + strings.ToUpper(strings.ReplaceAll(h.Name, "-", "_"))
		value, _ := json.Marshal(h.Value) // ASCII: R reads it as JSON does
		script += fmt.Sprintf("assign(%q, %s, request)\n", variable, value)
	}
	// As shiny does (R/shiny.R), from the header of the handshake.
	script += "c <- jsonlite::fromJSON(request$HTTP_SHINY_SERVER_CREDENTIALS)\nsession <- list(request = request, user = c$user, groups = c$groups)\n"
	script += "told <- list()\n"
	for _, h := range page.Headers {
		script += fmt.Sprintf("told[[%q]] <- %s\n", h.Name, h.R)
	}
	script += `cat(jsonlite::toJSON(told, auto_unbox = TRUE))`
	cmd := exec.Command(needShiny(t), "-e", script)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("R: %v\n%s\n%s", err, out, script)
	}
	const want = `{"X-Auth0-User-Id":"google-oauth2|103547991597142817347","X-Auth0-Email":"robin@example.net",` +
		`"X-Auth0-Groups":["R&D, Oslo","Ärzte","100%"],"X-Auth0-Name":"Robin","X-Auth0-Nickname":"robin",` +
		`"Shiny-Server-Credentials":{"user":"google-oauth2|103547991597142817347","groups":["R&D, Oslo","Ärzte","100%"]}}`
	if string(out) != want {
		t.Errorf("R reads\n%s, want\n%s", out, want)
	}
}

// spoofs are headers a visitor might send to be someone else.
var spoofs = map[string]string{
	"X-Auth0-User-Id": "auth0|evil", "X-Auth0-Email": "evil@example.org", "X-AUTH0-GROUPS": "evil",
	"x_auth0_email": "evil@example.org", "X_Auth0-Groups": "evil", "X-Auth0-Invented": "evil",
	"Shiny-Server-Credentials": `{"user":"evil","groups":["evil"]}`, "Shiny_Server_Credentials": `{"user":"evil"}`,
	"Shiny-Shared-Secret": "evil", "Remote-User": "evil", "Remote_User": "evil", "X-Forwarded-User": "evil",
	"X-Forwarded-Email": "evil", "X-SP-UserId": "evil", "X-Auth-Request-User": "evil", "X-Real-IP": "6.6.6.6",
	"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "evil", "Forwarded": "for=evil", "Proxy": "evil",
	"X-Request-Id": "evil",
}

func (w *world) inventedHeaders(t *testing.T) {
	p, i := w.front(t, nil, "")
	lee := w.signedIn(t, p, i, "lee") // someone with claims missing: no header of ours to overwrite theirs
	invented := http.Header{"Origin": {p.origin}, "Cookie": {cookieHeader(lee)}}
	for name, value := range spoofs {
		invented[name] = []string{value} // not Set, which would mend their spelling
	}

	res, body := fetch(t, p.origin+"/reports/", invented)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("the page answers %s", res.Status)
	}
	inPage := regexp.MustCompile(`(?s)<pre id="page_headers">(.*?)</pre>`).FindStringSubmatch(body)
	if inPage == nil {
		t.Fatalf("no headers in the page:\n%s", body)
	}
	for place, told := range map[string]string{
		"page":      html.UnescapeString(inPage[1]),
		"websocket": socketHeaders(t, p, invented),
	} {
		expectHeaders(t, place, told, "HTTP_X_AUTH0_USER_ID: "+i.sub("lee"))
		expectNone(t, place, told, "evil", "6.6.6.6")
	}
}

// machine has a client of its own, which signs in nowhere: it shows a token.
func (w *world) machine(t *testing.T) {
	p := newProxy(t, w.bin)
	i := startIssuer(t, 0, application("shiny", p.origin), args{"client_id": "robot", "machine": true})
	yaml := fmt.Sprintf(`mounts:
  - path: /reports/
    upstream: [http://127.0.0.1:%[1]d]
    allow: signed_in
  - path: /robots/
    upstream: [http://127.0.0.1:%[1]d]
    allow: {users: ["robot@clients"]}
`, w.app.port)
	p.serve(t, w, auth0(i, "shiny", p.origin).and(settings{"AUTH0_AUDIENCE": i.Audience}), yaml)

	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"robot"}, "client_secret": {clientSecret}}
	res, err := plain.PostForm(i.Issuer+"oauth/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var granted struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&granted); err != nil || granted.Token == "" {
		t.Fatalf("the issuer granted no token: %s %v", res.Status, err)
	}
	bearer := http.Header{"Authorization": {"Bearer " + granted.Token}}
	if res, _ := fetch(t, p.origin+"/reports/", bearer); res.StatusCode != http.StatusForbidden {
		t.Errorf("where every person may go, the machine gets %s, want 403", res.Status)
	}
	res, body := fetch(t, p.origin+"/robots/", bearer)
	if res.StatusCode != http.StatusOK || !strings.Contains(body, "HTTP_X_AUTH0_USER_ID: robot@clients\n") {
		t.Errorf("where it is named, the machine gets %s", res.Status)
	}
	if strings.Contains(body, "HTTP_AUTHORIZATION") {
		t.Error("the machine's token went on to Shiny")
	}
	bearer.Set("Authorization", bearer.Get("Authorization")[:40]+"x"+bearer.Get("Authorization")[41:])
	if res, _ := fetch(t, p.origin+"/robots/", bearer); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token with one byte changed gets %s, want 401", res.Status)
	}
}

// headersOf has every header on a line of its own, the last one too.
func headersOf(text string) string { return strings.TrimSpace(text) + "\n" }

func expectHeaders(t *testing.T, place, told string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !strings.Contains("\n"+told+"\n", "\n"+line+"\n") {
			t.Errorf("%s: want %q in\n%s", place, line, told)
		}
	}
}

func expectNone(t *testing.T, place, told string, unwanted ...string) {
	t.Helper()
	for _, s := range unwanted {
		if strings.Contains(strings.ToLower(told), strings.ToLower(s)) {
			t.Errorf("%s: %q reached Shiny:\n%s", place, s, told)
		}
	}
}

// cookieHeader is what the tab's browser would send.
func cookieHeader(p *tab) string {
	p.t.Helper()
	var pairs []string
	for _, c := range p.cookies() {
		if c.Domain == "localhost" {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
	}
	return strings.Join(pairs, "; ")
}

// fetch asks for a page, once.
func fetch(t testing.TB, address string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := plain.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// socketHeaders opens a WebSocket of its own to the app, speaks Shiny's
// opening and gives what session$request held.
func socketHeaders(t *testing.T, p *proxy, header http.Header) string {
	t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: patience}
	conn, res, err := dialer.Dial("ws"+strings.TrimPrefix(p.origin, "http")+"/reports/websocket/", header)
	if err != nil {
		t.Fatalf("open a WebSocket: %v (%v)", err, res)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(patience))
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"method":"init","data":{".clientdata_output_socket_headers_hidden":false,".clientdata_url_search":""}}`)); err != nil {
		t.Fatal(err)
	}
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("read from R: %v", err)
		}
		var m struct {
			Values struct {
				Headers string `json:"socket_headers"`
			}
		}
		if json.Unmarshal(message, &m) == nil && m.Values.Headers != "" {
			return m.Values.Headers
		}
	}
}
