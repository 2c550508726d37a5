package shiny

import (
	"bytes"
	"net/url"
	"regexp"
	"testing"
)

var redacted = []struct{ in, out string }{
	{"", ""},
	{"/", "/"},
	{"/reports/app/?_inputs_&n=200", "/reports/app/"},
	{"reports//x/", "reports//x/"},
	{"/a#b", "/a"},
	{"/session/0123456789abcdef0123456789abcdef/upload/1f", "/session/…/upload/1f"},
	{"session/0123456789ABCDEF0123456789abcdef/download/d?w=", "session/…/download/d"},
	{"/x-0123456789abcdef0123456789abcdef00.js", "/x-….js"},
	{"/0123456789abcdef0123456789abcd/", "/0123456789abcdef0123456789abcd/"},
	{"/session/%30123456789%61bcdef0123456789abcde%66/file/x", "/session/…/file/x"},
	{"/%zz/%4/%", "/%zz/%4/%"},
	{"/app/__sockjs__/n=Xa0Yb1Zc2Xd3Ye4Zf5/info", "/app/__sockjs__/n=…/info"},
	{"/app/__sockjs__/o=Xa0/t=tok/w=12ab/s=0/123/abcdefgh/xhr_send", "/app/__sockjs__/o=…/t=…/w=12ab/s=0/123/…/xhr_send"},
	{"/app/__sockjs__/123/abcdefgh/websocket", "/app/__sockjs__/123/…/websocket"},
	{"/app/__sockjs__/websocket", "/app/__sockjs__/websocket"},
	{"/n=kept/x", "/n=kept/x"},
}

func TestTokensAndIdsAreCutFromLoggedPaths(t *testing.T) {
	for _, c := range redacted {
		if got := string(RedactPath(nil, []byte(c.in))); got != c.out {
			t.Errorf("RedactPath(%q) = %q, want %q", c.in, got, c.out)
		}
	}
	if got := string(RedactPath([]byte("GET "), []byte("/x?y"))); got != "GET /x" {
		t.Errorf("RedactPath appends: got %q", got)
	}
}

func FuzzRedactPath(f *testing.F) {
	for _, c := range redacted {
		f.Add([]byte(c.in))
	}
	for _, c := range classified {
		f.Add([]byte(c.path))
	}
	token := regexp.MustCompile(`[0-9a-fA-F]{32}`)
	f.Fuzz(func(t *testing.T, path []byte) {
		Classify(path)
		out := RedactPath(nil, path)
		if bytes.IndexAny(out, "?#") >= 0 {
			t.Errorf("RedactPath(%q) = %q holds a query", path, out)
		}
		if token.Match(out) {
			t.Errorf("RedactPath(%q) = %q holds a token", path, out)
		}
		if decoded, err := url.PathUnescape(string(out)); err == nil && token.MatchString(decoded) {
			t.Errorf("RedactPath(%q) = %q holds an encoded token", path, out)
		}
	})
}
