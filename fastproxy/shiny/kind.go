package shiny

// Kind is what a path asks of a Shiny server. The zero Kind is KindPage.
type Kind uint8

const (
	KindPage            Kind = iota // the app's HTML; whatever is nothing else
	KindAsset                       // script, style, picture: __assets__/, shared/, a name with an extension
	KindWebSocket                   // .../websocket/: the socket of plain Shiny
	KindSockJSWebSocket             // .../__sockjs__/n=<id>/<ddd>/<session>/websocket
	KindSockJSRaw                   // .../__sockjs__/websocket: no SockJS framing inside
	KindSockJSInfo                  // .../info
	KindXHRStreaming                // the streaming answers
	KindEventSource
	KindHTMLFile
	KindXHR // the polls
	KindJSONP
	KindXHRSend // the sends
	KindJSONPSend
	KindSockJSIframe  // .../iframe*.html
	KindSockJSOther   // anything else under __sockjs__/
	KindUpload        // session/<token>/upload/<job>
	KindDownload      // session/<token>/download/<id>
	KindDataObj       // session/<token>/dataobj/<id>: tables, server-side selectize
	KindSessionFile   // session/<token>/<anything else>: file/, apps' own handlers
	KindToken         // __token__ (Shiny Server Pro, Connect)
	KindExtendSession // __extendsession__ (the same)
	KindPing          // ping, __health-check__
)

// NumKinds is for arrays indexed by Kind.
const NumKinds = int(KindPing) + 1

var kindNames = [NumKinds]string{
	"page", "asset", "websocket", "sockjs_websocket", "sockjs_raw", "sockjs_info",
	"xhr_streaming", "eventsource", "htmlfile", "xhr", "jsonp", "xhr_send", "jsonp_send",
	"sockjs_iframe", "sockjs_other", "upload", "download", "dataobj", "session_file",
	"token", "extend_session", "ping",
}

// String is the kind's name in logs and metrics: lower case, no spaces.
func (k Kind) String() string {
	if int(k) >= NumKinds {
		return "unknown"
	}
	return kindNames[k]
}

// IsSockJS reports whether the path lies under __sockjs__/. Those paths need
// the Origin check that Shiny Server leaves out: it reflects any Origin.
func (k Kind) IsSockJS() bool { return k >= KindSockJSWebSocket && k <= KindSockJSOther }

// IsWebSocket reports whether a client of this kind speaks RFC 6455 frames.
func (k Kind) IsWebSocket() bool { return k >= KindWebSocket && k <= KindSockJSRaw }

// IsStream reports whether the answer is an HTTP body that stays open while
// the app runs, so that it lives and ends with its session.
func (k Kind) IsStream() bool { return k >= KindXHRStreaming && k <= KindJSONP }
