package jwks

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// fault is a token that must be refused.
type fault struct {
	name, token string
	alg         string // AlgorithmError wanted, naming this
}

func (f fault) check(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrInvalid) || errors.Is(err, ErrUnavailable) {
		t.Errorf("%s: found error %v, want ErrInvalid", f.name, err)
		return
	}
	var wrong *AlgorithmError
	if errors.As(err, &wrong) != (f.alg != "") || wrong != nil && wrong.Alg != f.alg {
		t.Errorf("%s: found error %v, want AlgorithmError %q", f.name, err, f.alg)
	}
	for part := range strings.SplitSeq(f.token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("%s: error shows the token", f.name)
		}
	}
	if strings.Contains(err.Error(), marked) {
		t.Errorf("%s: error shows what the token says", f.name)
	}
}

// marked stands in wrong values, to see that errors do not repeat them.
const marked = "canary-7f3a"

// wireFaults are wrong before any key is asked for; so are both kinds of
// signature faults below, for ID tokens and bearer tokens alike.
func wireFaults() []fault {
	good := sign(headRS, claims(nil), rsaKey())
	p := strings.Split(good, ".")
	last := good[len(good)-1:]
	other := map[bool]string{true: "B", false: "A"}[last != "B"]
	return []fault{
		{name: "empty", token: ""},
		{name: "one part", token: p[0]},
		{name: "two parts", token: p[0] + "." + p[1]},
		{name: "four parts", token: good + "." + p[2]},
		{name: "JWE of five parts", token: good + ".a.b"},
		{name: "empty header", token: "." + p[1] + "." + p[2]},
		{name: "empty payload (detached)", token: p[0] + ".." + p[2]},
		{name: "empty signature", token: p[0] + "." + p[1] + "."},
		{name: "line feed inside", token: p[0] + ".\n" + p[1] + "." + p[2]},
		{name: "line feed at the end", token: good + "\n"},
		{name: "carriage return inside", token: p[0] + "." + p[1] + ".\r" + p[2]},
		{name: "space before", token: " " + good},
		{name: "padding", token: good + "=="},
		{name: "standard base64 alphabet", token: p[0] + "." + p[1] + ".ab+/"},
		{name: "NUL", token: good + "\x00"},
		{name: "not ASCII", token: good + "é"},
		{name: "percent-encoded", token: strings.ReplaceAll(good, ".", "%2e")},
		{name: "trailing bits in base64url", token: p[0] + "." + p[1] + "." + p[2][:len(p[2])-1] + other},
		{name: "17 KiB", token: sign(headRS, claims(map[string]any{"x": strings.Repeat("y", 13<<10)}), rsaKey())},
		{name: "JSON serialization", token: `{"payload":"` + p[1] + `"}`},
		{name: "header is an array", token: sign(`["alg","RS256"]`, claims(nil), rsaKey())},
		{name: "header is no JSON", token: sign(`alg=RS256`, claims(nil), rsaKey())},
		{name: "header not UTF-8", token: sign("{\"alg\":\"RS256\",\"kid\":\"r1\",\"x\":\"\xff\"}", claims(nil), rsaKey())},
		{name: "header with something behind", token: sign(headRS+`{}`, claims(nil), rsaKey())},
		{name: "payload is a string", token: sign(headRS, `"`+marked+`"`, rsaKey())},
		{name: "payload is null", token: sign(headRS, `null`, rsaKey())},
		{name: "payload with a second object", token: sign(headRS, claims(nil)+claims(nil), rsaKey())},
		{name: "payload nested deep", token: sign(headRS, `{"x":`+strings.Repeat("[", 4000)+strings.Repeat("]", 4000)+`}`, rsaKey())},
		{name: "alg twice", token: sign(`{"alg":"none","alg":"RS256","kid":"r1"}`, claims(nil), rsaKey())},
		{name: "alg twice, once escaped", token: sign(`{"alg":"RS256","kid":"r1","\u0061lg":"RS256"}`, claims(nil), rsaKey())},
		{name: "kid twice", token: sign(`{"alg":"RS256","kid":"zz","kid":"r1"}`, claims(nil), rsaKey())},
		{name: "sub twice", token: sign(headRS, strings.Replace(claims(nil), `"sub":`, `"sub":"admin","sub":`, 1), rsaKey())},
		{name: "a nested name twice", token: sign(headRS, claims(map[string]any{"x": json.RawMessage(`{"a":1,"a":2}`)}), rsaKey())},
		{name: "ALG in another case", token: sign(`{"ALG":"RS256","alg":"RS256","kid":"r1"}`, claims(nil), rsaKey())},
		{name: "only Kid", token: sign(`{"alg":"RS256","Kid":"r1"}`, claims(nil), rsaKey())},
	}
}

