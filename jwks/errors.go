package jwks

import (
	"errors"
	"fmt"
)

var (
	// ErrUnavailable means that a token could not be judged because the keys
	// could not be fetched (in time). Asking again later may help: HTTP 503.
	ErrUnavailable = errors.New("jwks: keys are unavailable")

	// ErrInvalid means that a token was judged and refused. The error that
	// wraps it says why, without any byte of the token.
	ErrInvalid = errors.New("jwks: token refused")
)

// AlgorithmError is the ErrInvalid of a token that is signed with anything but
// RS256 or ES256. It is a type of its own because a login that meets HS256
// can name the setting to change.
type AlgorithmError struct {
	Alg string // a name registered in RFC 7518 or 8037, or "none", or "unknown"
}

func (e *AlgorithmError) Error() string {
	return "jwks: token refused: found alg " + e.Alg + ", want RS256 or ES256"
}

// Is makes an AlgorithmError an ErrInvalid.
func (e *AlgorithmError) Is(target error) bool { return target == ErrInvalid }

// algorithmError names alg only if it is a registered name: the field comes
// from the token.
func algorithmError(alg string) error {
	switch alg {
	case "none", "HS256", "HS384", "HS512", "RS384", "RS512", "ES384", "ES512",
		"ES256K", "PS256", "PS384", "PS512", "EdDSA", "Ed25519":
		return &AlgorithmError{Alg: alg}
	}
	return &AlgorithmError{Alg: "unknown"}
}

// refuse makes an ErrInvalid. Arguments must not come from the token, except
// times and lengths.
func refuse(reason string, args ...any) error {
	return fmt.Errorf("%w: "+reason, append([]any{ErrInvalid}, args...)...)
}

func unavailable(reason string, args ...any) error {
	return fmt.Errorf("%w: "+reason, append([]any{ErrUnavailable}, args...)...)
}
