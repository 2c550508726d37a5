package shiny

import "bytes"

var (
	segSockJS  = []byte("__sockjs__")
	segAssets  = []byte("__assets__")
	segSession = []byte("session")
)

// Classify says what a path asks for. path has no query; it may be the
// client's path or what is left of it after the mount, since only the tail
// counts; give it percent-decoded, or an encoded name is taken for a page.
// It allocates nothing and keeps nothing of path.
func Classify(path []byte) Kind {
	if tail, ok := afterSockJS(path); ok {
		return classifySockJS(tail)
	}
	if kind, ok := classifySession(path); ok {
		return kind
	}
	trimmed := bytes.TrimSuffix(path, []byte("/"))
	last := trimmed[bytes.LastIndexByte(trimmed, '/')+1:]
	switch string(last) {
	case "websocket":
		return KindWebSocket
	case "__token__":
		return KindToken
	case "__extendsession__":
		return KindExtendSession
	case "ping", "__health-check__":
		if len(trimmed) == len(path) {
			return KindPing
		}
	}
	switch {
	case hasSegment(path, segAssets):
		return KindAsset
	case len(trimmed) != len(path): // a directory is an app's page, whatever its name
		return KindPage
	case isAssetName(last):
		return KindAsset
	}
	return KindPage
}

// ClassifyUpgrade says what a WebSocket at this path speaks. Plain Shiny
// upgrades on any path at all, so what is not SockJS is KindWebSocket.
func ClassifyUpgrade(path []byte) Kind {
	switch k := Classify(path); k {
	case KindSockJSWebSocket, KindSockJSRaw:
		return k
	default:
		return KindWebSocket
	}
}

// afterSockJS returns what follows the last "__sockjs__" segment, as Shiny
// Server's greedy prefix finds it.
func afterSockJS(path []byte) (tail []byte, ok bool) {
	for rest := path; len(rest) > 0; {
		seg, after := cutSegment(rest)
		if bytes.Equal(seg, segSockJS) {
			tail, ok = after, true
		}
		rest = after
	}
	return tail, ok
}

// classifySockJS reads what follows "__sockjs__/": path parameters
// (n= o= t= w= s=), then <transport>, or <server>/<session>/<transport>.
func classifySockJS(tail []byte) Kind {
	var segs [3][]byte
	n := 0
	for rest := tail; len(rest) > 0; {
		var seg []byte
		seg, rest = cutSegment(rest)
		if n == 0 && isParameter(seg) || len(seg) == 0 && len(rest) == 0 {
			continue
		}
		if n == len(segs) {
			return KindSockJSOther
		}
		segs[n] = seg
		n++
	}
	switch n {
	case 1:
		return sockJSService(segs[0])
	case 3:
		return sockJSTransport(segs[2])
	}
	return KindSockJSOther
}

func sockJSService(name []byte) Kind {
	switch {
	case string(name) == "websocket":
		return KindSockJSRaw
	case string(name) == "info":
		return KindSockJSInfo
	case bytes.HasPrefix(name, []byte("iframe")) && bytes.HasSuffix(name, []byte(".html")):
		return KindSockJSIframe
	}
	return KindSockJSOther
}

func sockJSTransport(name []byte) Kind {
	switch string(name) {
	case "websocket":
		return KindSockJSWebSocket
	case "xhr_streaming":
		return KindXHRStreaming
	case "eventsource":
		return KindEventSource
	case "htmlfile":
		return KindHTMLFile
	case "xhr":
		return KindXHR
	case "jsonp":
		return KindJSONP
	case "xhr_send":
		return KindXHRSend
	case "jsonp_send":
		return KindJSONPSend
	}
	return KindSockJSOther
}

// classifySession finds session/<32 hex>/<verb>, which each R session serves
// for itself.
func classifySession(path []byte) (Kind, bool) {
	for rest := path; len(rest) > 0; {
		var seg []byte
		seg, rest = cutSegment(rest)
		if !bytes.Equal(seg, segSession) {
			continue
		}
		token, after := cutSegment(rest)
		if !isToken(token) {
			continue
		}
		verb, _ := cutSegment(after)
		switch string(verb) {
		case "upload":
			return KindUpload, true
		case "download":
			return KindDownload, true
		case "dataobj":
			return KindDataObj, true
		}
		return KindSessionFile, true
	}
	return 0, false
}

// cutSegment returns the path's first segment and what follows its slash.
// One leading slash belongs to no segment.
func cutSegment(path []byte) (seg, rest []byte) {
	if len(path) > 0 && path[0] == '/' {
		path = path[1:]
	}
	i := bytes.IndexByte(path, '/')
	if i < 0 {
		return path, nil
	}
	return path[:i], path[i:]
}

func hasSegment(path, want []byte) bool {
	for rest := path; len(rest) > 0; {
		var seg []byte
		if seg, rest = cutSegment(rest); bytes.Equal(seg, want) {
			return true
		}
	}
	return false
}

// isParameter reports whether a segment is one of Shiny Server's path
// parameters: n= new id, o= old id, t= token, w= worker, s= subapp.
func isParameter(seg []byte) bool {
	return len(seg) >= 2 && seg[1] == '=' && bytes.IndexByte([]byte("notws"), seg[0]) >= 0
}

func isToken(seg []byte) bool {
	if len(seg) != tokenLen {
		return false
	}
	for _, c := range seg {
		if !isHex(c) {
			return false
		}
	}
	return true
}

// isAssetName reports whether a file name has an extension that is not a
// page's. R Markdown documents are pages.
func isAssetName(name []byte) bool {
	dot := bytes.LastIndexByte(name, '.')
	if dot < 0 || dot == len(name)-1 {
		return false
	}
	switch ext := name[dot+1:]; len(ext) {
	case 3:
		return !bytes.EqualFold(ext, []byte("htm")) && !bytes.EqualFold(ext, []byte("rmd")) && !bytes.EqualFold(ext, []byte("qmd"))
	case 4:
		return !bytes.EqualFold(ext, []byte("html"))
	}
	return true
}
