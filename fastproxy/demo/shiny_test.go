package demo_test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"

	"github.com/fasthttp/websocket"
)

var (
	asKim = http.Header{
		"X-Auth0-User-Id": {"auth0|kim"}, "X-Auth0-Name": {"Kim Larsen"}, "X-Auth0-Groups": {"Admin"},
		"Shiny-Server-Credentials": {`{"user":"auth0|kim","groups":["Admin"]}`},
	}
	asSam = http.Header{
		"X-Auth0-User-Id": {"auth0|sam"}, "X-Auth0-Name": {"Sam M%C3%BCller"}, "X-Auth0-Groups": {"DL"},
		"Shiny-Server-Credentials": {`{"user":"auth0|sam","groups":["DL"]}`},
	}
)

func flat(h http.Header) (list []string) {
	for name, values := range h {
		list = append(list, name, values[0])
	}
	return list
}

// client is a browser's side of a plain Shiny session.
type client struct {
	t     *testing.T
	conn  *websocket.Conn
	token string
}

func dial(t *testing.T, to string, h http.Header) *websocket.Conn {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(to, "http", "ws", 1), h)
	if err != nil {
		t.Fatalf("dial %s: %v (%v)", to, err, resp)
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func join(t *testing.T, base, path string, h http.Header) *client {
	t.Helper()
	c := &client{t: t, conn: dial(t, base+path, h)}
	config, _ := c.read()["config"].(map[string]any)
	c.token, _ = config["sessionId"].(string)
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(c.token) || config["workerId"] != "" {
		t.Fatalf("first message: %v", config)
	}
	return c
}

func (c *client) read() map[string]any {
	c.t.Helper()
	_, body, err := c.conn.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return object(c.t, string(body))
}

func (c *client) send(message string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		c.t.Fatal(err)
	}
}

// until reads to the message with that key and returns the keys on the way.
func (c *client) until(key string) (map[string]any, []string) {
	c.t.Helper()
	var keys []string
	for {
		m := c.read()
		for k := range m {
			keys = append(keys, k)
		}
		if m[key] != nil {
			return m, keys
		}
	}
}

func (c *client) values() map[string]any {
	c.t.Helper()
	m, _ := c.until("values")
	return m["values"].(map[string]any)
}

func (c *client) init() map[string]any {
	c.t.Helper()
	c.send(`{"method":"init","data":{"late:shiny.number":15,"company":"",".clientdata_output_plot_width":600,".clientdata_output_plot_height":300}}`)
	return c.values()
}

func TestPageIsWhatShinySends(t *testing.T) {
	base, c := pocketShiny(t, demo.ShinyOptions{Links: []demo.Link{{Label: "Out", Href: "/logout"}}}), browser(t)
	// Without Accept-Encoding of its own the client asks for nothing either.
	resp, body := get(t, c, base+"/", append(flat(asSam), "Accept-Encoding", "identity")...)
	wants(t, resp, http.StatusOK, body)
	if resp.ContentLength != int64(len(body)) || resp.Header.Get("Set-Cookie")+resp.Header.Get("Cache-Control")+resp.Header.Get("ETag") != "" {
		t.Errorf("header: %v", resp.Header)
	}
	if external.MatchString(body) || regexp.MustCompile(`(src|href)="/(demo|__)`).MatchString(body) {
		t.Error("an asset is not relative")
	}
	for _, want := range []string{"Sam Müller", `<span class="tag">DL</span>`, "HTTP_X_AUTH0_USER_ID", `href="/logout"`, "Dune Lines"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "Aurora") {
		t.Error("sam's page offers a company that is not sam's")
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="(demo[^"]+)"`).FindAllStringSubmatch(body, -1) {
		resp, body := get(t, c, base+"/"+m[1])
		wants(t, resp, http.StatusOK, body)
		if resp.Header.Get("Last-Modified") == "" || resp.Header.Get("ETag") != "" {
			t.Errorf("%s: %v", m[1], resp.Header)
		}
	}
	resp, _ = get(t, c, base+"/", "Accept-Encoding", "gzip")
	if resp.Header.Get("Content-Encoding") != "gzip" || resp.TransferEncoding == nil {
		t.Errorf("gzip page: %v %v", resp.Header, resp.TransferEncoding)
	}
	resp, body = fetch(t, c, request(t, http.MethodHead, base+"/", ""))
	wants(t, resp, http.StatusOK, body)
}

