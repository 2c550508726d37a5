package shiny

import "bytes"

// SocketIDs are the ids in a SockJS path. Each is a capability: whoever holds
// it takes part in that session.
type SocketIDs struct {
	Robust  string // of n= or o=; "" if there is none
	Opens   bool   // n=: it begins; o= takes it up again
	Session string // SockJS's own; "" if there is none
	Unclear bool   // Shiny Server could find other ids there than these, or the same in other places
}

// UnderSockJS reports a path that has a "__sockjs__" segment, which is all that
// Shiny Server asks of a path to take it for a socket's.
func UnderSockJS(path []byte) bool { return hasSegment(path, segSockJS) }

// ReadSocketIDs finds the ids in a path under __sockjs__, as it stands on the
// wire. Shiny Server reads such a path twice. Its routes take an optional n= or
// o=, then a server and a session of any name ("o=x" is one); its robust layer
// takes the last run of parameters anywhere in the path, before __sockjs__ too.
// So only what its own client sends is clear: parameters in their order right
// behind __sockjs__ and nowhere else, and behind them what sockjs-node serves.
func ReadSocketIDs(path []byte) (ids SocketIDs) {
	tail, found := afterSockJS(path)
	if !found {
		return ids
	}
	ids.Unclear = hasRobust(path[:len(path)-len(tail)])
	last, parameters, n := -1, 0, 0
	var name []byte
	for len(tail) > 0 {
		var seg []byte
		seg, tail = cutSegment(tail)
		if n == 0 && isParameter(seg) {
			order := parameterOrder(seg[0])
			ids.Unclear = ids.Unclear || order <= last || !isWord(seg[2:])
			last = order
			parameters++
			if order == 0 {
				ids.Unclear = ids.Unclear || len(seg) == 2
				ids.Robust, ids.Opens = string(seg[2:]), seg[0] == 'n'
			}
			continue
		}
		if len(seg) == 0 && len(tail) == 0 {
			break // a slash at the end
		}
		if n == 1 && len(tail) > 0 {
			ids.Session = string(seg)
		}
		ids.Unclear = ids.Unclear || bytes.IndexByte(seg, '=') >= 0
		name = seg
		n++
	}
	ids.Unclear = ids.Unclear || n == 2 || n > 3
	if n == 1 && parameters > 1 { // "n=1/t=/xhr" is a server's and a session's name to the routes, before a transport
		kind := sockJSService(name)
		ids.Unclear = ids.Unclear || kind != KindSockJSInfo && kind != KindSockJSIframe
	}
	if ids.Robust == "none" { // the server's word for a connection without that layer
		ids.Robust, ids.Opens = "", false
	}
	return ids
}

// hasRobust reports a segment that the robust layer would take for an id.
func hasRobust(path []byte) bool {
	for len(path) > 0 {
		var seg []byte
		if seg, path = cutSegment(path); isParameter(seg) && parameterOrder(seg[0]) == 0 {
			return true
		}
	}
	return false
}

// parameterOrder is where a parameter stands among the others; n= and o= stand
// for each other.
func parameterOrder(name byte) int { return max(bytes.IndexByte([]byte("ntws"), name), 0) }

// isWord reports letters, digits and "_" alone: more is in no parameter that
// Shiny Server's client makes.
func isWord(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}
