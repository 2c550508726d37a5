package shiny

import (
	"strings"
	"testing"
)

func TestSocketIDsAreFound(t *testing.T) {
	for path, want := range map[string]SocketIDs{
		"/a/__sockjs__/n=Rob1/000/abc/websocket":      {Robust: "Rob1", Opens: true, Session: "abc"},
		"/a/__sockjs__/o=Rob1/t=x/w=/s=0/000/abc/xhr": {Robust: "Rob1", Session: "abc"},
		"/a/__sockjs__/t=x/w=ab/000/abc/xhr/":         {Session: "abc"},
		"/a/__sockjs__/000/abc/xhr":                   {Session: "abc"},
		"/a/__sockjs__/n=1/info":                      {Robust: "1", Opens: true},
		"/a/__sockjs__/n=1/info/":                     {Robust: "1", Opens: true},
		"/a/__sockjs__/n=1/t=a/w=b/s=0/info":          {Robust: "1", Opens: true},
		"/a/__sockjs__/n=1/t=a/iframe-0.3.4.html":     {Robust: "1", Opens: true},
		"/a/__sockjs__/n=1/websocket":                 {Robust: "1", Opens: true},
		"/a/__sockjs__/n=none/000/abc/xhr":            {Session: "abc"},
		"/a/__sockjs__/":                              {},
		"/a=b/__sockjs__/000/abc/xhr":                 {Session: "abc"},
		"/a/":                                         {},
	} {
		if got := ReadSocketIDs([]byte(path)); got != want {
			t.Errorf("%s: found %+v, want %+v", path, got, want)
		}
	}
}

// unclearPaths are paths in which Shiny Server finds an id that stands
// elsewhere than where its client writes it.
var unclearPaths = []string{
	"/a/__sockjs__/n=1/o=2/000/abc/xhr", "/a/__sockjs__/o=2/n=1/000/abc/xhr", "/a/__sockjs__/n=1/n=2/000/abc/xhr", "/a/__sockjs__/t=1/o=2/000/abc/xhr", "/a/__sockjs__/n=1/t=2/t=3/000/abc/xhr",
	"/a/__sockjs__/n=1/000/o=2/websocket", "/a/__sockjs__/000/o=2/websocket", "/a/__sockjs__/000/n=2/websocket", "/a/__sockjs__/n=1/o/x=2/websocket",
	"/a/__sockjs__/o=2/abc/websocket", "/a/__sockjs__/n=1/abc/xhr_send", "/a/__sockjs__/n=1/abc/jsonp", "/a/__sockjs__/n=1/abc/htmlfile/", "/a/__sockjs__/foo=bar/abc/xhr",
	"/a/o=2/__sockjs__/000/abc/websocket", "/o=2/a/__sockjs__/000/abc/websocket", "/a/__sockjs__/o=2/__sockjs__/000/abc/websocket", "/a/o=2/__sockjs__/websocket", "/n=1/o=2/__sockjs__/n=3/000/abc/xhr",
	"/a/__sockjs__/n=a-b/000/abc/xhr", "/a/__sockjs__/n=a.b/000/abc/xhr", "/a/__sockjs__//o=2/000/abc/xhr", "/a/__sockjs__//000/abc/xhr", "/a/__sockjs__/000/abc//xhr", "/a/__sockjs__/000/abc/xhr//",
	"/a/__sockjs__/t=a/n=b/websocket", "/a/__sockjs__/000/abc", "/a/__sockjs__/000/abc/xhr/more", "/a/__sockjs__/n=1/O=2/abc/websocket",
	"/a/__sockjs__/n=1/t=/xhr", "/a/__sockjs__/n=1/t=/jsonp", "/a/__sockjs__/n=1/t=a/w=b/htmlfile", "/a/__sockjs__/t=a/w=b/jsonp_send/", "/a/__sockjs__/n=1/s=0/websocket",
}

func TestWhatShinyServerCouldReadOtherwiseIsUnclear(t *testing.T) {
	for _, path := range unclearPaths {
		if got := ReadSocketIDs([]byte(path)); !got.Unclear {
			t.Errorf("%s: found %+v, want unclear", path, got)
		}
	}
}

