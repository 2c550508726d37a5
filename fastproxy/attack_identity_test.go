package fastproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/session"
)

// ownNames are headers that only the proxy may send.
var ownNames = []string{
	"X-Auth0-User-Id", "X-Auth0-Email", "X-Auth0-Groups", "X-Auth0-Name", "X-Auth0-Nickname", "X-Auth0-Picture", "X-Auth0-Locale", "X-Auth0-Anything",
	"Shiny-Server-Credentials", "Shiny-Shared-Secret", "Shiny-Anything", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-User", "X-Forwarded-Email",
	"X-Forwarded-Groups", "X-Request-Id", "Remote-User", "Remote-Groups", "X-SP-UserId", "X-SP-UserGroups", "X-Auth-Request-User", "X-Auth-Request-Email", "Forwarded", "X-Real-IP", "Proxy",
}

// disguises write a header line so that some reader takes it for the name.
var disguises = []struct {
	name  string
	write func(name string) string
}{
	{"as it is", func(n string) string { return n + ": evil\r\n" }},
	{"lower case", func(n string) string { return strings.ToLower(n) + ": evil\r\n" }},
	{"upper case", func(n string) string { return strings.ToUpper(n) + ":evil\r\n" }},
	{"twice", func(n string) string { return n + ": evil\r\n" + strings.ToLower(n) + ": evil2\r\n" }},
	{"underscores", func(n string) string { return strings.ReplaceAll(n, "-", "_") + ": evil\r\n" }},
	{"one underscore", func(n string) string { return strings.Replace(n, "-", "_", 1) + ": evil\r\n" }},
	{"last underscore", func(n string) string {
		i := strings.LastIndexByte(n, '-')
		return n[:max(i, 0)] + "_" + n[i+1:] + ": evil\r\n"
	}},
	{"CGI", func(n string) string {
		return "HTTP_" + strings.ToUpper(strings.ReplaceAll(n, "-", "_")) + ": evil\r\n"
	}},
	{"dots", func(n string) string { return strings.ReplaceAll(n, "-", ".") + ": evil\r\n" }},
	{"one odd dash", func(n string) string { return strings.Replace(n, "-", "~", 1) + ": evil\r\n" }},
	{"odd end", func(n string) string { return n + "': evil\r\n" }},
	{"beside an empty one", func(n string) string { return n + ":\r\n" + strings.ToUpper(n) + ": evil\r\n" }},
	{"named by Connection", func(n string) string { return "Connection: keep-alive, " + n + "\r\n" + n + ": evil\r\n" }},
	{"space before the colon", func(n string) string { return n + " : evil\r\n" }},
	{"folded value", func(n string) string { return "X: y\r\n " + n + ": evil\r\n" }},
	{"folded name", func(n string) string { return n + ":\r\n evil\r\n" }},
	{"bare CR", func(n string) string { return "X: y\r" + n + ": evil\r\n" }},
	{"bare LF", func(n string) string { return "X: y\n" + n + ": evil\r\n" }},
	{"NUL in the name", func(n string) string { return n[:1] + "\x00" + n[1:] + ": evil\r\n" }},
	{"soft hyphen", func(n string) string { return strings.Replace(n, "-", "\u00ad", 1) + ": evil\r\n" }},
	{"Kelvin", func(n string) string {
		return strings.NewReplacer("k", "\u212a", "s", "\u017f").Replace(n) + "\u017f: evil\r\n"
	}},
}

// folded is a header name as the most forgiving reader has it: httpuv and CGI
// make one of case, "-" and "_", others of all that is neither letter nor digit.
func folded(name string) string {
	name = strings.TrimPrefix(strings.ToLower(name), "http_")
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, name)
}

// headersSeen returns the values of each folded name in a raw head.
func headersSeen(raw string) map[string][]string {
	head, _, _ := strings.Cut(raw, "\r\n\r\n")
	seen := make(map[string][]string)
	for _, l := range strings.Split(head, "\r\n")[1:] {
		name, value, _ := strings.Cut(l, ":")
		seen[folded(name)] = append(seen[folded(name)], strings.TrimSpace(value))
	}
	return seen
}