func TestBookmarkRestoresInputs(t *testing.T) {
	base, c := pocketShiny(t, demo.ShinyOptions{}), browser(t)
	_, body := get(t, c, base+`/?_inputs_&late=40&company=%22DL%22`, flat(asKim)...)
	if !strings.Contains(body, `value="40"`) || !strings.Contains(body, `<option value="DL" selected>`) {
		t.Error("the page forgot the bookmark")
	}
	_, body = get(t, c, base+`/?_inputs_&late=1e99&company=%22%3Cscript%3E`, flat(asKim)...)
	if !strings.Contains(body, `value="120"`) || strings.Contains(body, "<script>") {
		t.Error("a wild bookmark was believed")
	}
}

func TestSliderMovesThePlotOverAnyPathThatUpgrades(t *testing.T) {
	base := pocketShiny(t, demo.ShinyOptions{})
	for _, path := range []string{"/websocket/", "/foo/bar", "/reports/websocket/"} {
		c := join(t, base, path, asKim)
		before := c.init()
		plot := before["plot"].(map[string]any)
		if !strings.HasPrefix(plot["src"].(string), "data:image/svg+xml;base64,") || plot["width"] != 600.0 {
			t.Fatalf("plot: %.200v", plot)
		}
		c.send(`{"method":"update","data":{"late:shiny.number":60}}`)
		m, keys := c.until("values")
		after := m["values"].(map[string]any)
		if after["plot"].(map[string]any)["src"] == plot["src"] || !strings.Contains(after["summary"].(string), "60 minutes") {
			t.Error("the plot did not move")
		}
		if after["whoami"] != nil || m["errors"] == nil || m["inputMessages"] == nil {
			t.Errorf("values: %v", m)
		}
		order := strings.Join(keys, " ")
		if !strings.HasPrefix(order, "progress") || !strings.Contains(order, "busy recalculating") || !strings.Contains(order, "recalculating busy") {
			t.Errorf("order of messages: %s", order)
		}
	}
}

func TestEverybodySeesOnlyTheirGroupsRows(t *testing.T) {
	base := pocketShiny(t, demo.ShinyOptions{})
	for _, who := range []struct {
		header       http.Header
		user         any
		sees, hidden string
	}{
		{asKim, "auth0|kim", "Aurora Air", "no such company"},
		{asSam, "auth0|sam", "Dune Lines", "Aurora Air"},
	} {
		conn := dial(t, base+"/websocket/", who.header)
		c := &client{t: t, conn: conn}
		config := c.read()["config"].(map[string]any)
		if config["user"] != who.user {
			t.Errorf("user: %v", config["user"])
		}
		values := c.init()
		all := fmt.Sprint(values["table"], values["whoami"])
		if !strings.Contains(all, who.sees) || strings.Contains(all, who.hidden) {
			t.Errorf("%v sees %s", who.user, all)
		}
		// Asking for a company that is not yours gives you yours.
		c.send(`{"method":"update","data":{"company":"AA"}}`)
		if summary := c.values()["summary"].(string); who.user == "auth0|sam" && !strings.Contains(summary, "980 flights") {
			t.Errorf("sam chose AA and got: %s", summary)
		}
	}
	nobody := &client{t: t, conn: dial(t, base+"/websocket/", nil)}
	if config := nobody.read()["config"].(map[string]any); config["user"] != nil {
		t.Errorf("nobody is %v", config["user"])
	}
	nobody.send(`{"method":"init","data":{}}`)
	m, _ := nobody.until("values")
	if m["errors"].(map[string]any)["plot"] == nil || strings.Contains(m["values"].(map[string]any)["table"].(string), "Dune") {
		t.Errorf("nobody sees %v", m)
	}
}

