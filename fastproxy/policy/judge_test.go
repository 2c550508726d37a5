package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const token = "0123456789abcdef0123456789abcdef"

var house = []string{"/reports/", "/reports/finance/", "/reports/a/b/", "/admin/"}

// say writes a judgement down.
func say(m Match, err error) string {
	switch {
	case err != nil:
		return "400"
	case m.Own:
		return "own"
	case m.Mount == nil:
		return "404"
	case m.Redirect:
		return "308 " + m.Mount.Path + string(m.Rest)
	}
	return m.Mount.Path + " " + string(m.Rest)
}

func TestTargetsOfShinyReachTheirMountAsTheyAre(t *testing.T) {
	tab := table(t, house...)
	for _, rest := range []string{
		"", "?", "?a=b", "app/", "app/?_inputs_&n=200&x=%22a%22", `?x="a"<b>{c}|d\e^f` + "`g[h]", "?%", "?%zz=%u0041//..;",
		"app/session/" + token + "/download/x?w=", "session/" + token + "/upload/1?w=",
		"session/" + token + "/download/d/r%C3%A9sum%C3%A9.csv", "session/" + token + "/download/d/my%20file%20(1).csv",
		"session/" + token + "/download/d/100%25.csv", "session/" + token + "/download/d/a%23b%3Fc%3Bd.csv", "session/" + token + "/download/d/r%E9.csv",
		"session/" + token + "/dataobj/t?w=&nonce=ab12", "websocket/", "websocket",
		"__sockjs__/n=AbC123xyz012345678/info?t=1", "__sockjs__/n=abc/123/abcd1234/websocket", "app/__sockjs__/o=abc/t=x%2By/w=/s=0/000/abcd1234/xhr_streaming",
		"_w_ab12/app/__assets__/sockjs.min.js", "jquery-3.6.0/jquery.min.js", "a.b/.hidden/...", "~kim/a:b@c/$&'()*+,=!-_.",
		"%66inance", "%66inancf/", "x/finance/", "financ%65s/", "a;v=1/x", "a|b/{c}", "%7E", "x/%2F", `x\y`, "x//y", "finance%2", "100%/",
	} {
		want := "/reports/ " + rest
		switch rest {
		case "%66inance", "finance%2", "100%/":
			want = "400"
		}
		if got := say(tab.Judge([]byte("/reports/" + rest))); got != want {
			t.Errorf("%q: got %q", rest, got)
		}
	}
}