func headerFaults(evil string) []fault {
	hs := func(key []byte) string { return hmacToken(`{"alg":"HS256","typ":"JWT","kid":"r1"}`, claims(nil), key) }
	embedded := jwk("mine", otherRSA(), nil)
	return []fault{
		{name: "alg none", token: sign(`{"alg":"none","kid":"r1"}`, claims(nil), rsaKey()), alg: "none"},
		{name: "alg none without a signature", token: b64([]byte(`{"alg":"none","kid":"r1"}`)) + "." + b64([]byte(claims(nil))) + ".", alg: "none"},
		{name: "alg nOnE", token: sign(`{"alg":"nOnE","kid":"r1"}`, claims(nil), rsaKey()), alg: "unknown"},
		{name: "alg of the token's own making", token: sign(`{"alg":"`+marked+`","kid":"r1"}`, claims(nil), rsaKey()), alg: "unknown"},
		{name: "HS256 with the public key as PEM", token: hs(publicPEM(rsaKey())), alg: "HS256"},
		{name: "HS256 with n as text", token: hs([]byte(b64(rsaKey().N.Bytes()))), alg: "HS256"},
		{name: "HS256 with an empty key", token: hs(nil), alg: "HS256"},
		{name: "HS256 with the oct key of the document", token: hmacToken(`{"alg":"HS256","kid":"o1"}`, claims(nil), []byte("secret of the document")), alg: "HS256"},
		{name: "RS384", token: sign(`{"alg":"RS384","kid":"r1"}`, claims(nil), rsaKey()), alg: "RS384"},
		{name: "PS256", token: sign(`{"alg":"PS256","kid":"r1"}`, claims(nil), rsaKey()), alg: "PS256"},
		{name: "ES384", token: sign(`{"alg":"ES384","kid":"p384"}`, claims(nil), p384Key()), alg: "ES384"},
		{name: "EdDSA", token: sign(`{"alg":"EdDSA","kid":"r1"}`, claims(nil), rsaKey()), alg: "EdDSA"},
		{name: "no alg", token: sign(`{"kid":"r1"}`, claims(nil), rsaKey())},
		{name: "alg is a list", token: sign(`{"alg":["RS256"],"kid":"r1"}`, claims(nil), rsaKey())},
		{name: "RS256 with the kid of an EC key", token: sign(`{"alg":"RS256","kid":"e1"}`, claims(nil), rsaKey())},
		{name: "ES256 with the kid of an RSA key", token: sign(`{"alg":"ES256","kid":"r1"}`, claims(nil), ecKey())},
		{name: "RS256 with an EC key that names no alg", token: sign(`{"alg":"RS256","kid":"bare"}`, claims(nil), rsaKey())},
		{name: "ES256 by P-384", token: sign(`{"alg":"ES256","kid":"p384"}`, claims(nil), p384Key())},
		{name: "RSA of 1024 bits", token: sign(`{"alg":"RS256","kid":"small"}`, claims(nil), smallRSA())},
		{name: "a key for encryption", token: sign(`{"alg":"RS256","kid":"enc"}`, claims(nil), otherRSA())},
		{name: "no kid", token: sign(`{"alg":"RS256"}`, claims(nil), rsaKey())},
		{name: "kid empty", token: sign(`{"alg":"RS256","kid":""}`, claims(nil), rsaKey())},
		{name: "kid is a number", token: sign(`{"alg":"RS256","kid":1}`, claims(nil), rsaKey())},
		{name: "kid is null", token: sign(`{"alg":"RS256","kid":null}`, claims(nil), rsaKey())},
		{name: "kid of 300 bytes", token: sign(`{"alg":"RS256","kid":"`+strings.Repeat("k", 300)+`"}`, claims(nil), rsaKey())},
		{name: "kid as a path", token: hmacToken(`{"alg":"RS256","kid":"../../../../dev/null"}`, claims(nil), nil)},
		{name: "kid as SQL", token: sign(`{"alg":"RS256","kid":"x' UNION SELECT 'r1"}`, claims(nil), otherRSA())},
		{name: "kid unknown", token: sign(`{"alg":"RS256","kid":"`+marked+`"}`, claims(nil), rsaKey())},
		{name: "kid of another key", token: sign(`{"alg":"RS256","kid":"r2"}`, claims(nil), rsaKey())},
		{name: "own key embedded as jwk", token: sign(`{"alg":"RS256","kid":"mine","jwk":`+embedded+`}`, claims(nil), otherRSA())},
		{name: "own key embedded under our kid", token: sign(`{"alg":"RS256","kid":"r1","jwk":`+embedded+`}`, claims(nil), otherRSA())},
		{name: "jku", token: sign(`{"alg":"RS256","kid":"mine","jku":"`+evil+`/jku"}`, claims(nil), otherRSA())},
		{name: "x5u", token: sign(`{"alg":"RS256","kid":"mine","x5u":"`+evil+`/x5u"}`, claims(nil), otherRSA())},
		{name: "x5c", token: sign(`{"alg":"RS256","kid":"mine","x5c":["MIIB"]}`, claims(nil), otherRSA())},
		{name: "crit unknown", token: sign(`{"alg":"RS256","kid":"r1","crit":["exp2"],"exp2":1}`, claims(nil), rsaKey())},
		{name: "crit empty", token: sign(`{"alg":"RS256","kid":"r1","crit":[]}`, claims(nil), rsaKey())},
		{name: "crit b64", token: sign(`{"alg":"RS256","kid":"r1","crit":["b64"],"b64":false}`, claims(nil), rsaKey())},
		{name: "b64 false without crit", token: sign(`{"alg":"RS256","kid":"r1","b64":false}`, claims(nil), rsaKey())},
		{name: "typ is a number", token: sign(`{"alg":"RS256","kid":"r1","typ":1}`, claims(nil), rsaKey())},
		{name: "signed by a stranger", token: sign(headRS, claims(nil), otherRSA())},
		{name: "EC, signed by a stranger", token: sign(headES, claims(nil), otherEC())},
		{name: "EC signature of zeros", token: zeroSignature(headES, claims(nil), 64)},
		{name: "EC signature in ASN.1", token: asn1Token(headES, claims(nil))},
		{name: "RSA signature of zeros", token: zeroSignature(headRS, claims(nil), 256)},
		{name: "payload swapped", token: swapPayload(sign(headRS, claims(nil), rsaKey()), claims(map[string]any{"sub": "admin"}))},
	}
}