// tell returns the headers that a visitor must have, and no others of ours.
func tell(who *identity.Principal) map[string]string {
	want := map[string]string{"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "h", "shiny-shared-secret": "between us"}
	if who != nil {
		for _, h := range who.Headers() {
			want[folded(h.Name)] = h.Value
		}
	}
	return want
}

// compareTold reports what differs between the headers that Shiny saw and those
// that it is to see.
func compareTold(t *testing.T, what, saw string, who *identity.Principal) {
	t.Helper()
	seen, want := headersSeen(saw), tell(who)
	for name, value := range want {
		if got := seen[name]; len(got) != 1 || got[0] != value {
			t.Errorf("%s: Shiny saw %s: %q, want %q once", what, name, got, value)
		}
	}
	if id := seen["x-request-id"]; len(id) != 1 || len(id[0]) != 32 {
		t.Errorf("%s: X-Request-Id %q", what, id)
	}
	for _, name := range ownNames {
		if name = folded(name); want[name] == "" && name != "x-request-id" && seen[name] != nil {
			t.Errorf("%s: Shiny saw %s: %q", what, name, seen[name])
		}
	}
	if strings.Contains(saw, "evil") {
		t.Errorf("%s: Shiny saw %q", what, saw)
	}
}

// identityHouse is a proxy with an issuer that nobody can reach, /x/ for people,
// and /p/ for everybody.
func identityHouse(t *testing.T) (p *testProxy, shiny, public *recorder) {
	shiny, public = startRecorder(t), startRecorder(t)
	p = startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h", "SHINY_SHARED_SECRET": "between us",
		"AUTH0_ISSUER_URL": "http://127.0.0.1:1/", "AUTH0_CLIENT_ID": "shiny", "AUTH0_CLIENT_SECRET": "secret"}, fmt.Sprintf(`mounts:
  - {path: /x/, upstream: ["http://%s"], allow: signed_in}
  - {path: /p/, upstream: ["http://%s"], allow: public}
`, shiny.l.Addr(), public.l.Addr()))
	return p, shiny, public
}

func oidcPerson(subject string) identity.Principal {
	return identity.Principal{Method: identity.MethodOIDC, Issuer: "http://127.0.0.1:1/", Subject: subject}
}

func TestNoSpellingOfAnIdentityHeaderSurvives(t *testing.T) {
	p, shiny, public := identityHouse(t)
	known := oidcPerson("auth0|5ad")
	known.Groups, known.Name = []string{"DL"}, "Kim" // no e-mail: that header must not be there at all
	n := 0
	for _, visitor := range []*identity.Principal{&known, nil} {
		path, cookie := "/p/app/", "theme=dark"
		if visitor != nil {
			path, cookie = "/x/app/", p.cookieFor(t, known)
		}
		for _, name := range ownNames {
			for _, d := range disguises {
				for i, way := range transports {
					if visitor == nil && i != 0 && i != 2 || i == 1 || i == 5 {
						continue // judged alike
					}
					n++
					raw := requestFor(way.raw, path, cookie, n)
					raw = strings.Replace(raw, "Host: h\r\n", "Host: h\r\n"+d.write(name), 1)
					what := way.name + ", " + d.name + ", " + name
					statuses, err := p.answers(raw, 1)
					saw := shiny.take() + public.take()
					switch {
					case err != nil:
						t.Errorf("%s: %v", what, err)
					case statuses[0] == 400 && saw == "":
					case statuses[0] == 200:
						compareTold(t, what, saw, visitor)
					default:
						t.Errorf("%s: %v, %q", what, statuses, saw)
					}
				}
			}
		}
	}
	t.Logf("%d requests", n)
	if n < 1000 {
		t.Error("too few")
	}
}

