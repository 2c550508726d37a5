package policy

// DecodeOnce appends path with its escapes decoded. It is an error if an
// escape is malformed (also %uXXXX) or stands for a control character, and if
// the outcome holds what a second decoder would take for an escape.
func DecodeOnce(dst, path []byte) ([]byte, error) {
	start := len(dst)
	for i := 0; i < len(path); i++ {
		b := path[i]
		if b == '%' {
			if !isEscape(path[i:]) {
				return dst, errEscape
			}
			b = unescape(path[i:])
			i += 2
		}
		if b < ' ' || b == 0x7F {
			return dst, errControl
		}
		dst = append(dst, b)
	}
	for i := start; i < len(dst); i++ {
		if dst[i] == '%' && (isEscape(dst[i:]) || isUnicodeEscape(dst[i:])) {
			return dst, errTwice
		}
	}
	return dst, nil
}

// isEscape reports whether b begins with "%XX".
func isEscape(b []byte) bool {
	return len(b) > 2 && b[0] == '%' && isHex(b[1]) && isHex(b[2])
}

// isUnicodeEscape reports whether b begins with "%uXXXX", which JavaScript's
// unescape, and so Shiny Server, decodes.
func isUnicodeEscape(b []byte) bool {
	return len(b) > 5 && b[0] == '%' && lower(b[1]) == 'u' &&
		isHex(b[2]) && isHex(b[3]) && isHex(b[4]) && isHex(b[5])
}

func unescape(b []byte) byte { return hexValue(b[1])<<4 | hexValue(b[2]) }

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= lower(b) && lower(b) <= 'f'
}

func hexValue(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return lower(b) - 'a' + 10
}
