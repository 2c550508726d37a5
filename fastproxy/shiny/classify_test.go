package shiny

import "testing"

var classified = []struct {
	path string
	kind Kind
}{
	{"", KindPage},
	{"/", KindPage},
	{"reports/", KindPage},
	{"/finance", KindPage},
	{"/finance/index.html", KindPage},
	{"/doc.Rmd", KindPage},
	{"/v1.2/", KindPage},
	{"/trailing.", KindPage},
	{"/_w_0a1b2c3d/", KindPage},
	{"/jquery-3.6.0/jquery.min.js", KindAsset},
	{"favicon.ico", KindAsset},
	{"/app/__assets__/sockjs.min.js", KindAsset},
	{"/app/__assets__/noext", KindAsset},
	{"/websocket/", KindWebSocket},
	{"/reports/app/websocket/", KindWebSocket},
	{"websocket", KindWebSocket},
	{"/my-websocket/", KindPage},
	{"/app/__sockjs__/n=Xa0Yb1Zc2Xd3Ye4Zf5/info", KindSockJSInfo},
	{"/app/__sockjs__/info", KindSockJSInfo},
	{"/app/__sockjs__/n=Xa0Yb1Zc2Xd3Ye4Zf5/123/abcdefgh/websocket", KindSockJSWebSocket},
	{"__sockjs__/o=abc/t=/w=/s=0/000/abcdefgh/websocket", KindSockJSWebSocket},
	{"/app/__sockjs__/000/abcdefgh/websocket", KindSockJSWebSocket},
	{"/app/__sockjs__/websocket", KindSockJSRaw},
	{"/app/__sockjs__/n=abc/websocket", KindSockJSRaw},
	{"/app/__sockjs__/n=a/000/abcdefgh/xhr_streaming", KindXHRStreaming},
	{"/app/__sockjs__/n=a/000/abcdefgh/eventsource", KindEventSource},
	{"/app/__sockjs__/n=a/000/abcdefgh/htmlfile", KindHTMLFile},
	{"/app/__sockjs__/n=a/000/abcdefgh/xhr", KindXHR},
	{"/app/__sockjs__/n=a/000/abcdefgh/jsonp", KindJSONP},
	{"/app/__sockjs__/n=a/000/abcdefgh/xhr_send", KindXHRSend},
	{"/app/__sockjs__/n=a/000/abcdefgh/jsonp_send", KindJSONPSend},
	{"/app/__sockjs__/iframe.html", KindSockJSIframe},
	{"/app/__sockjs__/iframe-1.5.2.html", KindSockJSIframe},
	{"/app/__sockjs__", KindSockJSOther},
	{"/app/__sockjs__/", KindSockJSOther},
	{"/app/__sockjs__/a/b/c/d", KindSockJSOther},
	{"/app/__sockjs__/000/abcdefgh/unheard_of", KindSockJSOther},
	{"/session/0123456789abcdef0123456789ABCDEF/upload/1f", KindUpload},
	{"/app/_w_12/session/0123456789abcdef0123456789abcdef/download/data", KindDownload},
	{"session/0123456789abcdef0123456789abcdef/download/data/na\u00efve.csv", KindDownload},
	{"/session/0123456789abcdef0123456789abcdef/dataobj/tbl", KindDataObj},
	{"/session/0123456789abcdef0123456789abcdef/file/plot.png", KindSessionFile},
	{"/session/short/upload/1", KindPage},
	{"/session/0123456789abcdef0123456789abcdeg/upload/1", KindPage},
	{"/app/__token__", KindToken},
	{"/app/__extendsession__", KindExtendSession},
	{"/ping", KindPing},
	{"/ping/", KindPage},
	{"/__health-check__", KindPing},
}

func TestEveryPathShapeOfShinyIsRecognized(t *testing.T) {
	for _, c := range classified {
		if got := Classify([]byte(c.path)); got != c.kind {
			t.Errorf("Classify(%q) = %v, want %v", c.path, got, c.kind)
		}
	}
}

func TestEveryKindHasItsOwnName(t *testing.T) {
	seen := map[string]bool{}
	for k := range Kind(NumKinds) {
		if name := k.String(); name == "" || name == "unknown" || seen[name] {
			t.Errorf("kind %d is called %q", k, name)
		} else {
			seen[name] = true
		}
	}
	if got := Kind(NumKinds).String(); got != "unknown" {
		t.Errorf("a kind that does not exist is called %q", got)
	}
}

func TestPlainShinyUpgradesOnAnyPath(t *testing.T) {
	for path, want := range map[string]Kind{
		"/foo/bar":                             KindWebSocket,
		"/websocket/":                          KindWebSocket,
		"/autoreload/":                         KindWebSocket,
		"/__sockjs__/websocket":                KindSockJSRaw,
		"/__sockjs__/n=a/000/abcdef/websocket": KindSockJSWebSocket,
	} {
		if got := ClassifyUpgrade([]byte(path)); got != want {
			t.Errorf("ClassifyUpgrade(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestClassifyAllocatesNothing(t *testing.T) {
	for _, c := range classified {
		path := []byte(c.path)
		if n := testing.AllocsPerRun(100, func() { Classify(path) }); n != 0 {
			t.Errorf("Classify(%q) allocates %v times", c.path, n)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	path := []byte("/reports/app/__sockjs__/n=Xa0Yb1Zc2Xd3Ye4Zf5/123/abcdefgh/websocket")
	b.ReportAllocs()
	for b.Loop() {
		Classify(path)
	}
}
