package oidc

import (
	"context"
	"errors"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"fastproxy/fastproxy/identity"
)

// codeMax is far above any issuer's codes.
const codeMax = 4 << 10

// Result is somebody who signed in.
type Result struct {
	Principal identity.Principal
	SID       string    // the issuer's session id (claim sid), for LogoutURL; "" if it gave none
	Expires   time.Time // of the ID token; a session may outlive it
}

// Finish redeems the code that came back for a, checks the ID token, and asks
// userinfo if the e-mail address or the groups are missing. It is up to the
// caller that the state of the callback is a.State and that a is used once.
// It blocks for up to three answers of the issuer, five seconds each; at most
// 64 calls are under way, and others wait five seconds for their turn. See
// Kind for its errors.
func (p *Provider) Finish(ctx context.Context, a Attempt, code string) (Result, error) {
	switch {
	case a.Nonce == "" || a.Verifier == "":
		return Result{}, fail(KindAttempt, "finish sign-in: want an attempt made by Start")
	case p.now().Sub(a.Created) > AttemptAge:
		return Result{}, fail(KindAttempt, "finish sign-in: the attempt is older than %v", AttemptAge)
	case code == "" || len(code) > codeMax:
		return Result{}, fail(KindAttempt, "finish sign-in: want a code of 1 to %d bytes", codeMax)
	}
	if err := p.enter(ctx); err != nil {
		return Result{}, err
	}
	defer func() { <-p.slots }()
	m, err := p.metadata(ctx)
	if err != nil {
		return Result{}, err
	}
	tokens, err := p.redeem(ctx, m, a, code)
	if err != nil {
		return Result{}, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return Result{}, fail(KindToken, "redeem code: the answer has no ID token")
	}
	claims, expires, err := p.checkIDToken(ctx, raw, tokens.AccessToken, a)
	if err != nil {
		return Result{}, err
	}
	p.complete(ctx, m, tokens.AccessToken, claims)
	who, err := identity.FromClaims(p.config.Issuer, claims, p.config.GroupsClaim)
	if err != nil {
		return Result{}, fail(KindSubject, "%w", err)
	}
	return Result{Principal: who, SID: sessionID(claims), Expires: expires}, nil
}

// enter takes one of the slots.
func (p *Provider) enter(ctx context.Context) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return unavailable("waiting for a turn: %w", ctx.Err())
	case <-timer.C:
		return unavailable("%d sign-ins wait for its answer already", finishMax)
	}
}

// redeem exchanges the code for tokens (RFC 6749 section 4.1.3).
func (p *Provider) redeem(ctx context.Context, m *metadata, a Attempt, code string) (*oauth2.Token, error) {
	ctx = gooidc.ClientContext(ctx, p.client)
	tokens, err := p.oauth(m).Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err == nil {
		return tokens, nil
	}
	var no *oauth2.RetrieveError
	if !errors.As(err, &no) {
		return nil, unavailable("redeem code: %s", line(err.Error(), 300))
	}
	// The body stays here: it may hold tokens.
	status := no.Response.StatusCode
	if no.ErrorCode == "" || status == 429 || status >= 500 {
		return nil, unavailable("redeem code: found status %d, want 200", status)
	}
	refused := &IDPError{Code: no.ErrorCode, Description: no.ErrorDescription}
	for _, hidden := range []string{code, a.Verifier, p.config.ClientSecret.Reveal()} {
		if hidden != "" && strings.Contains(refused.Code+refused.Description, hidden) {
			refused = &IDPError{Code: "unknown_error"}
		}
	}
	return nil, refused
}

// sessionID reads sid (OpenID Connect Front-Channel Logout 1.0 section 3).
func sessionID(claims map[string]any) string {
	sid, _ := claims["sid"].(string)
	if len(sid) > 256 {
		return ""
	}
	return sid
}
