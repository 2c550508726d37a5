package policy

import (
	"strings"
	"testing"
)

func table(t testing.TB, paths ...string) *Table {
	t.Helper()
	var mounts []Mount
	for _, p := range paths {
		mounts = append(mounts, Mount{Path: p, Upstream: "u", Rule: Rule{Groups: []string{p}}})
	}
	tab, err := NewTable(mounts)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestMountsThatCannotBeToldApartAreRefused(t *testing.T) {
	for path, want := range map[string]string{
		"":                "want a slash at both ends",
		"reports/":        "want a slash at both ends",
		"/reports":        "want a slash at both ends",
		"//":              "found an empty segment",
		"/a//b/":          "found an empty segment",
		"/a\xff/":         "found bytes that are not UTF-8",
		"/a%20b/":         `found "%", want the path decoded`,
		"/a;b/":           `found one of \ ; ? #`,
		`/a\b/`:           `found one of \ ; ? #`,
		"/a?/":            `found one of \ ; ? #`,
		"/a#/":            `found one of \ ; ? #`,
		"/./":             "found a dot segment",
		"/a/../":          "found a dot segment",
		"/a\n/":           "found a control character",
		"/login/":         "found a path of fastproxy's own",
		"/callback/x/":    "found a path of fastproxy's own",
		"/.fastproxy/":    "found a path of fastproxy's own",
		"/.fastproxy/a/":  "found a path of fastproxy's own",
		"/reports/":       "found it twice",
		"/upstream/path/": "upstream path: found ",
	} {
		mounts := []Mount{{Path: "/reports/"}, {Path: path}}
		if path == "/upstream/path/" {
			mounts[1].UpstreamPath = "x"
		}
		_, err := NewTable(mounts)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "policy: mount path ") {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	for _, up := range []string{"x/", "/x", "/a b/", "/ü/", "/%2/", "/../", "/a?b/", "/a#b/", "//x/"} {
		if _, err := NewTable([]Mount{{Path: "/x/", UpstreamPath: up}}); err == nil {
			t.Errorf("upstream path %q passed", up)
		}
	}
}

func TestAllFaultsOfATableAreToldAtOnce(t *testing.T) {
	_, err := NewTable([]Mount{{Path: "x"}, {Path: "/login/"}, {Path: "/a/"}})
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v", err)
	}
}

func TestMountsAreListedByPathAndAreCopies(t *testing.T) {
	in := []Mount{{Path: "/b/"}, {Path: "/a/", UpstreamPath: "/x/"}, {Path: "/"}}
	tab, err := NewTable(in)
	if err != nil {
		t.Fatal(err)
	}
	in[0].Path = "/changed/"
	tab.Mounts()[0].Path = "/changed/"
	var got []string
	for _, m := range tab.Mounts() {
		got = append(got, m.Path+">"+m.UpstreamPath)
	}
	if s := strings.Join(got, " "); s != "/>/ /a/>/x/ /b/>/" {
		t.Error(s)
	}
}

func TestAWayRoundARuleIsTold(t *testing.T) {
	signedIn, public, hr, finance := Rule{SignedIn: true}, Rule{Public: true}, Rule{Groups: []string{"HR"}}, Rule{Groups: []string{"Finance"}}
	for _, c := range []struct {
		name   string
		mounts []Mount
		want   string
	}{
		{"the example of the documentation", []Mount{
			{"/reports/", "a", "/", signedIn}, {"/reports/finance/", "a", "/finance/", finance}}, ""},
		{"another upstream", []Mount{
			{"/reports/", "a", "/", signedIn}, {"/finance/", "b", "/finance/", finance}}, ""},
		{"a looser part of it", []Mount{
			{"/reports/", "a", "/", finance}, {"/open/", "a", "/open/", public}}, ""},
		{"forgotten upstream_path", []Mount{
			{"/reports/finance/", "a", "/", finance}, {"/reports/hr/", "a", "/hr/", hr}},
			"/reports/finance/ ({groups: [Finance]}) serves the pages of /reports/hr/ ({groups: [HR]}) too, as /reports/finance/hr/: give /reports/finance/ its own upstream or upstream_path"},
		{"beside its parent", []Mount{
			{"/reports/", "a", "/", signedIn}, {"/finance/", "a", "/fin%20ance/", finance}},
			"/reports/ (signed_in) serves the pages of /finance/ ({groups: [Finance]}) too, as /reports/fin%20ance/: give /reports/ its own upstream or upstream_path"},
		{"twice the same pages, one open", []Mount{
			{"/in/", "a", "/", signedIn}, {"/out/", "a", "/", public}},
			"/out/ (public) serves the pages of /in/ (signed_in) too, as /out/: give /out/ its own upstream or upstream_path"},
		{"twice the same pages and rule", []Mount{
			{"/x/", "a", "/", hr}, {"/y/", "a", "/", hr}}, ""},
	} {
		tab, err := NewTable(c.mounts)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(tab.Detours(), "\n"); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}
