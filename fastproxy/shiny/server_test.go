package shiny

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// What Shiny Server makes of a path and of a message, as its sources have it:
// sockjs-node's routes and its WebSocket transport, the robust layer of
// shiny-server-client, the multiplex layer and the directory router. All of it
// is JavaScript, where a value that is no string becomes one when a regular
// expression looks at it.

// route is where sockjs-node takes a path; transport is "" where nowhere.
type route struct {
	transport, session string
	robust             string
	opens              bool
}

// prefixes of Shiny Server, and of one that takes all parameters as such.
var prefixes = []string{`^.*/__sockjs__(/[no]=\w+)?`, `^.*/__sockjs__(/[no]=\w*)?(?:/t=\w*)?(?:/w=\w*)?(?:/s=\w*)?`}

var inSession, services = routesOf(`/([^/.]+)/([^/.]+)/(websocket|xhr|xhr_send|xhr_streaming|eventsource|jsonp|jsonp_send|htmlfile)/?$`), routesOf(`/(websocket|info|iframe[-0-9.a-z_]*.html)/?$`)

func routesOf(tail string) (all []*regexp.Regexp) {
	for _, p := range prefixes {
		all = append(all, regexp.MustCompile(p+tail))
	}
	return all
}

// serverRoute routes a path by one of the prefixes.
func serverRoute(prefix int, path string) (r route) {
	if m := inSession[prefix].FindStringSubmatch(path); m != nil {
		r.session, r.transport = m[3], m[4]
	} else if m := services[prefix].FindStringSubmatch(path); m != nil {
		r.transport = "raw " + m[2]
	}
	params := serverParameters(path)
	if r.robust, r.opens = params["n"], true; r.robust == "" {
		r.robust, r.opens = params["o"], false
	}
	if r.robust == "" || r.robust == "none" {
		r.robust, r.opens = "", false
	}
	return r
}

var parameter = regexp.MustCompile(`^(?i:[a-z]+)=`)

// serverParameters reads the last run of parameters in a path.
func serverParameters(path string) map[string]string {
	chunks := strings.Split(path, "/")
	end := len(chunks)
	for end > 0 && !parameter.MatchString(chunks[end-1]) {
		end--
	}
	begin := end
	for begin > 0 && parameter.MatchString(chunks[begin-1]) {
		begin--
	}
	params := make(map[string]string)
	for _, c := range chunks[begin:end] {
		name, value, _ := strings.Cut(c, "=")
		params[name] = value
	}
	return params
}

// serverOpens reads one text message of a SockJS WebSocket and returns what the
// multiplex layer is asked to open, up to where the connection ends (false).
func serverOpens(payload string, robust bool) (opened []string, goesOn bool) {
	if payload == "" {
		return nil, true
	}
	d := json.NewDecoder(strings.NewReader(payload))
	d.UseNumber()
	var message any
	if d.Decode(&message) != nil || d.More() {
		return nil, false
	}
	messages := []any{message}
	if payload[0] == '[' {
		messages = message.([]any)
	}
	for _, m := range messages {
		data, isString := m.(string)
		if !isString {
			data = jsText(m)
		}
		if robust {
			if robustWord.MatchString(data) {
				continue
			}
			tag := robustLine.FindStringSubmatch(data)
			if tag == nil || !isString { // it has no replace method
				return opened, false
			}
			data = tag[1]
		}
		open, url, ok := serverCommand(data)
		if !ok {
			return opened, false
		}
		if open {
			opened = append(opened, url)
		}
	}
	return opened, true
}

var command = regexp.MustCompile(`^[0-9]+\|([moc])\|`)

// serverCommand finds a command at the start of any line.
func serverCommand(data string) (open bool, url string, ok bool) {
	for at := 0; ; {
		if m := command.FindStringSubmatch(data[at:]); m != nil {
			return m[1] == "o", data[at+len(m[0]):], true
		}
		i := strings.IndexAny(data[at:], "\n\r\u2028\u2029")
		if i < 0 {
			return false, "", false
		}
		for at += i + 1; at < len(data) && data[at]&0xC0 == 0x80; at++ { // the rest of that character
		}
	}
}

// jsText is what String makes of a value.
func jsText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		var all []string
		for _, e := range v {
			if e == nil {
				all = append(all, "")
			} else {
				all = append(all, jsText(e))
			}
		}
		return strings.Join(all, ",")
	case map[string]any:
		return "[object Object]"
	}
	return fmt.Sprint(v)
}

// unescape is JavaScript's.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if n := 2; i+n < len(s) && allHex(s[i+1:i+1+n]) {
				b.WriteRune(rune(hexOf(s[i+1 : i+1+n])))
				i += n
				continue
			}
			if n := 5; i+n < len(s) && s[i+1] == 'u' && allHex(s[i+2:i+1+n]) {
				b.WriteRune(rune(hexOf(s[i+2 : i+1+n])))
				i += n
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func allHex(s string) bool {
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

func hexOf(s string) (n int) {
	for i := range len(s) {
		n = n<<4 | int(unhex(s[i]))
	}
	return n
}

// serverApp returns the directories of the app that an open command leads to;
// "-" where it is refused.
func serverApp(socket, data string) string {
	at := socket
	if data != "" {
		if i := strings.Index(at, "/__sockjs__/"); i >= 0 {
			at = at[:i+1]
		}
		at = nodeJoin(at, data)
	}
	at, _, _ = strings.Cut(at, "?")
	at, _, _ = strings.Cut(at, "#")
	if strings.Contains(unescape(at), "/.") {
		return "-"
	}
	at, _, _ = strings.Cut(at, "/__sockjs__/")
	var dirs []string
	for _, e := range strings.Split(at, "/") {
		if e = unescape(e); e == "" {
			continue
		}
		if strings.TrimSpace(e) == "" || strings.ContainsAny(e, `/\`) {
			return "-"
		}
		dirs = append(dirs, e)
	}
	return "/" + strings.Join(dirs, "/")
}

// nodeJoin is path.posix.join: joined by a slash, then normalized.
func nodeJoin(a, b string) string {
	joined := a + "/" + b
	var stack []string
	for _, e := range strings.Split(joined, "/") {
		if e == ".." && len(stack) > 0 {
			stack = stack[:len(stack)-1]
		} else if e != ".." && e != "." && e != "" {
			stack = append(stack, e)
		}
	}
	out := "/" + strings.Join(stack, "/")
	if strings.HasSuffix(joined, "/") && out != "/" {
		out += "/"
	}
	return out
}