// TestConnectionCannotTakeOursAway: who names our headers, or those that Shiny
// needs, as of this connection only, gets them all the same.
func TestConnectionCannotTakeOursAway(t *testing.T) {
	p, shiny, _ := identityHouse(t)
	who := oidcPerson("auth0|5ad")
	who.Groups = []string{"DL"}
	for i, options := range []string{
		"X-Auth0-User-Id", "x-auth0-user-id, Shiny-Server-Credentials", "Shiny-Server-Credentials,Shiny-Shared-Secret", "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id",
		"Host", "Cookie", "Content-Length", "Transfer-Encoding", "Host, Content-Length, Upgrade, X-Auth0-Groups",
	} {
		for _, way := range transports {
			raw := requestFor(way.raw, "/x/app/", p.cookieFor(t, who)+"; theme=dark", 100*i)
			raw = strings.Replace(raw, "Host: h\r\n", "Host: h\r\nConnection: "+options+"\r\n", 1)
			statuses, err := p.answers(raw, 1)
			saw := shiny.take()
			if err != nil || statuses[0] != 200 {
				t.Errorf("%s: %s: %v, %v", way.name, options, statuses, err)
				continue
			}
			compareTold(t, way.name+": "+options, saw, &who)
			seen := headersSeen(saw)
			if !slices.Equal(seen["host"], []string{"h"}) || !slices.Equal(seen["cookie"], []string{"theme=dark"}) ||
				way.name == "post" && !slices.Equal(seen["content-length"], []string{"2"}) {
				t.Errorf("%s: %s: Shiny saw %q", way.name, options, saw)
			}
		}
	}
}

func TestOurCookiesNeverReachShiny(t *testing.T) {
	p, shiny, _ := identityHouse(t)
	ours := p.cookieFor(t, oidcPerson("auth0|5ad"))
	_, sealed, _ := strings.Cut(ours, "=")
	for i, c := range []struct{ send, want string }{
		{"{}", ""}, {"a=1; {}; b=2", "a=1; b=2"}, {"{};a=\"x y\";b", "a=\"x y\";b"}, {"a=1;{}", "a=1"}, {"a=\xc3\xbc; {}", "a=\xc3\xbc"},
		{"{}; fastproxy_form=x; fastproxy_state_abc=y; fastproxy_bounce=z; a=1", "a=1"},
		{"{}; FASTPROXY_SESSION={v}; a=1", "a=1"}, {"{}; __Host-fastproxy_session={v}; a=1", "a=1"}, {"{}; fastproxy_session ={v}; a=1", "a=1"}, {"{}; =fastproxy_session={v}; a=1", "a=1"},
		{"session_state=x; {}; SSP-XSRF=y", "session_state=x; SSP-XSRF=y"},
	} {
		send := strings.NewReplacer("{}", ours, "{v}", sealed).Replace(c.send)
		for j, way := range transports {
			statuses, err := p.answers(requestFor(way.raw, "/x/app/", send, 100*i+j), 1)
			saw := shiny.take()
			got := strings.Join(headersSeen(saw)["cookie"], "|")
			if err != nil || statuses[0] != 200 || got != c.want || strings.Contains(saw, sealed) || strings.Contains(strings.ToLower(saw), "fastproxy") {
				t.Errorf("%s: %s: %v, %v, Shiny saw %q", way.name, c.send, statuses, err, saw)
			}
		}
	}
}

