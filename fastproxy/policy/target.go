package policy

// TargetError is why a request target is not served: a bad request, in words
// that hold none of its bytes.
type TargetError string

func (e TargetError) Error() string { return "policy: judge target: " + string(e) }

const (
	errForm     = TargetError("found another form than an absolute path")
	errByte     = TargetError("found a byte that is no visible ASCII character")
	errFragment = TargetError("found a fragment")
	errEscape   = TargetError("found a percent sign without two hexadecimal digits")
	errControl  = TargetError("found an escaped control character")
	errTwice    = TargetError("decoding twice would change the path")
	errUTF8     = TargetError("found escapes that are not UTF-8")
	errDots     = TargetError("found a dot segment")
	errSlashes  = TargetError("found two slashes where a name is wanted")
	errParam    = TargetError("found a slash or backslash in a segment's parameters")
	errReadings = TargetError("its readings lead to different places")
)

// The classes of bytes in a target.
const (
	classBad   = iota // never sent by anything that means well
	classPchar        // RFC 3986 section 3.3 (without "%"), and "/"
	classOdd          // visible, but servers read it in different ways, or it should be escaped
	classQuery        // "?"
	classHash         // "#"
)

var classes = makeClasses()

func makeClasses() (c [256]uint8) {
	for b := '!'; b <= '~'; b++ {
		c[b] = classOdd
	}
	for _, b := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@/" {
		c[b] = classPchar // ";" stays odd: some servers cut a segment there
	}
	c['?'] = classQuery
	c['#'] = classHash
	return c
}

// cutPath returns the path of a target. plain says that there is only one way
// to read it.
func cutPath(target []byte) (path []byte, plain bool, err error) {
	if len(target) == 0 || target[0] != '/' {
		return nil, false, errForm
	}
	path, plain = target, true
	for i, b := range target {
		switch classes[b] {
		case classPchar:
			// "//", "/." and "/..": perhaps nothing, for the slow road to say.
			if b == '/' && i+1 < len(target) && (target[i+1] == '/' || target[i+1] == '.') {
				plain = false
			}
		case classOdd:
			plain = false
		case classQuery:
			return target[:i], plain, checkQuery(target[i:])
		case classHash:
			return nil, false, errFragment
		default:
			return nil, false, errByte
		}
	}
	return path, plain, nil
}

func checkQuery(query []byte) error {
	for _, b := range query {
		switch classes[b] {
		case classBad:
			return errByte
		case classHash:
			return errFragment
		}
	}
	return nil
}
