// Package jwks answers one question: is this JWT genuine, and is it for us?
//
// Keys holds an issuer's public keys (RFC 7517), fetched over HTTP and kept
// fresh by Run. VerifySignature checks a token's wire form, header and
// signature and is all that go-oidc's KeySet asks for; Verify adds the claims
// of a bearer access token. Only RS256 and ES256 are ever accepted, whatever
// a token or a key document says.
//
// The goroutine in Run is the only one that fetches. Everybody else reads an
// atomic pointer, or, for a key id that nobody has heard of, waits a bounded
// time for Run's next fetch. However many strangers knock, the issuer sees at
// most ten fetches a minute and this process no more goroutines than callers.
package jwks