// FuzzSocketIDs: of a path that is clear, Shiny Server makes the same session,
// the same robust id and the same transport.
func FuzzSocketIDs(f *testing.F) {
	for _, path := range append(unclearPaths, "/a/__sockjs__/n=Rob1/000/abc/websocket", "/a/__sockjs__/o=Rob1/t=x/w=/s=0/000/abc/xhr", "/a/__sockjs__/n=none/info", "/a/x=y/__sockjs__/000/abc/xhr_send/", "/a/__sockjs__/iframe-0.html") {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if strings.ContainsAny(path, "%?#\n\r\u2028\u2029") || !strings.HasPrefix(path, "/") {
			return // escaped ones are refused; the rest stands in no path
		}
		ids := ReadSocketIDs([]byte(path))
		for prefix := range prefixes {
			theirs := serverRoute(prefix, path)
			if theirs.transport == "" || ids.Unclear {
				continue
			}
			if !UnderSockJS([]byte(path)) {
				t.Fatalf("%s: Shiny Server takes it for %+v", path, theirs)
			}
			name, service := strings.CutPrefix(theirs.transport, "raw ")
			if theirs.robust != ids.Robust || theirs.opens != ids.Opens || !service && theirs.session != ids.Session {
				t.Fatalf("%s: found %+v, Shiny Server %+v", path, ids, theirs)
			}
			got := Classify([]byte(path))
			want := map[string]Kind{"websocket": KindSockJSWebSocket, "xhr": KindXHR, "xhr_send": KindXHRSend, "xhr_streaming": KindXHRStreaming, "eventsource": KindEventSource, "jsonp": KindJSONP, "jsonp_send": KindJSONPSend, "htmlfile": KindHTMLFile}[name]
			if service && name == "websocket" {
				want = KindSockJSRaw
			}
			if want != 0 && got != want {
				t.Fatalf("%s: found %v, Shiny Server %+v", path, got, theirs)
			}
		}
	})
}

// FuzzResolveOpen: where a command's app is known, it is the one that Shiny
// Server goes to.
func FuzzResolveOpen(f *testing.F) {
	for _, data := range openSpellings("../finance/") {
		f.Add("/reports/__sockjs__/n=abc/000/xyz/websocket", data)
	}
	f.Add("/a%20b/__sockjs__/websocket", "")
	f.Fuzz(func(t *testing.T, socket, data string) {
		if !strings.HasPrefix(socket, "/") || strings.Contains(socket, "//") || !plainPath(socket) {
			return
		}
		path, ok := ResolveOpen(socket, data)
		if !ok {
			return
		}
		theirs := serverApp(socket, data)
		if theirs == "-" {
			return
		}
		if ours := serverApp(path, ""); ours != theirs {
			t.Fatalf("%q in %q: found %q, which is %q; Shiny Server goes to %q", data, socket, path, ours, theirs)
		}
	})
}

// openSpellings writes an open command's data in every way that some reader
// takes for the same.
func openSpellings(data string) (all []string) {
	word := strings.Trim(data, "./")
	for _, w := range []string{word, "%" + hexByte(word[0]) + word[1:], "%25" + hexByte(word[0]) + word[1:], "%u00" + hexByte(word[0]) + word[1:], strings.ToUpper(word), word + "%00", word + ";x", word + ".", "./" + word, word + "/../" + word} {
		for _, up := range []string{"../", "..//", "./../", "x/../../", "/../", "//../", "%2e%2e/", ".%2e/", "%2E%2E%2F", "..%2f", "..%5c", `..\`, "..;/", "..;x/", "?/../../", "x?/../../", "#/../", "../../../", "../x/../", "%u002e%u002e/", "..\t/", " ../", "\u202e../"} {
			all = append(all, up+w+"/", up+w, up+w+"/?x", up+w+"//x/")
		}
	}
	return all
}

func hexByte(c byte) string {
	return string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15])
}

func TestEverySpellingOfAnOpenIsResolvedAsShinyServerDoesOrRefused(t *testing.T) {
	const socket = "/reports/__sockjs__/n=abc/000/xyz/websocket"
	n, resolved := 0, 0
	for _, data := range openSpellings("../finance/") {
		n++
		path, ok := ResolveOpen(socket, data)
		if !ok {
			continue
		}
		resolved++
		if ours, theirs := serverApp(path, ""), serverApp(socket, data); theirs != "-" && ours != theirs {
			t.Errorf("%q: found %q, Shiny Server goes to %q", data, ours, theirs)
		}
	}
	if t.Logf("%d spellings, %d resolved", n, resolved); n < 900 || resolved < 100 {
		t.Error("too few")
	}
}