func TestTheLongestPathWins(t *testing.T) {
	for target, want := range map[string]string{
		"/":                        "404",
		"/x":                       "404",
		"/reports":                 "308 /reports/",
		"/reports?a=/b":            "308 /reports/?a=/b",
		"/reports/":                "/reports/ ",
		"/reports2":                "404",
		"/Reports/":                "404",
		"/reports/finance":         "308 /reports/finance/",
		"/reports/finance?x":       "308 /reports/finance/?x",
		"/reports/finance/":        "/reports/finance/ ",
		"/reports/finance/x/y?z":   "/reports/finance/ x/y?z",
		"/reports/finance2/x":      "/reports/ finance2/x",
		"/reports/a":               "/reports/ a",
		"/reports/a/":              "/reports/ a/",
		"/reports/a/b":             "308 /reports/a/b/",
		"/reports/a/b/c":           "/reports/a/b/ c",
		"/admin/finance/":          "/admin/ finance/",
		"/login":                   "own",
		"/login?return_to=/x":      "own",
		"/login/":                  "404",
		"/login2":                  "404",
		"/logout":                  "own",
		"/callback?code=a&state=b": "own",
		"/.fastproxy":              "own",
		"/.fastproxy/session":      "own",
		"/.fastproxy2":             "404",
		"/.well-known/x":           "404",
	} {
		if got := say(table(t, house...).Judge([]byte(target))); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	for target, want := range map[string]string{
		"/": "/ ", "/?x": "/ ?x", "/x/y": "/ x/y", "/login": "own", "/login/": "/ login/",
		"/%6Cogin": "400", "/login;x": "400", "/.fastproxy/x": "own", "/%2Efastproxy/x": "400", "/%2Ffastproxy": "400", "/;x": "/ ;x",
	} {
		if got := say(table(t, "/").Judge([]byte(target))); got != want {
			t.Errorf("mount /: %s: got %q, want %q", target, got, want)
		}
	}
}

func TestReadingsThatLeadElsewhereAreBadRequests(t *testing.T) {
	tab := table(t, house...)
	for _, target := range []string{
		// other forms, other bytes
		"", "*", "reports/", "http://x/reports/", "?x", "/reports/ x", "/reports/\tx", "/reports/\x00", "/reports/\x7f",
		"/reports/é", "/reports/x?é", "/reports/x? ", "/reports/x?\n", "/reports/#x", "/reports/x?y#z", "/reports/%0Ax", "/reports/%00", "/reports/%7F",
		// escapes
		"/reports/%", "/reports/%4", "/reports/%zz", "/reports/%u0066inance/", "/reports/%U0066", "/reports/%-1",
		"/%72eports/", "/re%70orts/x", "/reports%2F", "/reports%2Fx", "/reports/%66inance/", "/reports/%66inance", "/reports/finance%2Fx", "/reports/a%2Fb/", "/reports%2Ffinance/", "/reports/a%2fb",
		// a second layer of them
		"/reports/%2566inance/", "/reports/%25%36%36inance/", "/reports/%2%35", "/reports/%25u0066inance/", "/reports/x%252e", "/reports/x%2541",
		// dots
		"/reports/..", "/reports/.", "/reports/./x", "/reports/../admin/", "/reports/x/../finance/", "/reports/%2e%2E/admin/", "/reports/.%2e/", "/reports/x%2F..", "/reports/..;/admin/", "/reports/..;a=b",
		"/reports/%2e%2e%3Bx/", `/reports/..\x`, `/reports/x\..\admin/`, "/reports/x%5C..%5Cfinance", "/reports/..%3Fx", "/./reports/", "/../", "/.", "/..",
		// slashes
		"//reports/", "//evil.org/reports/", "/reports//finance/", "/reports//finance", "/reports///finance/x", "/reports//evil.org/", "/reports/%2Fevil.org", "/reports/%5Cevil.org", `/reports/\evil.org`,
		`/\reports/`, "/%2Freports/", "/%5Creports/", `/reports\finance/`, `/reports\x`, `/reports/finance\x`, "/reports/finance%5Cx", `/reports/a\b/`, "/reports/finance//x", "/reports/a//b/",
		// parameters
		"/reports;x/", "/reports;x", "/reports/finance;x/", "/reports/finance;", "/reports/finance%3Bx/y", "/;x/reports/", "/reports/;x/finance/", "/reports/a;v=1/b/", "/reports/finance%3F/", "/reports/finance%23",
		`/reports/a;\x/b/`, "/reports/a;%2Fx/b/", "/reports/x;%5Cy", "/reports/x%3F%2Fy", "/reports/a;x/;y/b",
	} {
		m, err := tab.Judge([]byte(target))
		if err == nil {
			t.Errorf("%q: %s", target, say(m, err))
			continue
		}
		if _, ok := err.(TargetError); !ok || m.Mount != nil || m.Rest != nil {
			t.Errorf("%q: %T, %+v", target, err, m)
		}
	}
}

func TestMountsWithSpacesAndLettersOfAnyScriptAreFound(t *testing.T) {
	tab := table(t, "/reports/", "/reports/Über uns/", "/reports/{x}/", "/reports/Q&A/")
	for target, want := range map[string]string{
		"/reports/%C3%9Cber%20uns/x%20y?z": "/reports/Über uns/ x%20y?z",
		"/reports/%c3%9cber%20uns":         "308 /reports/Über uns/",
		"/reports/%C3%9Cber%20u%6Es/":      "400",
		"/reports/%DCber%20uns/":           "400", // what JavaScript's unescape reads as Über
		"/reports/%C3%9Cber+uns/":          "/reports/ %C3%9Cber+uns/",
		"/reports/%7Bx%7D/y":               "/reports/{x}/ y",
		"/reports/{x}/y":                   "/reports/{x}/ y",
		"/reports/Q&A/":                    "/reports/Q&A/ ",
		"/reports/Q%26A/":                  "400",
	} {
		if got := say(tab.Judge([]byte(target))); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
}

func TestJudgeAllocatesNothing(t *testing.T) {
	tab := table(t, house...)
	for _, target := range []string{
		"/reports/app/session/" + token + "/download/x?w=", "/reports/session/" + token + "/download/d/r%C3%A9sum%C3%A9.csv",
		"/reports/finance", "/login", "/reports/%2e%2e/", "/.fastproxy/session", "/reports/x//" + strings.Repeat("y", 300),
	} {
		b := []byte(target)
		if n := testing.AllocsPerRun(100, func() { _, _ = tab.Judge(b) }); n != 0 {
			t.Errorf("%s: %g allocations", target, n)
		}
	}
}

func TestLongTargetsAreJudgedToo(t *testing.T) {
	tab := table(t, house...)
	for _, c := range []struct{ rest, want string }{
		{strings.Repeat("a%20", 5000), ""}, {strings.Repeat("a/", 8000), ""}, {strings.Repeat("a/%20", 3000) + "/..", "400"},
	} {
		want := c.want
		if want == "" {
			want = "/reports/ " + c.rest
		}
		if got := say(tab.Judge([]byte("/reports/" + c.rest))); got != want {
			t.Errorf("%.20s…: got %.40q", c.rest, got)
		}
	}
}

// The ways in which a server may read a path, each on its own.
var ways = map[string]func([]byte) []byte{
	"decode": func(p []byte) []byte {
		var out []byte
		for i := 0; i < len(p); i++ {
			if p[i] == '%' && i+2 < len(p) {
				var b byte
				if n, _ := fmt.Sscanf(string(p[i+1:i+3]), "%02x", &b); n == 1 {
					out = append(out, b)
					i += 2
					continue
				}
			}
			out = append(out, p[i])
		}
		return out
	},
	"backslash": func(p []byte) []byte { return bytes.ReplaceAll(p, []byte(`\`), []byte("/")) },
	"collapse": func(p []byte) []byte {
		for bytes.Contains(p, []byte("//")) {
			p = bytes.ReplaceAll(p, []byte("//"), []byte("/"))
		}
		return p
	},
	"params": func(p []byte) []byte {
		segments := bytes.Split(p, []byte("/"))
		for i, s := range segments {
			segments[i], _, _ = bytes.Cut(s, []byte(";"))
		}
		return bytes.Join(segments, []byte("/"))
	},
	"query":    func(p []byte) []byte { p, _, _ = bytes.Cut(p, []byte("?")); return p },
	"fragment": func(p []byte) []byte { p, _, _ = bytes.Cut(p, []byte("#")); return p },
}

// everyReading calls f with what every order of every choice of ways makes of p.
func everyReading(p []byte, used []string, f func([]byte, []string)) {
	f(p, used)
	for name, way := range ways {
		if !slices.Contains(used, name) {
			everyReading(way(slices.Clone(p)), append(slices.Clone(used), name), f)
		}
	}
}

// longest is Judge's choice for one reading, by comparing with every mount.
func longest(paths []string, p []byte) string {
	best := ""
	for _, m := range paths {
		if (strings.HasPrefix(string(p), m) || string(p)+"/" == m) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

// words are what a target that means harm is made of.
var words = strings.Fields(`/ / / / reports finance a b x admin ; %3B \ %5C %5c %2F %2f // . .. %2e %2E%2e %66inance %61 ? %3F %23 %25 %2561 %u0061 ;x / /finance /a /b /a/b`)

// FuzzJudge: a target that passes leads to the same mount for every server,
// climbs nowhere, and goes on byte for byte.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{
		"/reports/app/?x=1", "/reports/%66inance/", "/reports/a;\\x/b/", "/reports//finance", "/reports/..;/admin", "/reports/a%3Fb%2F..",
		"/reports/finance", "/reports%5cx", "/reports/%2525", "/reports/a/%3B/b", "/reports/100%25", "//x", "/reports/a%23;/b?#", "/admin/%2e/",
		"/reports/a/;/b", "/reports/a%2F;b/../b", "/reports/%C3%A9;%C3", "/reports/a|b/a;/b/",
	} {
		f.Add(s, []byte(nil))
		f.Add("/reports", []byte(s))
	}
	tab := table(f, house...)
	f.Fuzz(func(t *testing.T, target string, tail []byte) {
		for _, b := range tail[:min(len(tail), 12)] {
			target += words[int(b)%len(words)]
		}
		m, err := tab.Judge([]byte(target))
		if err != nil || m.Own {
			return
		}
		raw, _, _ := strings.Cut(target, "?")
		want := ""
		if m.Mount != nil {
			want = m.Mount.Path
			whole := m.Mount.Path + string(m.Rest)
			if m.Redirect {
				whole = strings.TrimSuffix(m.Mount.Path, "/") + string(m.Rest)
			}
			if whole != target {
				t.Fatalf("%q goes on as %q", target, whole)
			}
		}
		everyReading([]byte(raw), nil, func(p []byte, used []string) {
			if got := longest(house, p); got != want {
				t.Fatalf("%q leads to %q, but after %q, as %q, to %q", target, want, used, p, got)
			}
			if s := "/" + string(p) + "/"; strings.Contains(s, "/../") || strings.Contains(s, "/./") {
				t.Fatalf("%q passed, but after %q climbs as %q", target, used, p)
			}
		})
	})
}

func BenchmarkJudge(b *testing.B) {
	tab := table(b, house...)
	for name, target := range map[string]string{
		"plain":   "/reports/app/session/" + token + "/download/x?w=",
		"escaped": "/reports/session/" + token + "/download/d/r%C3%A9sum%C3%A9.csv",
	} {
		b.Run(name, func(b *testing.B) {
			target := []byte(target)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = tab.Judge(target)
			}
		})
	}
}
