package fastproxy

import "bytes"

// appendLocation moves a Location of the backend to the mount: an absolute
// path, or a URL of the backend's own host or of the Host it was sent. What
// is under the mount already, relative, or elsewhere stays as it is.
func (r *route) appendLocation(dst, host, v []byte) []byte {
	start := len(dst)
	dst = r.appendMoved(dst, host, v)
	if moved := dst[start:]; len(moved) > 1 && moved[0] == '/' && (moved[1] == '/' || moved[1] == '\\') {
		return append(dst[:start], v...) // browsers would take it for another host
	}
	return dst
}

func (r *route) appendMoved(dst, host, v []byte) []byte {
	path := v
	if rest, ok := cutPrefixFold(v, "http://"); ok {
		i := bytes.IndexAny(rest, "/?#")
		if i < 0 {
			i = len(rest)
		}
		if !sameFold(rest[:i], host) && !equalFold(rest[:i], r.backend.Addr()) {
			return append(dst, v...)
		}
		if path = rest[i:]; len(path) == 0 || path[0] != '/' {
			path = append([]byte("/"), path...)
		}
	}
	if len(path) == 0 || path[0] != '/' || bytes.HasPrefix(path, []byte("//")) {
		return append(dst, v...)
	}
	rest, moved := cutDir(path, r.upstreamPath)
	// Under both: the deeper of the two is what the backend meant.
	if _, there := cutDir(path, r.mountPath); there && (!moved || len(r.mountPath) >= len(r.upstreamPath)) {
		return append(dst, path...)
	}
	if !moved {
		return append(dst, v...)
	}
	dst = append(dst, r.mountPath[:len(r.mountPath)-1]...)
	if r.mountPath == "/" && (len(rest) == 0 || rest[0] != '/') {
		dst = append(dst, '/')
	}
	return append(dst, rest...)
}

// cutDir returns what follows a directory, which ends with a slash, in a path,
// beginning with that slash where it is there: "/app" is the directory too, if
// a query, a fragment or nothing follows.
func cutDir(path []byte, dir string) (rest []byte, under bool) {
	rest, under = bytes.CutPrefix(path, []byte(dir[:len(dir)-1]))
	return rest, under && (len(rest) == 0 || rest[0] == '/' || rest[0] == '?' || rest[0] == '#')
}

// appendSetCookie copies a Set-Cookie line of the backend with its Path moved
// to the mount. Path=/ stays (Shiny Server Pro shares its cookie between
// mounts), and so does a __Host- cookie, which has no other. One with a name
// of ours is dropped.
func (r *route) appendSetCookie(dst []byte, l *line) []byte {
	pair, attributes, more := bytes.Cut(l.value, []byte{';'})
	if ownCookie(pair) {
		return dst
	}
	if _, host := cutPrefixFold(bytes.TrimLeft(pair, " \t"), "__host-"); host {
		return appendLine(dst, l.name, l.value)
	}
	dst = append(append(append(dst, l.name...), ": "...), pair...)
	for more {
		var a []byte
		a, attributes, more = bytes.Cut(attributes, []byte{';'})
		dst = append(dst, ';')
		key, value, _ := bytes.Cut(a, []byte{'='})
		value = bytes.Trim(value, " \t")
		if !equalFold(bytes.Trim(key, " \t"), "path") || len(value) < 2 || value[0] != '/' {
			dst = append(dst, a...)
			continue
		}
		dst = append(append(dst, key...), '=')
		dst = r.appendLocation(dst, nil, value)
	}
	return append(dst, "\r\n"...)
}