func TestUnderscoredHeaderWinsAsInHttpuv(t *testing.T) {
	base, c := pocketShiny(t, demo.ShinyOptions{}), browser(t)
	r := request(t, http.MethodGet, base+"/", "")
	r.Header["X-Auth0-Name"] = []string{"Good"}
	r.Header["X_auth0_name"] = []string{"Evil"}
	_, body := fetch(t, c, r)
	if !strings.Contains(body, "<b>Evil</b>") {
		t.Error("the pocket Shiny is safer than the real one: it could not show what a proxy lets through")
	}
}

func TestCookiesAreNeverShown(t *testing.T) {
	base, c := pocketShiny(t, demo.ShinyOptions{}), browser(t)
	_, body := get(t, c, base+"/", "Cookie", "a=tell-nobody", "Authorization", "Bearer tell-nobody")
	if strings.Contains(body, "tell-nobody") || !strings.Contains(body, "hidden, 13 bytes") {
		t.Error("a credential is on the page")
	}
}

func TestUploadArrivesWholeAndIsHashed(t *testing.T) {
	base, http1 := pocketShiny(t, demo.ShinyOptions{}), browser(t)
	c := join(t, base, "/websocket/", asSam)
	c.init()
	c.send(`{"method":"uploadInit","args":[[{"name":"grüße.bin","size":70000,"type":""},{"name":"b","size":1,"type":""}]],"tag":7}`)
	m, _ := c.until("response")
	answer := m["response"].(map[string]any)
	value := answer["value"].(map[string]any)
	to := value["uploadUrl"].(string)
	if answer["tag"] != 7.0 || !regexp.MustCompile(`^session/`+c.token+`/upload/[0-9a-f]{24}\?w=$`).MatchString(to) {
		t.Fatalf("uploadInit: %v", answer)
	}
	first, second := bytes.Repeat([]byte("abcdefg"), 10_000), []byte("x")
	for _, body := range [][]byte{first, second} {
		resp, text := fetch(t, http1, request(t, http.MethodPost, base+"/"+to, string(body), "Content-Type", "application/octet-stream"))
		if wants(t, resp, http.StatusOK, text); text != "OK" {
			t.Errorf("upload answered %q", text)
		}
	}
	c.send(`{"method":"uploadEnd","args":["` + value["jobId"].(string) + `","up"],"tag":8}`)
	m, _ = c.until("response")
	if end := m["response"].(map[string]any); end["tag"] != 8.0 || end["value"] != nil || end["error"] != nil {
		t.Errorf("uploadEnd: %v", end)
	}
	sum := md5.Sum(first)
	want := fmt.Sprintf("name=grüße.bin size=70000 md5=%s\nname=b size=1 md5=%x", hex.EncodeToString(sum[:]), md5.Sum(second))
	if got := c.values()["upinfo"]; got != want {
		t.Errorf("upinfo: got %q, want %q", got, want)
	}
	resp, text := fetch(t, http1, request(t, http.MethodPost, base+"/"+to, "again"))
	wants(t, resp, http.StatusNotFound, text)
}

