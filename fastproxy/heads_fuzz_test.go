package fastproxy

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/shiny"
)

// FuzzRequestHead: whatever a client sends, if it is forwarded at all, Shiny
// gets one request in which net/http, too, finds the judged target and framing,
// our identity once, nobody else's, and none of our cookies.
func FuzzRequestHead(f *testing.F) {
	f.Add([]byte(chromeHead))
	for _, v := range singleVectors() {
		if v.status == 0 {
			f.Add([]byte(v.raw[:strings.Index(v.raw, "\r\n\r\n")+4]))
		}
	}
	for _, name := range ownNames {
		for _, d := range disguises {
			f.Add([]byte("GET /x HTTP/1.1\r\nHost: h\r\nCookie: a=1; fastproxy_session=s\r\n" + d.write(name) + "\r\n"))
		}
	}
	table, err := policy.NewTable([]policy.Mount{{Path: "/", UpstreamPath: "/up/"}})
	if err != nil {
		f.Fatal(err)
	}
	s, x, r := headExchange(f)
	who := identity.FromPasswd("tina", []string{"Admin"})
	r.upstreamPath, r.identity = "/up/", who.AppendHeaders(nil)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if scan(raw, &x.head) != nil || len(raw) > maxHeadBytes {
			return
		}
		m, err := table.Judge(x.head.target)
		if err != nil || m.Mount == nil {
			return
		}
		r.rest = m.Rest
		head := s.appendRequestHead(nil, x, r)
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, head, err)
		}
		if req.Method != string(x.head.method) || req.RequestURI != "/up/"+string(m.Rest) || !strings.EqualFold(req.Host, string(x.head.host)) {
			t.Errorf("%q became %q", raw, head)
		}
		if len(req.TransferEncoding) > 0 != x.head.chunked && !x.head.upgrade || len(req.TransferEncoding) == 0 && req.ContentLength != max(x.head.contentLength, 0) {
			t.Errorf("%q became %q: %v, %d", raw, head, req.TransferEncoding, req.ContentLength)
		}
		seen := headersSeen(string(head))
		for _, name := range ownNames {
			name = folded(name)
			want := ""
			for _, h := range who.Headers() {
				if folded(h.Name) == name {
					want = h.Value
				}
			}
			switch got := seen[name]; {
			case name == "x-request-id" || strings.HasPrefix(name, "x-forwarded-") && len(got) == 1:
			case want == "" && got != nil, want != "" && (len(got) != 1 || got[0] != want):
				t.Errorf("%q: Shiny gets %s: %q, want %q", raw, name, got, want)
			}
		}
		for _, c := range req.Cookies() {
			if strings.Contains(strings.ToLower(c.Name), "fastproxy_") && ownCookie([]byte(c.Name)) {
				t.Errorf("%q: Shiny gets cookie %s", raw, c.Name)
			}
		}
	})
}

// FuzzAnswerHeadEdits: whatever Shiny answers, if it passes at all, net/http
// finds the same status, framing and body in it, and no cookie of ours.
func FuzzAnswerHeadEdits(f *testing.F) {
	for _, a := range append(hostileAnswers, rAnswer) {
		if i := strings.Index(a, "\r\n\r\n"); i >= 0 {
			f.Add([]byte(a[:i+4]), byte(0))
		}
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nSet-Cookie: fastproxy_session=x\r\nSet-Cookie: =fastproxy_form=y; Path=/x\r\nSet-Cookie: a=1; Path=/b\r\nLocation: http://shiny:3838/x\r\n"+
		"Access-Control-Allow-Origin: *\r\nService-Worker-Allowed: /\r\nConnection: close\r\n\r\n"), byte(1))
	f.Add([]byte("HTTP/1.1 200 OK\r\nNEL: {}\r\nreport-to: {}\r\nAlt-Svc: h3=\":443\"\r\nClear-Site-Data: \"*\"\r\nX-Accel-Redirect: /x\r\nX-Sendfile: /etc/passwd\r\n"+
		"Cross-Origin-Opener-Policy: same-origin ; report-to=\"x\"\r\nConnection: x, nel\r\n\r\n"), byte(0))
	s, x, r := headExchange(f)
	f.Fuzz(func(t *testing.T, raw []byte, kind byte) {
		var a answerHead
		if scanAnswer(raw, &a) != nil || a.status == 101 {
			return
		}
		r.kind = shiny.Kind(kind % byte(shiny.NumKinds))
		x.closing = kind&1 == 1
		head := s.appendAnswerHead(nil, x, r, &a)
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: "HEAD"})
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, head, err)
		}
		if resp.StatusCode != a.status || a.framed() && (len(resp.TransferEncoding) > 0) != a.chunked ||
			!a.framed() && resp.Header.Get("Content-Length") != "" || a.framed() && !a.chunked && a.contentLength >= 0 && resp.ContentLength != a.contentLength {
			t.Errorf("%q became %q: %d %v %d", raw, head, resp.StatusCode, resp.TransferEncoding, resp.ContentLength)
		}
		if strings.Contains(string(head[:len(head)-4]), "\r\n\r\n") {
			t.Errorf("%q became two heads: %q", raw, head)
		}
		for _, c := range resp.Header["Set-Cookie"] {
			if name, _, _ := strings.Cut(strings.TrimLeft(c, " \t="), "="); strings.HasPrefix(strings.ToLower(name), "fastproxy_") {
				t.Errorf("%q: the client gets %s", raw, c)
			}
		}
		for _, name := range []string{"Nel", "Report-To", "Alt-Svc", "Clear-Site-Data", "X-Sendfile", "X-Accel-Redirect"} {
			if resp.Header[name] != nil {
				t.Errorf("%q became %q", raw, head)
			}
		}
		if p := resp.Header["Cross-Origin-Opener-Policy"]; len(p) == 1 && strings.TrimSpace(strings.SplitN(p[0], ";", 2)[0]) == "same-origin" && !slices.ContainsFunc(resp.Header["Cross-Origin-Embedder-Policy"], func(v string) bool { return v == "require-corp" || v == "credentialless" }) {
			t.Errorf("%q became %q", raw, head)
		}
		if resp.Header.Get("Service-Worker-Allowed") != "" || r.kind.IsSockJS() && resp.Header.Get("Access-Control-Allow-Credentials") != "" && resp.Header.Get("Access-Control-Allow-Origin") != "https://shiny.example.org" {
			t.Errorf("%q became %q", raw, head)
		}
	})
}
