package policy

// readings are the ways in which servers read one path. Between them lie all
// others: whatever a server decodes, splits at backslashes, cuts at parameters
// or collapses, alone or together and in any order, finds the mount that all
// three find. None of it changes the segments of a mount's own path, so what
// leads deeper on the way leads deeper in folded too.
type readings struct {
	raw     []byte // escapes are text, but for bytes that cannot travel without
	decoded []byte // all escapes decoded, once
	folded  []byte // decoded, "\" as "/", segments cut at ";", "?" and "#", slashes collapsed
}

// space is where the readings of a path of ordinary length fit without
// allocation.
type space [3][512]byte

// read returns the readings of a path that cutPath passed.
func read(path []byte, s *space) (r readings, err error) {
	if r.decoded, err = DecodeOnce(s[0][:0], path); err != nil {
		return r, err
	}
	if len(r.decoded) > 1 && isSlash(r.decoded[1]) {
		return r, errSlashes
	}
	if r.raw, err = appendRaw(s[1][:0], path); err != nil {
		return r, err
	}
	r.folded, err = appendFolded(s[2][:0], r.decoded)
	return r, err
}

func isSlash(b byte) bool { return b == '/' || b == '\\' }

// isCut says where a segment's name ends for some servers. "?" and "#" are
// there only decoded.
func isCut(b byte) bool { return b == ';' || b == '?' || b == '#' }

// appendRaw appends path with those escapes decoded that stand for bytes which
// RFC 3986 section 3.3 does not let into a path, and so every client escapes.
// The mount's path has none of the others.
func appendRaw(dst, path []byte) ([]byte, error) {
	param := false // past a ";" or the like of this segment
	for i := 0; i < len(path); i++ {
		b, escaped := path[i], path[i] == '%'
		if escaped {
			b = unescape(path[i:])
		}
		switch {
		case b == '/' && !escaped:
			param = false
		case param && isSlash(b):
			// Whether the segment ends here depends on what is done first.
			return dst, errParam
		case isCut(b):
			param = true
		}
		if !escaped {
			dst = append(dst, b)
			continue
		}
		if c := classes[b]; c == classPchar || isCut(b) || b == '%' || b == '\\' {
			dst = append(dst, path[i:i+3]...)
		} else {
			dst = append(dst, b)
		}
		i += 2
	}
	return dst, nil
}

// appendFolded appends decoded the way the most forgiving server reads it.
func appendFolded(dst, decoded []byte) ([]byte, error) {
	start := len(dst)
	for i := 0; i < len(decoded); {
		if isSlash(decoded[i]) {
			if len(dst) == start || dst[len(dst)-1] != '/' {
				dst = append(dst, '/')
			}
			i++
			continue
		}
		name, cut := len(dst), false
		for ; i < len(decoded) && !isSlash(decoded[i]); i++ {
			cut = cut || isCut(decoded[i])
			if !cut {
				dst = append(dst, decoded[i])
			}
		}
		if string(dst[name:]) == "." || string(dst[name:]) == ".." {
			return dst, errDots
		}
	}
	return dst, nil
}
