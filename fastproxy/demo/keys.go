package demo

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"

	// golang-jwt writes and checks the tokens: the same library that reads them
	// on the other side, so that the two cannot drift apart in spelling.
	"github.com/golang-jwt/jwt/v5"
)

// keys is the signing key in use and the ones before it, which still verify.
type keys struct {
	mu  sync.Mutex
	all []signingKey // the last one signs
}

type signingKey struct {
	kid string
	key *rsa.PrivateKey
}

// rotate makes a new 2048-bit key the signing one. It takes a moment.
func (k *keys) rotate() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("demo: make signing key: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, signingKey{rand.Text()[:20], key})
	return nil
}

// sign returns claims as a compact RS256 JWT of that typ.
func (k *keys) sign(typ string, claims map[string]any) (string, error) {
	k.mu.Lock()
	key := k.all[len(k.all)-1]
	k.mu.Unlock()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
	token.Header["typ"] = typ
	token.Header["kid"] = key.kid
	signed, err := token.SignedString(key.key)
	if err != nil {
		return "", fmt.Errorf("demo: sign token: %w", err)
	}
	return signed, nil
}

// verify reads a token that one of the keys signed, expired or not: a sign-out
// hint counts for as long as the session it names.
func (k *keys) verify(token string) (map[string]any, error) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, key := range k.all {
			if key.kid == t.Header["kid"] {
				return &key.key.PublicKey, nil
			}
		}
		return nil, jwt.ErrTokenUnverifiable
	})
	return claims, err
}

// serveJWKS answers with the public halves (RFC 7517), newest first.
func (k *keys) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	type jwk struct {
		Kty string `json:"kty"`
		Use string `json:"use"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		N   string `json:"n"`
		E   string `json:"e"`
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set := struct {
		Keys []jwk `json:"keys"`
	}{}
	k.mu.Lock()
	for i := len(k.all) - 1; i >= 0; i-- {
		pub := k.all[i].key.PublicKey
		set.Keys = append(set.Keys, jwk{"RSA", "sig", "RS256", k.all[i].kid,
			b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())})
	}
	k.mu.Unlock()
	w.Header().Set("Cache-Control", "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")
	writeJSON(w, http.StatusOK, set)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "demo: cannot write JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body)
}
