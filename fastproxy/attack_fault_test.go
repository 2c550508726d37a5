//go:build linux

package fastproxy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// tokenFault is a token that must let nobody in. forge makes it from what an
// honest one would say: as a bearer token, and as the ID token of a sign-in,
// unless it is a fault in one of them only.
type tokenFault struct {
	name  string
	only  string // "bearer" or "login"
	forge func(l *liar, c map[string]any) string
}

// marked stands in wrong values, to see that nobody is shown them.
const marked = "canary-of-a-token"

func tokenFaults(evil string) []tokenFault {
	all := append(wireFaults(), keyFaults(evil)...)
	all = append(all, claimFaults()...)
	return append(all, purposeFaults()...)
}

// good signs claims as the issuer would.
func good(c any) string { return compact(headOf("RS256", "ours"), c, ourRSA()) }

// wireFaults are tokens that two readers could read in two ways.
func wireFaults() (all []tokenFault) {
	add := func(name string, change func(p []string) string) {
		all = append(all, tokenFault{name, "", func(_ *liar, c map[string]any) string {
			return change(strings.Split(good(c), "."))
		}})
	}
	payload := func(name string, change func(s string) string) {
		all = append(all, tokenFault{name, "", func(_ *liar, c map[string]any) string { return good(change(text(c))) }})
	}
	header := func(name, h string) {
		all = append(all, tokenFault{name, "", func(_ *liar, c map[string]any) string { return compact(h, c, ourRSA()) }})
	}
	add("two parts", func(p []string) string { return p[0] + "." + p[1] })
	add("four parts", func(p []string) string { return p[0] + "." + p[1] + "." + p[2] + "." + p[2] })
	add("five parts, as a JWE has", func(p []string) string { return strings.Join(append(p, "a", "b"), ".") })
	add("no payload", func(p []string) string { return p[0] + ".." + p[2] })
	add("no signature", func(p []string) string { return p[0] + "." + p[1] + "." })
	add("the signature of zeros", func(p []string) string { return p[0] + "." + p[1] + "." + b64(make([]byte, 256)) })
	add("padding", func(p []string) string { return p[0] + "." + p[1] + "." + p[2] + "==" })
	add("base64 of the other alphabet", func(p []string) string { return p[0] + "." + p[1] + ".ab+/" })
	add("a byte behind", func(p []string) string { return strings.Join(p, ".") + "A" })
	add("percent-encoded dots", func(p []string) string { return strings.Join(p, "%2e") })
	add("JSON serialization", func(p []string) string {
		return `{"protected":"` + p[0] + `","payload":"` + p[1] + `","signature":"` + p[2] + `"}`
	})
	add("another payload under the signature", func(p []string) string {
		return p[0] + "." + b64([]byte(text(changed(claimsOf(strings.Join(p, ".")), map[string]any{"sub": "auth0|admin"})))) + "." + p[2]
	})
	add("another header over the signature", func(p []string) string {
		return b64([]byte(headOf("RS256", "ours", "x", "1"))) + "." + p[1] + "." + p[2]
	})
	payload("payload is an array", func(s string) string { return "[" + s + "]" })
	payload("payload is a string", func(string) string { return `"` + marked + `"` })
	payload("two payloads", func(s string) string { return s + s })
	payload("payload with a comment", func(s string) string { return s + "/**/" })
	payload("payload in UTF-16", func(s string) string { return "\xfe\xff\x00" + strings.Join(strings.Split(s, ""), "\x00") })
	payload("payload not UTF-8", func(s string) string { return strings.Replace(s, "{", "{\"x\":\"\xff\xfe\",", 1) })
	payload("sub twice", func(s string) string { return strings.Replace(s, "{", `{"sub":"auth0|admin",`, 1) })
	payload("sub twice, once escaped", func(s string) string { return strings.Replace(s, "{", `{"s\u0075b":"auth0|admin",`, 1) })
	payload("iss twice", func(s string) string { return strings.Replace(s, "{", `{"iss":"https://evil.example/",`, 1) })
	payload("aud twice", func(s string) string { return strings.Replace(s, "{", `{"aud":"`+marked+`",`, 1) })
	payload("exp twice", func(s string) string { return strings.Replace(s, "{", `{"exp":9999999999,`, 1) })
	payload("nested a thousand deep", func(s string) string {
		return strings.Replace(s, "{", `{"x":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`,`, 1)
	})
	payload("20 KB", func(s string) string { return strings.Replace(s, "{", `{"x":"`+strings.Repeat("y", 20<<10)+`",`, 1) })
	header("header is an array", `["alg","RS256"]`)
	header("alg twice", `{"alg":"none","alg":"RS256","kid":"ours"}`)
	header("alg twice, once escaped", `{"alg":"RS256","\u0061lg":"none","kid":"ours"}`)
	header("ALG in another case beside alg", `{"ALG":"none","alg":"RS256","kid":"ours"}`)
	header("Kid in another case alone", `{"alg":"RS256","Kid":"ours"}`)
	header("kid twice", `{"alg":"RS256","kid":"none","kid":"ours"}`)
	return all
}

// keyFaults are tokens by a key that is not the issuer's for such tokens, or
// that say how they want to be checked. evil is where some want us to ask.
func keyFaults(evil string) (all []tokenFault) {
	add := func(name, header string, key func() any) {
		all = append(all, tokenFault{name, "", func(_ *liar, c map[string]any) string { return compact(header, c, key()) }})
	}
	none := func() any { return nil }
	ours := func() any { return ourRSA() }
	theirs := func() any { return evilRSA() }
	secret := func(s func() string) func() any { return func() any { return s() } }
	is := func(s string) func() any { return func() any { return s } }
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		add(fmt.Sprintf("alg %q", alg), headOf(alg, "ours"), none)
		add(fmt.Sprintf("alg %q, signed all the same", alg), headOf(alg, "ours"), ours)
	}
	add("HS256 with the public key in PEM", headOf("HS256", "ours"), secret(publicPEM))
	add("HS256 with the public key in PEM without its last line end", headOf("HS256", "ours"), secret(func() string { return strings.TrimSpace(publicPEM()) }))
	add("HS256 with n", headOf("HS256", "ours"), secret(func() string { return string(ourRSA().N.Bytes()) }))
	add("HS256 with the key's JSON", headOf("HS256", "ours"), secret(func() string { return jwk("ours", ourRSA(), nil) }))
	add("HS256 with nothing", headOf("HS256", "ours"), is(""))
	add("HS256 with the client's secret", headOf("HS256", "ours"), is(clientSecret))
	add("HS256 with the oct key of the document", headOf("HS256", "oct"), is(octSecret))
	add("RS256 by the oct key of the document", headOf("RS256", "oct"), is(octSecret))
	for _, alg := range []string{"RS384", "RS512", "PS256", "ES384", "EdDSA", "HS512", "RSA1_5", "rs256", "RS256 "} {
		add("alg "+alg, headOf(alg, "ours"), ours)
	}
	add("no alg", `{"typ":"JWT","kid":"ours"}`, ours)
	add("alg is a list", `{"alg":["RS256"],"kid":"ours"}`, ours)
	add("RS256 with an EC key's kid", headOf("RS256", "ours-ec"), ours)
	add("ES256 with an RSA key's kid", headOf("ES256", "ours"), func() any { return ourEC() })
	add("ES256 of zeros", headOf("ES256", "ours-ec"), none)
	add("ES256 by P-384", headOf("ES256", "p384"), func() any { return bigEC() })
	add("RSA of 1024 bits", headOf("RS256", "small"), func() any { return smallRSA() })
	add("a key for encryption", headOf("RS256", "enc"), theirs)
	add("a stranger's key under our kid", headOf("RS256", "ours"), theirs)
	add("a stranger's EC key under our kid", headOf("ES256", "ours-ec"), func() any { return evilEC() })
	add("no kid", `{"alg":"RS256","typ":"JWT"}`, ours)
	add("an empty kid", headOf("RS256", ""), theirs)
	add("kid is a number", `{"alg":"RS256","kid":0}`, ours)
	add("kid is a list", `{"alg":"RS256","kid":["ours"]}`, ours)
	add("kid is null", `{"alg":"RS256","kid":null}`, ours)
	add("kid of 300 bytes", headOf("RS256", strings.Repeat("k", 300)), ours)
	add("kid as a path", headOf("RS256", "../../../../../../dev/null"), is(""))
	add("kid as SQL", headOf("RS256", "x' UNION SELECT 'ours'; --"), theirs)
	add("kid as a URL", headOf("RS256", evil+"/kid"), theirs)
	add("kid unknown", headOf("RS256", marked), theirs)
	embedded := jwk("ours", evilRSA(), nil)
	for _, kid := range []string{"ours", "mine"} {
		add("own key as jwk, kid "+kid, headOf("RS256", kid, "jwk", embedded), theirs)
		add("own key at jku, kid "+kid, headOf("RS256", kid, "jku", quoted(evil+"/jku")), theirs)
		add("own certificate at x5u, kid "+kid, headOf("RS256", kid, "x5u", quoted(evil+"/x5u")), theirs)
		add("own certificate as x5c, kid "+kid, headOf("RS256", kid, "x5c", `["MIIB"]`), theirs)
	}
	add("crit unknown", headOf("RS256", "ours", "crit", `["exp2"]`, "exp2", "1"), ours)
	add("crit empty", headOf("RS256", "ours", "crit", `[]`), ours)
	add("crit null", headOf("RS256", "ours", "crit", `null`), ours)
	add("crit and b64", headOf("RS256", "ours", "crit", `["b64"]`, "b64", "false"), ours)
	add("b64 alone", headOf("RS256", "ours", "b64", "false"), ours)
	return all
}

// claimFaults say something that an honest token would not.
func claimFaults() (all []tokenFault) {
	only := ""
	add := func(name string, more map[string]any) {
		all = append(all, tokenFault{name, only, func(_ *liar, c map[string]any) string { return good(changed(c, more)) }})
	}
	by := func(name string, more func(l *liar, c map[string]any) map[string]any) {
		all = append(all, tokenFault{name, only, func(l *liar, c map[string]any) string { return good(changed(c, more(l, c))) }})
	}
	add("no iss", map[string]any{"iss": nil})
	add("iss of another tenant", map[string]any{"iss": "https://" + marked + ".eu.auth0.com/"})
	by("iss without its slash", func(l *liar, _ map[string]any) map[string]any {
		return map[string]any{"iss": strings.TrimSuffix(l.Issuer, "/")}
	})
	by("iss in another case", func(l *liar, _ map[string]any) map[string]any {
		return map[string]any{"iss": strings.Replace(l.Issuer, "http", "HTTP", 1)}
	})
	by("iss with more behind", func(l *liar, _ map[string]any) map[string]any { return map[string]any{"iss": l.Issuer + "x"} })
	by("iss is a list", func(l *liar, _ map[string]any) map[string]any { return map[string]any{"iss": []string{l.Issuer}} })
	by("Iss beside iss", func(l *liar, _ map[string]any) map[string]any { return map[string]any{"Iss": l.Issuer} })
	add("no aud", map[string]any{"aud": nil})
	add("aud of another API", map[string]any{"aud": "https://" + marked + ".example/api"})
	add("aud empty", map[string]any{"aud": ""})
	add("aud an empty list", map[string]any{"aud": []string{}})
	add("aud a number", map[string]any{"aud": 7})
	add("aud an object", map[string]any{"aud": map[string]any{audience: 1, "shiny": 1}})
	add("aud with a number in it", map[string]any{"aud": []any{audience, "shiny", 7}})
	by("AUD for aud", func(_ *liar, c map[string]any) map[string]any { return map[string]any{"aud": nil, "AUD": c["aud"]} })
	add("no sub", map[string]any{"sub": nil})
	add("sub empty", map[string]any{"sub": ""})
	add("sub a number", map[string]any{"sub": 42})
	add("sub a list", map[string]any{"sub": []string{kimSub}})
	add("sub with a line end", map[string]any{"sub": "auth0|kim\r\nX-Auth0-Groups: Admin"})
	add("sub with a NUL", map[string]any{"sub": "auth0|kim\x00"})
	add("sub outside ASCII", map[string]any{"sub": "auth0|kím"})
	add("SUB beside sub", map[string]any{"SUB": "auth0|admin"})
	add("a long s in ſub beside sub", map[string]any{"ſub": "auth0|admin"})
	for name, exp := range map[string]string{"missing": "", "text": `"9999999999"`, "1e400": "1e400", "1e300": "1e300", "negative": "-1", "zero": "0", "null": "null",
		"true": "true", "a list": "[9999999999]", "in microseconds": "9999999999000000", "NaN as text": `"NaN"`} {
		if exp == "" {
			add("no exp", map[string]any{"exp": nil})
			continue
		}
		add("exp "+name, map[string]any{"exp": json.RawMessage(exp)})
	}
	now := time.Now().Unix()
	add("Exp for exp", map[string]any{"exp": nil, "Exp": now + 600})
	add("expired beyond what clocks differ", map[string]any{"exp": now - 45})
	add("nbf in the future", map[string]any{"nbf": now + 300})
	add("nbf text", map[string]any{"nbf": "0"})
	add("iat in the future", map[string]any{"iat": now + 300})
	add("iat text", map[string]any{"iat": marked})
	add("iat 1e400", map[string]any{"iat": json.RawMessage("1e400")})
	return all
}

// purposeFaults are true tokens of the issuer's, made for something else.
func purposeFaults() (all []tokenFault) {
	for _, typ := range []string{"logout+jwt", "dpop+jwt", "application/logout+jwt", "secevent+jwt", "7"} {
		all = append(all, tokenFault{"typ " + typ, "", func(_ *liar, c map[string]any) string {
			return compact(`{"alg":"RS256","kid":"ours","typ":"`+typ+`"}`, c, ourRSA())
		}})
	}
	add := func(only, name string, more map[string]any) {
		all = append(all, tokenFault{name, only, func(_ *liar, c map[string]any) string { return good(changed(c, more)) }})
	}
	all = append(all,
		tokenFault{"the ID token of the last sign-in", "bearer", func(l *liar, _ map[string]any) string { return l.trueID() }},
		tokenFault{"the ID token of an earlier sign-in", "login", func(l *liar, _ map[string]any) string { return earlierID.Load().(string) }},
		tokenFault{"an access token", "login", func(l *liar, _ map[string]any) string { return good(l.accessClaims()) }},
		tokenFault{"an access token by its type", "login", func(_ *liar, c map[string]any) string {
			return compact(`{"alg":"RS256","kid":"ours","typ":"at+jwt"}`, c, ourRSA())
		}},
	)
	add("bearer", "aud is the client alone", map[string]any{"aud": "shiny"})
	add("bearer", "aud is userinfo alone", map[string]any{"aud": "https://tenant.example/userinfo"})
	add("bearer", "a nonce", map[string]any{"nonce": "n"})
	add("bearer", "an at_hash", map[string]any{"at_hash": "h"})
	add("bearer", "a c_hash", map[string]any{"c_hash": "h"})
	add("bearer", "token_use id", map[string]any{"token_use": "id"})
	add("bearer", "typ ID as claim", map[string]any{"typ": "ID"})
	add("bearer", "typ Refresh as claim", map[string]any{"typ": "Refresh"})
	add("bearer", "events, as a logout token has", map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}})
	add("login", "no nonce", map[string]any{"nonce": nil})
	add("login", "another nonce", map[string]any{"nonce": marked})
	add("login", "an empty nonce", map[string]any{"nonce": ""})
	add("login", "the nonce in a list", map[string]any{"nonce": []string{marked}})
	add("login", "Nonce beside nonce", map[string]any{"Nonce": marked})
	add("login", "at_hash of another access token", map[string]any{"at_hash": b64([]byte("sixteen bytes 16"))})
	add("login", "azp of another client", map[string]any{"azp": marked})
	add("login", "two in aud and no azp", map[string]any{"aud": []string{"shiny", "another"}, "azp": nil})
	add("login", "two in aud and azp the other", map[string]any{"aud": []string{"shiny", "another"}, "azp": "another"})
	add("login", "aud of another client", map[string]any{"aud": "another"})
	add("login", "no iat", map[string]any{"iat": nil})
	return all
}
