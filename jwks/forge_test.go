package jwks

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// hmacToken signs with HS256, as a forger does with what is public.
func hmacToken(header, payload string, key []byte) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

func publicPEM(key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func zeroSignature(header, payload string, size int) string {
	return b64([]byte(header)) + "." + b64([]byte(payload)) + "." + b64(make([]byte, size))
}

// asn1Token is signed well, but in the encoding of TLS instead of RFC 7518
// section 3.4.
func asn1Token(header, payload string) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	digest := sha256.Sum256([]byte(text))
	s, err := ecdsa.SignASN1(rand.Reader, ecKey(), digest[:])
	if err != nil {
		panic(err)
	}
	return text + "." + b64(s)
}

func swapPayload(token, payload string) string {
	p := strings.Split(token, ".")
	return p[0] + "." + b64([]byte(payload)) + "." + p[2]
}
