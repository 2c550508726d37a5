package jwks

import (
	"encoding/base64"
	"strings"
)

const (
	tokenMax = 16 << 10
	kidMax   = 256
)

// strict refuses trailing bits that a re-encoding would lose. It skips CR and
// LF like every encoding of the package does, hence the check in split.
var strict = base64.RawURLEncoding.Strict()

// token is a JWS in compact form (RFC 7515 section 3.1), taken apart, its
// header checked, its signature not.
type token struct {
	signed    string // header and payload as they were signed
	header    map[string]any
	alg, kid  string
	typ       string // lower case, without "application/"; "" if absent
	payload   []byte
	signature []byte
}

// parse takes raw apart. It reads nothing but raw: no key and no address that
// a header names (jwk, jku, x5u, x5c) is ever looked at.
func parse(raw string) (*token, error) {
	var parts [3]string
	if err := split(raw, &parts); err != nil {
		return nil, err
	}
	t := &token{signed: raw[:len(parts[0])+1+len(parts[1])]}
	head, err := strict.DecodeString(parts[0])
	if err != nil {
		return nil, refuse("header is not base64url")
	}
	if t.payload, err = strict.DecodeString(parts[1]); err != nil {
		return nil, refuse("payload is not base64url")
	}
	if t.signature, err = strict.DecodeString(parts[2]); err != nil {
		return nil, refuse("signature is not base64url")
	}
	if t.header, err = ParseObject(head); err != nil {
		return nil, refuse("header: %w", err)
	}
	return t, t.checkHeader()
}

// split cuts raw at its two dots. Every other byte must be base64url: no CR,
// no LF, no padding, so that one token has one spelling.
func split(raw string, parts *[3]string) error {
	if len(raw) > tokenMax {
		return refuse("found %d bytes, want at most %d", len(raw), tokenMax)
	}
	n, start := 0, 0
	for i := range len(raw) {
		c := raw[i]
		switch {
		case c == '.' && n < 2:
			parts[n] = raw[start:i]
			n, start = n+1, i+1
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return refuse("byte %d is neither base64url nor one of two dots", i)
		}
	}
	parts[2] = raw[start:]
	if n != 2 || parts[0] == "" || parts[1] == "" {
		return refuse("want three parts")
	}
	return nil // an empty third part is judged as alg none
}

// checkHeader applies RFC 8725 section 3.1 (pinned algorithms) and RFC 7515
// sections 4.1.4 (kid) and 4.1.11 (crit: we understand no extension, b64 of
// RFC 7797 included).
func (t *token) checkHeader() error {
	if name := lookalike(t.header, "alg", "kid", "typ", "crit", "b64"); name != "" {
		return refuse("header: found %s in another case", name)
	}
	alg, ok := t.header["alg"].(string)
	if !ok {
		return refuse("header: want alg as a string")
	}
	if alg != "RS256" && alg != "ES256" {
		return algorithmError(alg)
	}
	t.alg = alg
	if _, ok := t.header["crit"]; ok {
		return refuse("header: found crit")
	}
	if _, ok := t.header["b64"]; ok {
		return refuse("header: found b64")
	}
	if t.kid, ok = t.header["kid"].(string); !ok || t.kid == "" || len(t.kid) > kidMax {
		return refuse("header: want kid as a string of 1 to %d bytes", kidMax)
	}
	if typ, found := t.header["typ"]; found {
		s, ok := typ.(string)
		if !ok || s == "" {
			return refuse("header: want typ as a string")
		}
		// RFC 7515 section 4.1.9: a media type, case-insensitive, whose
		// "application/" may be left out.
		t.typ = strings.TrimPrefix(strings.ToLower(s), "application/")
	}
	if len(t.signature) == 0 {
		return refuse("found no signature")
	}
	return nil
}