// TestClaimsCannotInject: whatever an issuer says of somebody, Shiny gets
// printable ASCII in one line for each header, and can read back what was said.
func TestClaimsCannotInject(t *testing.T) {
	p, shiny, _ := identityHouse(t)
	nasty := []string{
		"a\r\nX-Auth0-Groups: Admin", "a\nX: y", "a\rX: y", "\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", "a\x01\x1b[31m", "a\tb", "x,Admin", "x%2CAdmin", "x%252CAdmin", ",", ",,", "%", "%0d%0aX:y", "100%", " Admin ", "  ",
		"Größe", "日本", "\U0001f600", "a\u2028b\u2029c\u0085d", "\ufeffAdmin", "Admi\u212a", "＇；", `"],"user":"root`, `\`, `\u0041`, `\",`, "__proto__", "constructor", "toString", "null", "NA", "TRUE", "-1", "1e400", "`id`", "$(id)",
		"<script>alert(1)</script>", "'; DROP TABLE x; --", "a\xff\xfeb", "\xed\xa0\x80", "../../etc/passwd", strings.Repeat("A", 5000),
	}
	for i, text := range nasty {
		subject := "auth0|" + strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return -1
			}
			return r
		}, text)
		who, err := identity.FromClaims("http://127.0.0.1:1/", map[string]any{
			"sub": strings.TrimSpace(subject)[:min(len(strings.TrimSpace(subject)), 500)], "name": text, "nickname": text, "email": text + "@example.org", "email_verified": true, "locale": text, "picture": text,
			"groups": []any{text, "DL", text + "2"}, text: text}, "groups")
		if err != nil {
			t.Fatal(err)
		}
		for j, way := range transports {
			statuses, err := p.answers(requestFor(way.raw, "/x/app/", p.cookieFor(t, who), 100*i+j), 1)
			saw := shiny.take()
			if err != nil || statuses[0] != 200 {
				t.Errorf("%s: %q: %v, %v", way.name, text, statuses, err)
				continue
			}
			head, _, _ := strings.Cut(saw, "\r\n\r\n")
			if k := strings.IndexFunc(strings.ReplaceAll(head, "\r\n", ""), func(r rune) bool { return r < ' ' || r > '~' }); k >= 0 || strings.Contains(saw, "\r\nGET ") {
				t.Errorf("%s: %q: Shiny saw %q", way.name, text, head)
			}
			compareTold(t, way.name+": "+text, strings.ReplaceAll(saw, "evil", ""), withoutEvil(&who))
			readBack(t, headersSeen(saw), &who)
		}
	}
}

// withoutEvil returns p without the word that the tests look for.
func withoutEvil(p *identity.Principal) *identity.Principal {
	c := *p
	c.Groups = slices.Clone(p.Groups)
	for _, s := range []*string{&c.Name, &c.Nickname, &c.Email, &c.Picture, &c.Locale, &c.Subject} {
		*s = strings.ReplaceAll(*s, "evil", "")
	}
	for i := range c.Groups {
		c.Groups[i] = strings.ReplaceAll(c.Groups[i], "evil", "")
	}
	return &c
}

// readBack decodes what R decodes.
func readBack(t *testing.T, seen map[string][]string, who *identity.Principal) {
	t.Helper()
	var credentials struct {
		User   string
		Groups []string
	}
	if err := json.Unmarshal([]byte(seen["shiny-server-credentials"][0]), &credentials); err != nil || credentials.User != who.Subject {
		t.Errorf("%v: %+v, want user %q", err, credentials, who.Subject)
	}
	if n := len(credentials.Groups); n > len(who.Groups) || !slices.Equal(credentials.Groups, who.Groups[:n]) || n < len(who.Groups) && !who.HeadersTruncated() {
		t.Errorf("groups %q, want %q", credentials.Groups, who.Groups)
	}
	var groups []string
	if v := seen["x-auth0-groups"]; v != nil {
		for _, g := range strings.Split(v[0], ",") {
			g, err := url.PathUnescape(g)
			if err != nil {
				t.Error(err)
			}
			groups = append(groups, g)
		}
	}
	if !slices.Equal(groups, credentials.Groups) {
		t.Errorf("X-Auth0-Groups says %q, the credentials %q", groups, credentials.Groups)
	}
}

// TestManyGroupsAreCutAtAnElement: no half group is somebody else's group, and
// the head stays one that Node takes. 100 KB of them fit into no session.
func TestManyGroupsAreCutAtAnElement(t *testing.T) {
	p, shiny, _ := identityHouse(t)
	who := oidcPerson("auth0|5ad")
	for i := range 100 {
		who.Groups = append(who.Groups, strings.Repeat("AdminGroup", 100)+fmt.Sprint(i))
	}
	v := session.New(who, time.Now(), time.Hour)
	if _, err := p.current.Load().sealer.Seal(&v); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("100 KB of groups: %v", err)
	}
	who.Groups = append(who.Groups[:60], "Admin")
	for i, way := range transports {
		statuses, err := p.answers(requestFor(way.raw, "/x/app/", p.cookieFor(t, who), i), 1)
		saw := shiny.take()
		if err != nil || statuses[0] != 200 || len(saw) > 16<<10 {
			t.Errorf("%s: %v, %v, %d bytes", way.name, statuses, err, len(saw))
			continue
		}
		compareTold(t, way.name, saw, &who)
		readBack(t, headersSeen(saw), &who)
	}
}
