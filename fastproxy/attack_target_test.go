package fastproxy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fastproxy/fastproxy/identity"
)

// spellings are ways to write a target that some server reads as {up}{word}/x:
// {up} is the mount above it (or "/"), {word} its last segment, {w…} the word
// written oddly.
var spellings = []string{
	// as it is
	"{up}{word}/x", "{up}{word}/", "{up}{word}", "{up}{word}?x", "{up}{word}/x?y=/../", "http://h{up}{word}/x", "HTTPS://H{up}{word}/x",
	// letters escaped: once, twice, thrice, in part, otherwise
	"{up}{w1}/x", "{up}{wAll}/x", "{up}{w2}/x", "{up}{w3}/x", "{up}{w2All}/x", "{up}{wSplit}/x", "{up}{wU}/x", "{up}{wUUpper}/x", "{up}{wOverlong}/x", "{up}{wWide}/x", "{up}{wHalf}/x", "{up}{w1}", "{up}{wAll}?x",
	"{UP}{word}/x", "{UP}{w1}/x", "{UP}{wAll}/x",
	// slashes
	"{up}/{word}/x", "{up}//{word}/x", "/{up}{word}/x", "//{up}{word}/x", "///{word}/x", "{up}{word}//x", "{up}{word}//", "{up}%2F{word}/x", "{up}%2f{word}%2fx", "{up}{word}%2Fx", "{up}{word}%252Fx", "{up}%252F{word}/x",
	"%2F{word}/x", "/%2F{word}/x", "/%2f%2f{word}/x", "{up}{word}/%2Fx", "//h{up}{word}/x", "//evil{up}{word}/x", "{up}%u002F{word}/x", "{up}%c0%af{word}/x", "{up}%e2%88%95{word}/x", "{up}%ef%bc%8f{word}/x",
	// backslashes
	`{up}\{word}/x`, `{up}{word}\x`, `\{word}/x`, `/\{word}/x`, `{up}%5C{word}/x`, `{up}{word}%5Cx`, `{up}%255C{word}/x`, `{up}x\..\{word}/x`, `{up}x/..\{word}/x`, `{up}x%5C..%5C{word}/x`,
	// dots
	"{up}./{word}/x", "{up}%2e/{word}/x", "{up}.%2F{word}/x", "{up}x/../{word}/x", "{up}x/%2e%2e/{word}/x", "{up}x/.%2e/{word}/x", "{up}x/%2E./{word}/x", "{up}x/..%2F{word}/x", "{up}x%2F..%2F{word}/x", "{up}x/%252e%252e/{word}/x",
	"{up}x/y/../../{word}/x", "{up}../{up}{word}/x", "{up}x/..//{word}/x", "{up}..%2f..%2f{word}/x", "/../{word}/x", "/./{word}/x", "/%2e%2e/{word}/x", "{up}{word}/../{word}/x", "{up}{word}/./x", "{up}{word}/x/..", "{up}{word}/.", "{up}{word}/..",
	"{up}x/..{word}/x", "{up}x/.../{word}/x", "{up}x/..%00/{word}/x", "{up}x/..%c0%af{word}/x", "{up}x/%u002e%u002e/{word}/x", "{up}x/..%09/{word}/x", "{up}.;/{word}/x", "/reports/../{word}/x", "/reports/..%2f{word}/x", "/reports/%2e%2e/{word}/x", `/reports/..\{word}/x`,
	"/admin/../{word}/x", "/admin/..{up}{word}/x", "/login/..{up}{word}/x", "/login/../{word}/x", "/callback/..{up}{word}/x", "/.fastproxy/..{up}{word}/x", "/.fastproxy/session/../..{up}{word}/x", "/logout;/..{up}{word}/x",
	// parameters, and what ends a path for some
	"{up};/{word}/x", "{up};a=b/{word}/x", "{up}{word};/x", "{up}{word};a=b/x", "{up}{word}%3B/x", "{up}{word};", "{up}x/..;/{word}/x", "{up}x/..;a=b/{word}/x", "{up}x/..%3B/{word}/x", "{up}x/%2e%2e;/{word}/x", "/;{up}{word}/x",
	"{up}{word}%3F/x", "{up}{word}%3Fx", "{up}{word}%23/x", "{up}{word}#/x", "{up}x#/../{word}/x", "{up}{word}?/x#y", "{up}{word}%00/x", "{up}{word}%00", "{up}{word}%0a/x", "{up}{word}%0d%0a/x", "{up}{word}%20/x", "{up}%20{word}/x", "{up}{word}%09/x",
	"{up}{word}./x", "{up}{word}%2E/x", "{up}{word}::$DATA/x", "{up}{word}~1/x", "{up}{word},x/x", "{up}*/../{word}/x",
	// malformed
	"{up}{word}%/x", "{up}{word}%2/x", "{up}{word}%zz/x", "{up}%{word}/x", "{up}{word}\xff/x", "{up}\xe2\x80\x8b{word}/x", "{up}{word}%ff/x",
	// letters of another case
	"{up}{WORD}/x", "{up}{Word}/x", "{UPPER}{word}/x",
}