func TestUploadsAreRefusedAsShinyRefusesThem(t *testing.T) {
	base, http1 := pocketShiny(t, demo.ShinyOptions{MaxRequestSize: 1000}), browser(t)
	c := join(t, base, "/websocket/", asSam)
	c.init()
	c.send(`{"method":"uploadInit","args":[[{"name":"big","size":1001,"type":""}]],"tag":0}`)
	m, _ := c.until("response")
	if fault := m["response"].(map[string]any)["error"]; fault == nil {
		t.Errorf("a big upload was accepted: %v", m)
	}
	resp, text := fetch(t, http1, request(t, http.MethodPost, base+"/session/"+c.token+"/upload/x?w=", strings.Repeat("x", 1001)))
	wants(t, resp, http.StatusRequestEntityTooLarge, text)

	chunked := request(t, http.MethodPost, base+"/session/"+c.token+"/upload/x?w=", "")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader("abc")), -1
	resp, text = fetch(t, http1, chunked)
	wants(t, resp, http.StatusRequestEntityTooLarge, text)

	c.send(`{"method":"uploadInit","args":[[{"name":"a","size":1,"type":""}]],"tag":1}`)
	m, _ = c.until("response")
	job := m["response"].(map[string]any)["value"].(map[string]any)["jobId"].(string)
	c.send(`{"method":"uploadEnd","args":["` + job + `","up"],"tag":2}`)
	m, _ = c.until("response")
	if m["response"].(map[string]any)["error"] == nil {
		t.Error("an upload of which nothing arrived was accepted")
	}
	c.send(`{"method":"somethingElse","args":[],"tag":3}`)
	m, _ = c.until("response")
	if m["response"].(map[string]any)["error"] == nil {
		t.Error("an unknown method was accepted")
	}
}

