package policy

import (
	"net/url"
	"strings"
	"testing"
)

func TestPeopleReturnToPagesOfThisOriginOnly(t *testing.T) {
	for _, s := range []string{
		"/", "/reports/", "/reports/app/?_inputs_&n=200&x=%22a%22", "/reports/?u=https://evil.org//x", "/reports/r%C3%A9sum%C3%A9/",
		"/reports/#!/page", "/reports/?a=b#c", "/loginx", "/login/x", "/reports/login", "/reports/.fastproxy/", "/a//b", `/?x=\`, "/reports/?/../login",
	} {
		if got, ok := LocalPath(s); !ok || got != s {
			t.Errorf("%q: %q, %t", s, got, ok)
		}
	}
	for _, s := range []string{
		"", "reports/", "https://evil.org/", "javascript:alert(1)", "?x", "#x", "*",
		"//evil.org/", `/\evil.org`, `\/evil.org`, "///x", "/%2Fevil.org", "/%5Cevil.org", "/\t/evil.org", "/\n/evil.org", "/x\r\nSet-Cookie: a", "/\x00",
		" /x", "/x y", "/x?a b", "/é", "/?é", "/#é", "/x\x7f", "/%0d%0a", "/%", "/%u0041", "/%2541",
		"/..", "/./x", "/x/../login", "/%2e%2e/login", `/x\..\login`, "/..;/x",
		"/login", "/login?return_to=/", "/login#x", "/logout", "/logout?x", "/callback?code=x", "/.fastproxy", "/.fastproxy/session",
		"/%6Cogin", "/login;x", "/log%6Fut", "/;/logout", "/.fastproxy%2Fsession", "/%2Efastproxy/", `/.fastproxy\x`, "/login%3Fx",
	} {
		if got, ok := LocalPath(s); ok || got != "" {
			t.Errorf("%q: %q, %t", s, got, ok)
		}
	}
}

// FuzzLocalPath: a browser that resolves the answer stays on this origin and
// off our own pages.
func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{
		"/reports/?_inputs_&n=200", "//evil.org", `/\evil.org`, "/\t/x", "/x/../login", "/%6Cogin", "/#//x", "/;/logout", "/.//evil.org", "/a?b#c",
	} {
		f.Add(s)
	}
	base, err := url.Parse("https://shiny.example.org/callback?code=x")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := LocalPath(s)
		if !ok {
			return
		}
		if got != s {
			t.Fatalf("%q became %q", s, got)
		}
		// Browsers take "\" for "/" before a query and skip tabs and line ends.
		path, _, _ := strings.Cut(s, "#")
		path, _, _ = strings.Cut(path, "?")
		seen := strings.ReplaceAll(path, `\`, "/") // a query or fragment changes no origin
		u, err := base.Parse(seen)
		if err != nil {
			t.Fatalf("%q does not parse: %v", seen, err)
		}
		if u.Host != base.Host || u.Scheme != base.Scheme {
			t.Fatalf("%q leads to %s", s, u)
		}
		for _, p := range []string{"/login", "/logout", "/callback", "/.fastproxy"} {
			if u.Path == p || p == "/.fastproxy" && strings.HasPrefix(u.Path, p+"/") {
				t.Fatalf("%q leads to %s", s, u.Path)
			}
		}
	})
}