// spell writes one target.
func spellTarget(form, up, word string) string {
	esc := func(s, format string) (out string) {
		for i := range len(s) {
			out += fmt.Sprintf(format, s[i])
		}
		return out
	}
	return strings.NewReplacer(
		"{up}", up, "{UP}", "/"+esc(up[1:], "%%%02x"), "{UPPER}", strings.ToUpper(up), "{word}", word, "{WORD}", strings.ToUpper(word), "{Word}", strings.ToUpper(word[:1])+word[1:],
		"{w1}", esc(word[:1], "%%%02x")+word[1:], "{wAll}", esc(word, "%%%02X"), "{w2}", esc(word[:1], "%%25%02x")+word[1:], "{w3}", esc(word[:1], "%%2525%02x")+word[1:],
		"{w2All}", esc(word, "%%25%02x"), "{wSplit}", fmt.Sprintf("%%%%%02x%%%02x", fmt.Sprintf("%x", word[0])[0], fmt.Sprintf("%x", word[0])[1])+word[1:],
		"{wU}", esc(word[:1], "%%u00%02x")+word[1:], "{wUUpper}", esc(word[:1], "%%U00%02x")+word[1:], "{wOverlong}", fmt.Sprintf("%%c1%%%02x", 0x80|word[0]&0x3f)+word[1:],
		"{wWide}", fmt.Sprintf("%%ef%%bd%%%02x", 0x80+word[0]-'a'+1)+word[1:], "{wHalf}", fmt.Sprintf("%%%x", word[0]>>4)+word[1:],
	).Replace(form)
}

// transports are the ways in which a target is used. {t} is the target, {n} a
// number of its own.
var transports = []struct{ name, raw string }{
	{"page", "GET {t} HTTP/1.1\r\n\r\n"},
	{"post", "POST {t} HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"},
	{"websocket", "GET {t/}websocket/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"},
	{"sockjs", "GET {t/}__sockjs__/n=v{n}/000/w{n}/websocket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"},
	{"xhr_streaming", "POST {t/}__sockjs__/n=x{n}/000/s{n}/xhr_streaming HTTP/1.1\r\nContent-Length: 0\r\n\r\n"},
	{"info", "GET {t/}__sockjs__/n=i{n}/info HTTP/1.1\r\n\r\n"},
}

// request writes a request for a target over one of the transports.
func requestFor(raw, target, cookie string, n int) string {
	dir := target
	if i := strings.IndexByte(dir, '?'); i >= 0 {
		dir = dir[:i]
	}
	if !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	raw = strings.NewReplacer("{t}", target, "{t/}", dir, "{n}", strconv.Itoa(n)).Replace(raw)
	return strings.Replace(raw, " HTTP/1.1\r\n", " HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\nCookie: "+cookie+"\r\n", 1)
}

// exampleHouse is a way to set up the mounts of the example.
type exampleHouse struct {
	p                      *testProxy
	reports, finance, hall *recorder // hall is the admin port
	visitor, member        string    // cookies: nobody special, one of Finance
}

// startHouse builds the example of the documentation: reports for everybody
// signed in, finance for its people, and /admin/ for Admin. shared: finance is
// an app of the same Shiny Server; else a server of its own.
func startHouse(t *testing.T, shared bool) *exampleHouse {
	h := &exampleHouse{reports: startRecorder(t), finance: startRecorder(t), hall: startRecorder(t)}
	env := h.hall.env()
	env["SHINY_ADMIN_PORT"], env["SHINY_PORT"] = env["SHINY_PORT"], "1"
	env["COOKIE_SECRET"], env["PUBLIC_URL"], env["ADMIN_GROUPS"] = "", "http://h", "Admin"
	finance, inside := h.finance, "/"
	if shared {
		finance, inside = h.reports, "/finance/"
	}
	h.p = startProxy(t, env, fmt.Sprintf(`mounts:
  - {path: /reports/, upstream: ["http://%s"], allow: signed_in}
  - {path: /reports/finance/, upstream: ["http://%s"], upstream_path: %s, allow: {groups: [Finance]}}
`, h.reports.l.Addr(), finance.l.Addr(), inside))
	h.visitor = h.p.tina(t)
	h.member = h.p.cookieFor(t, identity.FromPasswd("tina", []string{"Finance"}))
	return h
}

func TestNoSpellingReachesAnotherRulesShiny(t *testing.T) {
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprintf("shared=%v", shared), func(t *testing.T) { attackTargets(t, startHouse(t, shared), shared) })
	}
}

