//go:build linux

package fastproxy_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"sync"
)

// Keys of the liar's, made once. Those whose names begin with "our" are among
// the issuer's and would do; the others must not.
var (
	ourRSA   = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	ourEC    = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	evilRSA  = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	evilEC   = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	smallRSA = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
	bigEC    = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P384()) })
)

// octSecret is a key that the document publishes, so everybody has it.
const octSecret = "a symmetric key in a public document"

func newRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

func newEC(c elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk is the public half of a key (RFC 7517); more is laid over it, as in
// changed.
func jwk(kid string, key crypto.Signer, more map[string]any) string {
	m := map[string]any{"kid": kid, "use": "sig"}
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["alg"] = "RSA", "RS256"
		m["n"], m["e"] = b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		half := (len(point) - 1) / 2
		m["kty"], m["crv"], m["alg"] = "EC", k.Curve.Params().Name, "ES256"
		m["x"], m["y"] = b64(point[1:1+half]), b64(point[1+half:])
	}
	return text(changed(m, more))
}

// text is v as JSON, which a string is already.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// compact makes a JWS of exactly these bytes; header and payload are JSON or
// what becomes JSON. The key signs in its own way, whatever the header says: a
// string is an HMAC secret, nil signs nothing.
func compact(header, payload, key any) string {
	signed := b64([]byte(text(header))) + "." + b64([]byte(text(payload)))
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch k := key.(type) {
	case string:
		mac := hmac.New(sha256.New, []byte(k))
		mac.Write([]byte(signed))
		signature = mac.Sum(nil)
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		r, s, failed := ecdsa.Sign(rand.Reader, k, digest[:])
		if err = failed; err == nil {
			half := (k.Curve.Params().BitSize + 7) / 8
			signature = append(r.FillBytes(make([]byte, half)), s.FillBytes(make([]byte, half))...)
		}
	}
	if err != nil {
		panic(err)
	}
	return signed + "." + b64(signature)
}

// headOf is a header with this alg and kid; pairs of a name and its JSON follow.
func headOf(alg, kid string, more ...string) string {
	h := `{"typ":"JWT","alg":` + quoted(alg) + `,"kid":` + quoted(kid)
	for i := 0; i < len(more); i += 2 {
		h += "," + quoted(more[i]) + ":" + more[i+1]
	}
	return h + "}"
}

// quoted is a text as a JSON string.
func quoted(s string) string { return text([]string{s})[1:][:len(text([]string{s}))-2] }

// publicPEM is the issuer's RSA key as anybody can write it down.
func publicPEM() string {
	der, err := x509.MarshalPKIXPublicKey(&ourRSA().PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// publishedKeys is a document that holds every sort of key that must not be
// used, beside the two that may.
func publishedKeys() []string {
	return []string{
		`{"kty":"oct","kid":"oct","alg":"HS256","use":"sig","k":"` + b64([]byte(octSecret)) + `"}`,
		jwk("small", smallRSA(), nil),
		jwk("enc", evilRSA(), map[string]any{"use": "enc"}),
		jwk("p384", bigEC(), map[string]any{"alg": nil}),
		jwk("ours", ourRSA(), nil),
		jwk("ours-ec", ourEC(), nil),
		jwk("", evilRSA(), nil),
	}
}
