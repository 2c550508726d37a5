package shiny

import "strings"

// ResolveOpen returns the path of the app that an open command names, as
// Shiny Server resolves it: Node's path.join of the socket's own URL, cut at
// "/__sockjs__/", and the command's data; then the part before "?", each
// element decoded. socketPath is the path that the server was asked for,
// without a query.
//
// It is stricter than the server where two readings are possible or the server
// would refuse anyway: false for what holds an escape that hides a slash, a
// dot, a "%" or a control, "%uXXXX", anything beyond ASCII, a backslash, a "#",
// a second "__sockjs__", or an element that begins with a dot.
func ResolveOpen(socketPath, data string) (path string, ok bool) {
	base, _, found := strings.Cut(socketPath, "/__sockjs__/")
	if !found || strings.Contains(socketPath[len(base)+1:], "/__sockjs__") || !plainPath(data) || !plainPath(socketPath) {
		return "", false
	}
	path = joinPath(base + "/" + data)
	path, _, _ = strings.Cut(path, "?")
	for _, element := range strings.Split(path, "/") {
		decoded, ok := decodeElement(element)
		if !ok || strings.HasPrefix(decoded, ".") || decoded == "__sockjs__" {
			return "", false
		}
	}
	return path, true
}

// plainPath reports visible ASCII without what readers take for different
// things.
func plainPath(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' {
			return false
		}
	}
	return true
}

// joinPath does what Node's path.posix.join does with an absolute path: empty
// and "." elements go, ".." takes the one before it with it and stops at the
// root, a slash at the end stays. It knows nothing of "?".
func joinPath(s string) string {
	var kept []string
	elements := strings.Split(s, "/")
	for _, e := range elements {
		switch e {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, e)
		}
	}
	path := "/" + strings.Join(kept, "/")
	if last := elements[len(elements)-1]; last == "" && len(kept) > 0 {
		path += "/"
	}
	return path
}

// decodeElement decodes an element's %XX; false where a server could find
// something else in it than a name.
func decodeElement(e string) (string, bool) {
	if strings.IndexByte(e, '%') < 0 {
		return e, true
	}
	var b strings.Builder
	for i := 0; i < len(e); i++ {
		c := e[i]
		if c == '%' {
			if i+2 >= len(e) || !isHex(e[i+1]) || !isHex(e[i+2]) {
				return "", false
			}
			c = unhex(e[i+1])<<4 | unhex(e[i+2])
			i += 2
			if c <= ' ' && c != ' ' || c >= 0x7f || strings.IndexByte(`/\%?#`, c) >= 0 {
				return "", false
			}
		}
		b.WriteByte(c)
	}
	return b.String(), true
}
