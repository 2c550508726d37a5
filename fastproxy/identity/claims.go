package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// subjectMax is four times what OpenID Connect Core section 2 allows a sub.
	subjectMax = 1024
	// A claim over its limit counts as absent and is never cut: half an
	// address is somebody else's address.
	textMax    = 512
	pictureMax = 2048

	claimKeysMax    = 50
	claimKeyMaxSize = 100
)

// FromClaims makes the principal of an OIDC issuer from the claims of a
// checked token (and userinfo, merged by the caller). Claim names are compared
// exactly; groupsClaim is one whole name, never a path: it is looked up as it
// is, then with "/groups" behind it; "" means that there are no groups.
//
// The subject must be printable ASCII (OpenID Connect Core section 2) without
// spaces at its ends, because it travels in a header as it is. Errors never
// hold a claim's value. Claims of another type than string, with NUL bytes or
// of unusual length count as absent.
func FromClaims(issuer string, claims map[string]any, groupsClaim string) (Principal, error) {
	p := Principal{Method: MethodOIDC, Issuer: issuer}
	sub, err := subject(claims["sub"])
	if err != nil {
		return Principal{}, fmt.Errorf("identity: read claim sub: %w", err)
	}
	p.Subject = sub
	p.Email = text(claims["email"], textMax)
	p.EmailVerified = verified(claims["email_verified"])
	p.Name = text(claims["name"], textMax)
	p.Nickname = text(claims["nickname"], textMax)
	p.Picture = text(claims["picture"], pictureMax)
	p.Locale = text(claims["locale"], textMax)
	if groupsClaim != "" {
		p.Groups = groupsOf(claims[groupsClaim])
		if len(p.Groups) == 0 {
			p.Groups = groupsOf(claims[groupsClaim+"/groups"])
		}
	}
	if len(p.Groups) == 0 {
		p.ClaimKeys = claimKeys(claims)
	}
	return p, nil
}

func subject(v any) (string, error) {
	s, ok := v.(string)
	switch {
	case v == nil:
		return "", errors.New("found nothing, want a string")
	case !ok:
		return "", fmt.Errorf("found %s, want a string", kindOf(v))
	case s == "":
		return "", errors.New("found an empty string")
	case len(s) > subjectMax:
		return "", fmt.Errorf("found %d bytes, want at most %d", len(s), subjectMax)
	case s[0] == ' ' || s[len(s)-1] == ' ':
		return "", errors.New("found a space at an end")
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "", fmt.Errorf("found byte %#02x at offset %d, want printable ASCII only", s[i], i)
		}
	}
	return s, nil
}

// text returns v if it is a string that can travel, else "".
func text(v any, limit int) string {
	s, _ := v.(string)
	if len(s) > limit || strings.IndexByte(s, 0) >= 0 {
		return "" // R strings cannot hold NUL
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// verified reads email_verified, which some issuers send as a string.
func verified(v any) Verified {
	switch v {
	case true, "true":
		return VerifiedYes
	case false, "false":
		return VerifiedNo
	}
	return VerifiedUnknown
}

func claimKeys(claims map[string]any) []string {
	keys := make([]string, 0, len(claims))
	for k := range claims {
		keys = append(keys, cut(strings.ToValidUTF8(k, "\uFFFD"), claimKeyMaxSize))
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	return slices.Clone(keys[:min(len(keys), claimKeysMax)])
}

// cut returns at most n bytes of s, whole runes only.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.Clone(s[:n])
}

// kindOf names v's JSON type, for errors that must not show the value.
func kindOf(v any) string {
	switch v.(type) {
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return "a number"
}
