package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// writeToken makes an RS256 key and writes its public half, jwt.pem, and a
// header line with a token that it signed, jwt.header, into dir. The token is
// as long as one of Auth0's and good for a day.
func writeToken(dir string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("peers: make a key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("peers: write the key: %w", err)
	}
	token, err := sign(key, map[string]any{
		"iss": "https://bench.example/", "aud": []string{"https://shiny.example", "https://bench.example/userinfo"},
		"sub": "auth0|5ad0e2c1f3b4a5968778695a", "azp": "kMnOpQrStUvWxYzAbCdEfGhIjKlMnOpQ",
		"iat": time.Now().Unix(), "exp": time.Now().Add(24 * time.Hour).Unix(),
		"scope": "openid profile email", "https://bench.example/groups": []string{"Finance", "Research", "Everybody"},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "jwt.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644); err != nil {
		return fmt.Errorf("peers: write the key: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "jwt.header"), []byte("Authorization: Bearer "+token+"\n"), 0o600); err != nil {
		return fmt.Errorf("peers: write the token: %w", err)
	}
	return nil
}

func sign(key *rsa.PrivateKey, claims map[string]any) (string, error) {
	head, err1 := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": "bench"})
	body, err2 := json.Marshal(claims)
	if err1 != nil || err2 != nil {
		return "", fmt.Errorf("peers: write the token: %w", err2)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(head) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("peers: sign the token: %w", err)
	}
	return signed + "." + encode(signature), nil
}
