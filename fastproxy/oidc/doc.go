// Package oidc is the browser's round trip to an OpenID Connect issuer and
// back: Start sends somebody there, Finish turns what they bring back into an
// identity.Principal. Tokens, codes and verifiers never come out of here, not
// even in errors.
//
// It is the authorization code flow (OpenID Connect Core 1.0 section 3.1) with
// PKCE S256 (RFC 7636), state and nonce per attempt. ID tokens are checked in
// full: go-oidc parses them and checks issuer and audience, fastproxy/jwks
// checks form, algorithm and signature, and what both leave out (azp, iat,
// nonce, organization, names in another case, both clocks in the error) is in
// idtoken.go. Clocks may differ by 30 seconds.
//
// The issuer may be down when the process starts: Run discovers it as soon as
// it is there, and everything says ErrUnavailable until then.
package oidc