func TestDownloadsCarryTheRowsOfTheSession(t *testing.T) {
	base, c := pocketShiny(t, demo.ShinyOptions{}), browser(t)
	sam := join(t, base, "/websocket/", asSam)
	values := sam.init()
	to, _ := values["down"].(string)
	if to != "session/"+sam.token+"/download/down?w=" {
		t.Fatalf("down: %v", to)
	}
	resp, body := get(t, c, base+"/"+to)
	wants(t, resp, http.StatusOK, body)
	if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="delays-15-min.csv"` {
		t.Errorf("Content-Disposition: %s", got)
	}
	if !strings.Contains(body, "Dune Lines") || strings.Contains(body, "Aurora") || resp.ContentLength != int64(len(body)) {
		t.Errorf("download: %s", body)
	}

	resp, body = get(t, c, base+"/"+values["down_utf8"].(string))
	wants(t, resp, http.StatusFound, body)
	const want = "down_utf8/Versp%C3%A4tungen%20%C3%BCber%2015%20Minuten.csv"
	if got := resp.Header.Get("Location"); got != want {
		t.Fatalf("Location: got %q, want %q", got, want)
	}
	resp, body = get(t, c, location(t, resp).String())
	wants(t, resp, http.StatusOK, body)
	if resp.Header.Get("Content-Disposition") != "attachment" || !strings.Contains(body, "Dune Lines") {
		t.Errorf("second step: %v %s", resp.Header, body)
	}

	for _, path := range []string{
		"/session/" + strings.Repeat("0", 32) + "/download/down?w=", "/session/" + sam.token + "/download/other?w=",
		"/session/" + sam.token + "/upload/down?w=", "/session/x/download/down",
	} {
		resp, body := get(t, c, base+path)
		wants(t, resp, http.StatusNotFound, body)
	}
	sam.conn.Close()
	eventually(t, "the session ends with its socket", func() bool {
		resp, _ := get(t, c, base+"/"+to)
		return resp.StatusCode == http.StatusNotFound
	})
}

// rawUpgrade does a handshake and leaves the connection bare.
func rawUpgrade(t *testing.T, base, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	u, _ := url.Parse(base)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		path, base64.StdEncoding.EncodeToString(make([]byte, 16)))
	return conn, bufio.NewReader(conn)
}

func TestPlainSocketEndsWithBareEOFAndNoExtensions(t *testing.T) {
	base := pocketShiny(t, demo.ShinyOptions{Timing: demo.Timing{Ping: 10 * time.Millisecond}})
	conn, r := rawUpgrade(t, base, "/websocket/")
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("handshake: %v %v", resp, err)
	}
	head := make([]byte, 2)
	io.ReadFull(r, head) // the config message
	io.CopyN(io.Discard, r, int64(head[1]))
	if io.ReadFull(r, head); head[0] != 0x89 || head[1] != 0 {
		t.Errorf("want an empty Ping, got % x", head)
	}
	// A Close frame, masked with zeros, with code 1000.
	conn.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8})
	rest, _ := io.ReadAll(r)
	if pings := bytes.Repeat([]byte{0x89, 0}, len(rest)/2); !bytes.Equal(rest, pings) {
		t.Errorf("after our Close came % x", rest)
	}
}

func TestClosingTheShinyEndsOpenSocketsWithoutAWord(t *testing.T) {
	s := demo.NewShiny(demo.ShinyOptions{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s.Handler()}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	c := join(t, "http://"+l.Addr().String(), "/websocket/", asKim)
	c.init()
	s.Close()
	if _, _, err := c.conn.ReadMessage(); err == nil || websocket.IsCloseError(err, 1000, 1001) {
		t.Errorf("want a bare end, got %v", err)
	}
	server.Close()
	<-done
	s.Close() // twice is once
}

func TestBrokenMessagesEndThePlainSession(t *testing.T) {
	base := pocketShiny(t, demo.ShinyOptions{})
	for _, bad := range []string{"{", `{"method":"update","data":{}}`, `{"method":"nothing"}`, `[]`} {
		c := join(t, base, "/websocket/", nil)
		c.send(bad)
		if _, _, err := c.conn.ReadMessage(); err == nil {
			t.Errorf("%s: the session went on", bad)
		}
	}
	many := map[string]int{}
	for i := range 600 {
		many[fmt.Sprint(i)] = i
	}
	data, _ := json.Marshal(many)
	c := join(t, base, "/websocket/", nil)
	c.send(`{"method":"init","data":` + string(data) + `}`)
	if _, _, err := c.conn.ReadMessage(); err == nil {
		t.Error("600 inputs: the session went on")
	}
}

func TestShinyServerPathsAnswerAsItDoes(t *testing.T) {
	base, c := pocketShiny(t, demo.ShinyOptions{}), browser(t)
	resp, body := get(t, c, base+"/sockjs")
	wants(t, resp, http.StatusMovedPermanently, body)
	if resp.Header.Get("Location") != "/sockjs/" {
		t.Errorf("Location: %s", resp.Header.Get("Location"))
	}
	resp, body = get(t, c, base+"/sockjs/", flat(asSam)...)
	if wants(t, resp, http.StatusOK, body); !resp.Close || !strings.Contains(body, "Sam Müller") {
		t.Error("a page that Shiny Server fetched from R must say Connection: close")
	}
	resp, body = get(t, c, base+"/sockjs/__assets__/sockjs.js")
	wants(t, resp, http.StatusOK, body)
	tag := resp.Header.Get("ETag")
	if resp.Header.Get("Keep-Alive") != "timeout=5" || resp.Header.Get("Cache-Control") != "public, max-age=86400" || tag == "" {
		t.Errorf("asset: %v", resp.Header)
	}
	resp, body = get(t, c, base+"/sockjs/__assets__/sockjs.js", "If-None-Match", tag)
	wants(t, resp, http.StatusNotModified, body)
	resp, body = get(t, c, base+"/ping")
	if wants(t, resp, http.StatusOK, body); body != "OK" {
		t.Errorf("ping: %q", body)
	}
	resp, body = get(t, c, base+"/nowhere")
	wants(t, resp, http.StatusNotFound, body)
}

func TestUpgradeUnderShinyServerIsNeverAnswered(t *testing.T) {
	base := pocketShiny(t, demo.ShinyOptions{})
	conn, r := rawUpgrade(t, base, "/sockjs/websocket/")
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := r.ReadByte(); err == nil {
		t.Errorf("it answered with %q", b)
	}
}