func claimFaults() []fault {
	var list []fault
	add := func(name string, more map[string]any) {
		list = append(list, fault{name: name, token: sign(headRS, claims(more), rsaKey())})
	}
	now := testNow.Unix()
	add("iss missing", map[string]any{"iss": nil})
	add("iss without its slash", map[string]any{"iss": strings.TrimSuffix(testIssuer, "/")})
	add("iss in another case", map[string]any{"iss": strings.ToUpper(testIssuer)})
	add("iss of another tenant", map[string]any{"iss": "https://" + marked + ".example/"})
	add("iss is a list", map[string]any{"iss": []any{testIssuer}})
	add("Iss beside iss", map[string]any{"Iss": testIssuer})
	add("aud missing", map[string]any{"aud": nil})
	add("aud of another API", map[string]any{"aud": "https://" + marked + ".example/"})
	add("aud is a prefix of ours", map[string]any{"aud": strings.TrimSuffix(testAudience, "/")})
	add("aud is empty", map[string]any{"aud": ""})
	add("aud is an empty list", map[string]any{"aud": []any{}})
	add("aud holds a number", map[string]any{"aud": []any{testAudience, 1}})
	add("aud is an object", map[string]any{"aud": map[string]any{testAudience: true}})
	add("aud is only the client", map[string]any{"aud": testClient})
	add("AUD alone", map[string]any{"aud": nil, "AUD": testAudience})
	add("sub missing", map[string]any{"sub": nil})
	add("sub empty", map[string]any{"sub": ""})
	add("sub is a number", map[string]any{"sub": 7})
	add("sub is null", map[string]any{"sub": json.RawMessage("null")})
	add("SUB beside sub", map[string]any{"SUB": "admin"})
	add("long s in ſub beside sub", map[string]any{"ſub": "admin"})
	add("exp missing", map[string]any{"exp": nil})
	add("exp as text", map[string]any{"exp": "1900000000"})
	add("exp is 1e400", map[string]any{"exp": json.RawMessage("1e400")})
	add("exp is 1e300", map[string]any{"exp": json.RawMessage("1e300")})
	add("exp is negative", map[string]any{"exp": -1})
	add("exp is zero", map[string]any{"exp": 0})
	add("exp is null", map[string]any{"exp": json.RawMessage("null")})
	add("exp in milliseconds", map[string]any{"exp": now * 1000 * 1000})
	add("exp is true", map[string]any{"exp": true})
	add("Exp alone", map[string]any{"exp": nil, "Exp": now + 60})
	add("expired beyond leeway", map[string]any{"exp": now - 30})
	add("nbf in the future", map[string]any{"nbf": now + 31})
	add("nbf as text", map[string]any{"nbf": "0"})
	add("iat in the future", map[string]any{"iat": now + 31})
	add("iat as text", map[string]any{"iat": marked})
	add("iat is 1e400", map[string]any{"iat": json.RawMessage("1e400")})
	add("an ID token, by nonce", map[string]any{"nonce": "n"})
	add("an ID token, by at_hash", map[string]any{"at_hash": "h"})
	add("an ID token, by c_hash", map[string]any{"c_hash": "h"})
	add("an ID token, by Keycloak's typ", map[string]any{"typ": "ID"})
	add("an ID token, by Cognito's token_use", map[string]any{"token_use": "id"})
	add("a refresh token, by typ", map[string]any{"typ": "Refresh"})
	add("a logout token", map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})
	list = append(list,
		fault{name: "a logout token, by media type", token: sign(`{"alg":"RS256","kid":"r1","typ":"logout+jwt"}`, claims(nil), rsaKey())},
		fault{name: "a DPoP proof, by media type", token: sign(`{"alg":"RS256","kid":"r1","typ":"dpop+jwt"}`, claims(nil), rsaKey())},
	)
	return list
}

// faultySet is a document with every sort of key that must not be used beside
// two that must.
func faultySet() string {
	return jwkSet(
		`{"kty":"oct","kid":"o1","k":"`+b64([]byte("secret of the document"))+`","alg":"HS256"}`,
		jwk("small", smallRSA(), nil),
		jwk("enc", otherRSA(), map[string]any{"use": "enc"}),
		jwk("p384", p384Key(), map[string]any{"alg": nil}),
		jwk("r1", rsaKey(), nil),
		jwk("e1", ecKey(), nil),
		jwk("bare", otherEC(), map[string]any{"alg": nil, "use": nil}),
		jwk("r2", otherRSA(), nil),
	)
}
