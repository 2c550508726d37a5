package jwks

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	// jwkset reads single keys and keyfunc finds one for a token: the pair is
	// the most used reader of RFC 7517 in Go. What they do not do (pick keys
	// one by one, survive an empty document, bound fetches) is done here.
	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"

	// golang-jwt checks signatures; keyfunc is made for it.
	"github.com/golang-jwt/jwt/v5"
)

const (
	keysMax    = 100  // entries of one document; Auth0 has two or three
	rsaBitsMin = 2048 // RFC 7518 section 3.3
	rsaBitsMax = 8192 // verifying takes time with the square of the size
)

// keySet is what one fetched document left: usable keys only, never changed.
type keySet struct {
	find jwt.Keyfunc
	kids map[string]string // what each key is, to notice another under its name
}

func (s *keySet) has(kid string) bool {
	if s == nil {
		return false
	}
	_, ok := s.kids[kid]
	return ok
}

// lost reports whether a key of s is gone from next, or another one there.
func (s *keySet) lost(next *keySet) bool {
	if s == nil {
		return false
	}
	for kid, key := range s.kids {
		if next.kids[kid] != key {
			return true
		}
	}
	return false
}

// errNotForUs marks keys that are sound, but for other work than ours.
var errNotForUs = errors.New("not for RS256 or ES256 signatures")

// readDocument picks the usable keys of a JWK Set (RFC 7517 section 5), each
// judged alone. With no usable key the error says so and the set is nil; with
// some, complaint tells of those that should have been usable and are not.
func readDocument(document []byte) (set *keySet, complaint error, err error) {
	var list struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &list); err != nil {
		return nil, nil, errors.New("jwks: read keys: not a JSON Web Key Set")
	}
	if len(list.Keys) > keysMax {
		complaint = fmt.Errorf("jwks: read keys: found %d, looked at the first %d", len(list.Keys), keysMax)
		list.Keys = list.Keys[:keysMax]
	}
	store := jwkset.NewMemoryStorage()
	set = &keySet{kids: make(map[string]string)}
	for i, raw := range list.Keys {
		key, err := readKey(raw)
		if err == nil && set.has(key.Marshal().KID) {
			err = errors.New("another key has its kid")
		}
		if err != nil {
			if !errors.Is(err, errNotForUs) {
				complaint = errors.Join(complaint, fmt.Errorf("jwks: read key %d of %d: %w", i+1, len(list.Keys), err))
			}
			continue
		}
		m := key.Marshal()
		set.kids[m.KID] = strings.Join([]string{m.N, m.E, m.X, m.Y}, " ")
		if err := store.KeyWrite(context.Background(), key); err != nil {
			return nil, complaint, fmt.Errorf("jwks: store key: %w", err)
		}
	}
	if len(set.kids) == 0 {
		return nil, nil, errors.Join(fmt.Errorf("jwks: read keys: none of %d usable", len(list.Keys)), complaint)
	}
	finder, err := keyfunc.New(keyfunc.Options{Storage: store})
	if err != nil {
		return nil, complaint, fmt.Errorf("jwks: store keys: %w", err)
	}
	set.find = finder.Keyfunc
	return set, complaint, nil
}

// readKey reads one key that can check RS256 or ES256 signatures. Certificates
// (x5c, x5u) are left out: the key is what n and e, or x and y, say.
func readKey(raw json.RawMessage) (jwkset.JWK, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return jwkset.JWK{}, errors.New("want an object with string members")
	}
	m.X5C, m.X5U, m.X5T, m.X5TS256 = nil, "", "", ""
	if err := checkPurpose(&m); err != nil {
		return jwkset.JWK{}, err
	}
	if m.KID == "" || len(m.KID) > kidMax {
		return jwkset.JWK{}, fmt.Errorf("want a kid of 1 to %d bytes", kidMax)
	}
	if m.D != "" || m.P != "" || m.Q != "" || m.DP != "" || m.DQ != "" || m.QI != "" || m.K != "" || m.OTH != nil {
		return jwkset.JWK{}, errors.New("the document publishes its private half; the issuer must replace it")
	}
	// jwkset would cut a longer e to 64 bits and read another key.
	if m.KTY == jwkset.KtyRSA && len(strings.TrimRight(m.E, "=")) > 6 {
		return jwkset.JWK{}, errors.New("RSA exponent: want at most 32 bits")
	}
	key, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return jwkset.JWK{}, fmt.Errorf("want a valid %s key", m.KTY)
	}
	return key, checkStrength(key.Key())
}

// checkPurpose passes keys that may check one of our two signatures. What
// says that it is for encryption, other algorithms or other curves is no
// fault of the document: issuers list those beside ours.
func checkPurpose(m *jwkset.JWKMarshal) error {
	var alg jwkset.ALG
	switch {
	case m.KTY == jwkset.KtyRSA:
		alg = jwkset.AlgRS256
	case m.KTY == jwkset.KtyEC && m.CRV == jwkset.CrvP256:
		alg = jwkset.AlgES256
	default:
		return errNotForUs
	}
	if m.ALG != "" && m.ALG != alg || m.USE != "" && m.USE != jwkset.UseSig ||
		len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return errNotForUs
	}
	return nil
}

func checkStrength(key any) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < rsaBitsMin || n > rsaBitsMax {
			return fmt.Errorf("RSA modulus: found %d bits, want %d to %d", n, rsaBitsMin, rsaBitsMax)
		}
		if k.E < 3 || k.E%2 == 0 || k.N.Bit(0) == 0 {
			return errors.New("RSA key: found an even modulus or exponent")
		}
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
	}
	return errNotForUs
}
