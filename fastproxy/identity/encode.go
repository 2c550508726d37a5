package identity

import "strings"

const hexDigits = "0123456789ABCDEF"

// byteClass says which printable ASCII bytes a value keeps as they are; all
// other bytes are percent-encoded (RFC 3986 section 2.1).
type byteClass struct{ percent, comma bool }

var (
	// textBytes encodes every "%": a lone one derails R's decoders ("%a%C3%BC"
	// comes out of httpuv 1.6.9 as "%a%C3\xbc", "50%" out of utils as "50").
	textBytes = byteClass{comma: true}
	// groupBytes also keeps the separator out.
	groupBytes = byteClass{}
	// urlBytes is for values that are URLs already (RFC 3987 section 3.1).
	urlBytes = byteClass{percent: true, comma: true}
)

func (c byteClass) keeps(b byte) bool {
	switch b {
	case '%':
		return c.percent
	case ',':
		return c.comma
	}
	return b >= ' ' && b <= '~'
}

// appendPercent appends s with every byte that c does not keep as %XX, and
// spaces at the ends too, which HTTP parsers trim.
func appendPercent(dst []byte, s string, c byteClass) []byte {
	inner := strings.TrimLeft(s, " ")
	first := len(s) - len(inner)
	end := first + len(strings.TrimRight(inner, " "))
	for i := range len(s) {
		if c.keeps(s[i]) && first <= i && i < end {
			dst = append(dst, s[i])
			continue
		}
		dst = append(dst, '%', hexDigits[s[i]>>4], hexDigits[s[i]&15])
	}
	return dst
}

// appendJSON appends s as a JSON string (RFC 8259 section 7) of printable
// ASCII only; bytes that are not UTF-8 become U+FFFD.
func appendJSON(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r >= ' ' && r <= '~':
			dst = append(dst, byte(r))
		case r > 0xFFFF: // a surrogate pair
			r -= 0x10000
			dst = appendU(appendU(dst, 0xD800+r>>10), 0xDC00+r&0x3FF)
		default:
			dst = appendU(dst, r)
		}
	}
	return append(dst, '"')
}

func appendU(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u',
		hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