func attackTargets(t *testing.T, h *exampleHouse, shared bool) {
	n, reached, refused := 0, 0, 0
	for _, goal := range []struct{ up, word string }{{"/reports/", "finance"}, {"/", "admin"}, {"/reports/", "admin"}} {
		for _, form := range spellings {
			target := spellTarget(form, goal.up, goal.word)
			for i, way := range transports {
				if goal.up+goal.word == "/reports/admin" && i > 0 || !shared && way.name != "page" && way.name != "websocket" {
					continue // judged alike; time is dear
				}
				n++
				raw := requestFor(way.raw, target, h.visitor, n)
				statuses, err := h.p.answers(raw, 1)
				if err != nil || len(statuses) != 1 {
					t.Errorf("%s: %q: answers %v, %v", way.name, target, statuses, err)
				}
				if saw := h.hall.take() + h.finance.take(); saw != "" {
					t.Errorf("%s: %q reached %q", way.name, target, saw)
				}
				saw := h.reports.take()
				if saw == "" {
					refused++
					continue
				}
				reached++
				_, seen, _ := strings.Cut(saw, " ")
				seen, _, _ = strings.Cut(seen, " HTTP/1.1\r\n")
				if shared && leadsTo("/finance/", seen) {
					t.Errorf("%s: %q reached %q", way.name, target, seen)
				}
				if !strings.Contains(raw, seen) && seen != "/" {
					t.Errorf("%s: %q became %q", way.name, target, seen)
				}
			}
		}
	}
	t.Logf("%d targets: %d refused, %d at /reports/'s own Shiny", n, refused, reached)
	if n < 600 || reached < 30 || refused < 500 {
		t.Error("too few")
	}
}

// leadsTo reports whether some server may take a path for one in dir: one that
// decodes up to three times, takes backslashes for slashes, cuts parameters,
// and resolves dots and doubled slashes, in any order.
func leadsTo(dir, target string) bool {
	target, _, _ = strings.Cut(target, "?")
	seen := map[string]bool{}
	var try func(p string) bool
	try = func(p string) bool {
		if seen[p] {
			return false
		}
		seen[p] = true
		if strings.HasPrefix(p+"/", dir) {
			return true
		}
		segments := strings.Split(p, "/")
		for i, s := range segments {
			segments[i], _, _ = strings.Cut(s, ";")
		}
		query, _, _ := strings.Cut(p, "?")
		fragment, _, _ := strings.Cut(p, "#")
		null, _, _ := strings.Cut(p, "\x00")
		return slices.ContainsFunc([]string{
			decodeLoosely(p), strings.ReplaceAll(p, `\`, "/"), path.Clean("/" + p), strings.Join(segments, "/"), query, fragment, null,
			strings.NewReplacer("%u00", "%", "%U00", "%").Replace(p),
		}, try)
	}
	return try(target)
}

func decodeLoosely(p string) string {
	var b []byte
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if v, err := strconv.ParseUint(p[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(v))
				i += 2
				continue
			}
		}
		b = append(b, p[i])
	}
	return string(b)
}

func TestWhoMayEnterDoesOverEveryTransport(t *testing.T) {
	h := startHouse(t, false)
	for i, way := range transports {
		statuses, err := h.p.answers(requestFor(way.raw, "/reports/finance/x", h.member, i), 1)
		if saw := h.finance.take(); err != nil || statuses[0] != 200 || !strings.Contains(saw, " /x") {
			t.Errorf("%s: %v, %v, %q", way.name, statuses, err, saw)
		}
		statuses, err = h.p.answers(requestFor(way.raw, "/reports/x", h.visitor, i), 1)
		if saw := h.reports.take(); err != nil || statuses[0] != 200 || !strings.Contains(saw, " /x") {
			t.Errorf("%s: %v, %v, %q", way.name, statuses, err, saw)
		}
	}
}

// TestNoHeaderNamesAnotherTarget: servers behind proxies may go by what these
// say; nobody here does, and those that are known for it do not reach Shiny.
func TestNoHeaderNamesAnotherTarget(t *testing.T) {
	h := startHouse(t, true)
	n := 0
	for _, name := range []string{
		"X-Original-URL", "X-Rewrite-URL", "X-Original-Uri", "X-Forwarded-Uri", "X-Forwarded-Url", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Forwarded-Host", "X-Forwarded-Server",
		"X-Forwarded-Scheme", "X-Forwarded-Port", "X-Forwarded-Method", "X-Original-Method", "X-HTTP-Method-Override", "X-Accel-Redirect", "X-Sendfile", "Content-Location", "Destination", "Forwarded", "Request-Uri", "X_Original_URL",
	} {
		for _, value := range []string{"/finance/x", "/reports/finance/x", "/admin/x", "http://h/finance/x", "../finance/x"} {
			for _, way := range transports {
				n++
				raw := requestFor(way.raw, "/reports/ok/", h.visitor, n)
				raw = strings.Replace(raw, "Host: h\r\n", "Host: h\r\n"+name+": "+value+"\r\n", 1)
				if _, err := h.p.answers(raw, 1); err != nil {
					t.Errorf("%s: %s: %v", way.name, name, err)
				}
				saw := h.reports.take()
				line, _, _ := strings.Cut(saw, "\r\n")
				if h.hall.take() != "" || line != "" && !strings.Contains(line, " /ok/") {
					t.Errorf("%s: %s: %s reached %q", way.name, name, value, line)
				}
				dropped := strings.HasPrefix(name, "X-Forwarded") || name == "X-Original-URL" || name == "X-Rewrite-URL" || name == "Forwarded" || strings.Contains(name, "_")
				if dropped && strings.Contains(saw, value) {
					t.Errorf("%s: Shiny saw %s: %q", way.name, name, saw)
				}
			}
		}
	}
}
