package jwks

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// DefaultLeeway is how far two clocks may differ.
const DefaultLeeway = 30 * time.Second

// Expect is what a bearer token must say.
type Expect struct {
	Issuer   string        // iss, exactly
	Audience []string      // aud must hold one of these
	ClientID string        // our own: a token for it alone is an ID token; "" if unknown
	Leeway   time.Duration // for exp, nbf, iat; 0 means DefaultLeeway
}

// VerifySignature returns the payload of a token that is signed by one of the
// issuer's keys; it judges no claim but that they are one JSON object without
// doubled names. It is for tokens that come straight from the issuer (it
// implements go-oidc's KeySet): an unknown key id, or a signature by another
// key than the one we have under that id, makes it wait for a fetch, at most
// five seconds, ahead of any stranger's. Errors are ErrInvalid (which may be an
// AlgorithmError) or ErrUnavailable.
func (k *Keys) VerifySignature(ctx context.Context, raw string) (payload []byte, err error) {
	t, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if _, err := ParseObject(t.payload); err != nil {
		return nil, refuse("payload: %w", err)
	}
	err = k.check(ctx, t, issuer)
	if err == errMismatch && k.await(ctx, issuer) == nil {
		err = k.check(ctx, t, issuer) // some issuers replace a key and keep its name
	}
	if err != nil {
		return nil, err
	}
	return t.payload, nil
}

// Verify returns the claims of an access token that somebody presented as
// bearer (RFC 6750, and RFC 9068 where the token is of that kind), and when it
// ends. Everything but the signature is checked first, so that a token for
// others never makes us fetch keys. A JWT that was made for another purpose,
// an ID token above all, is refused (RFC 8725 section 3.12). Numbers in claims
// are json.Number. Errors and waiting are as for VerifySignature, but
// strangers wait behind the issuer, and 64 of them at most.
func (k *Keys) Verify(ctx context.Context, raw string, want Expect) (claims map[string]any, expires time.Time, err error) {
	t, err := parse(raw)
	if err != nil {
		return nil, time.Time{}, err
	}
	if claims, err = ParseObject(t.payload); err != nil {
		return nil, time.Time{}, refuse("payload: %w", err)
	}
	if expires, err = want.judge(t.typ, claims, k.now()); err != nil {
		return nil, time.Time{}, err
	}
	if err := k.check(ctx, t, stranger); err != nil {
		return nil, time.Time{}, err
	}
	return claims, expires, nil
}

var errMismatch = refuse("signature does not match")

// check checks the signature.
func (k *Keys) check(ctx context.Context, t *token, a asker) error {
	set, err := k.setFor(ctx, t.kid, a)
	if err != nil {
		return err
	}
	method := jwt.GetSigningMethod(t.alg)
	// keyfunc also compares the key's alg, where it has one, with the token's.
	key, err := set.find(&jwt.Token{Method: method, Header: t.header})
	if err != nil {
		return refuse("its key is for another algorithm")
	}
	if err := method.Verify(t.signed, t.signature, key); err != nil {
		return errMismatch
	}
	return nil
}

// judge checks what a bearer token says.
func (want *Expect) judge(typ string, claims map[string]any, now time.Time) (expires time.Time, err error) {
	if err := CheckNames(claims); err != nil {
		return time.Time{}, refuse("%w", err)
	}
	if iss, _ := claims["iss"].(string); iss == "" || iss != want.Issuer {
		return time.Time{}, refuse("claim iss: want %q", want.Issuer)
	}
	audience, err := Audience(claims)
	if err != nil {
		return time.Time{}, refuse("%w", err)
	}
	ours := func(a string) bool { return slices.Contains(want.Audience, a) }
	if !slices.ContainsFunc(audience, ours) {
		return time.Time{}, refuse("claim aud: want one of %q", want.Audience)
	}
	if want.ClientID != "" && len(audience) == 1 && audience[0] == want.ClientID {
		return time.Time{}, refuse("an ID token is no bearer token: its audience is the client")
	}
	if err := checkPurposeOf(typ, claims); err != nil {
		return time.Time{}, err
	}
	if sub, _ := claims["sub"].(string); sub == "" {
		return time.Time{}, refuse("claim sub: want a string")
	}
	return want.judgeTimes(claims, now)
}

// checkPurposeOf refuses tokens that were made for something else than being
// a bearer's: by media type, or by claims that only those others have.
func checkPurposeOf(typ string, claims map[string]any) error {
	if typ != "" && typ != "jwt" && typ != "at+jwt" {
		return refuse("header: want typ JWT or at+jwt")
	}
	// nonce, at_hash, c_hash: OpenID Connect Core 2 and 3.3.2.11; events: RFC
	// 8417, of which logout tokens are made.
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		if _, found := claims[name]; found {
			return refuse("an ID or logout token is no bearer token: it has %s", name)
		}
	}
	// Keycloak and Cognito say it in a claim.
	for _, name := range []string{"typ", "token_use"} {
		v, _ := claims[name].(string)
		switch strings.ToLower(v) {
		case "id", "id_token", "refresh", "offline", "logout":
			return refuse("claim %s: says that this is no access token", name)
		}
	}
	return nil
}

// judgeTimes reads exp (required), nbf and iat. An iat in the future is
// refused too: it shows a clock that is wrong here or there.
func (want *Expect) judgeTimes(claims map[string]any, now time.Time) (expires time.Time, err error) {
	leeway := want.Leeway
	if leeway == 0 {
		leeway = DefaultLeeway
	}
	expires, found, err := Time(claims, "exp")
	switch {
	case err != nil:
		return time.Time{}, refuse("%w", err)
	case !found:
		return time.Time{}, refuse("claim exp: want a number")
	case !now.Before(expires.Add(leeway)):
		return time.Time{}, refuse("expired at %s, and here it is %s", clock(expires), clock(now))
	}
	for _, name := range []string{"nbf", "iat"} {
		from, found, err := Time(claims, name)
		if err != nil {
			return time.Time{}, refuse("%w", err)
		}
		if found && now.Add(leeway).Before(from) {
			return time.Time{}, refuse("claim %s is %s, and here it is %s", name, clock(from), clock(now))
		}
	}
	return expires, nil
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
