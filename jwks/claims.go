package jwks

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// deciding are the claims on which somebody is let in or not.
var deciding = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "nonce", "azp",
	"at_hash", "auth_time", "sid", "org_id", "org_name"}

// CheckNames refuses claims in which a name that decides about a token is
// spelled in another case.
func CheckNames(claims map[string]any) error {
	if name := lookalike(claims, deciding...); name != "" {
		return fmt.Errorf("claim %s: found in another case", name)
	}
	return nil
}

// lookalike returns the one of names that object spells in another case, or
// "". Such a member has no honest use, and decoders that fill structs would
// take it for the real one (even "ſub", by Unicode folding).
func lookalike(object map[string]any, names ...string) string {
	for member := range object {
		for _, name := range names {
			if member != name && strings.EqualFold(member, name) {
				return name
			}
		}
	}
	return ""
}

// farFuture is the year 10000: a time beyond it is a mistake or a try.
const farFuture = 253402300800

// Time reads a claim as a NumericDate (RFC 7519 section 2): a JSON number of
// seconds since 1970, before the year 10000. found is false if there is no
// such claim.
func Time(claims map[string]any, name string) (t time.Time, found bool, err error) {
	v, found := claims[name]
	if !found {
		return time.Time{}, false, nil
	}
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, true, fmt.Errorf("claim %s: want a number", name)
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f >= farFuture {
		return time.Time{}, true, fmt.Errorf("claim %s: want seconds between the years 1970 and 10000", name)
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true, nil
}

// Audience reads aud: a string, or an array of strings (RFC 7519 section
// 4.1.3), none of them empty.
func Audience(claims map[string]any) ([]string, error) {
	var audience []string
	switch v := claims["aud"].(type) {
	case string:
		audience = []string{v}
	case []any:
		for _, e := range v {
			s, _ := e.(string)
			audience = append(audience, s)
		}
	}
	if len(audience) == 0 || slices.Contains(audience, "") {
		return nil, errors.New("claim aud: want a string or an array of strings")
	}
	return audience, nil
}
