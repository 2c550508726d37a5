package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	"fastproxy/jwks"
)

// complete adds to claims what only userinfo knows (OpenID Connect Core 5.3):
// asked when the e-mail address or the configured groups are missing, because
// Auth0 allows each person few calls. What the ID token says is never
// replaced. A failure is reported and costs what is missing, no more.
func (p *Provider) complete(ctx context.Context, m *metadata, accessToken string, claims map[string]any) {
	if m.userinfo == "" || !p.lacks(claims) {
		return
	}
	more, err := p.askUserinfo(ctx, m.userinfo, accessToken)
	if err == nil && more["sub"] != claims["sub"] {
		err = errors.New("it tells of somebody else (claim sub)")
	}
	if err != nil {
		p.onError(fmt.Errorf("oidc: ask userinfo: %w", err))
		return
	}
	merge(claims, more)
}

func (p *Provider) lacks(claims map[string]any) bool {
	groups := p.config.GroupsClaim
	return claims["email"] == nil && slices.Contains(p.scopes, "email") ||
		groups != "" && claims[groups] == nil && claims[groups+"/groups"] == nil
}

// merge keeps email and email_verified together: one source's "verified" says
// nothing about another's address.
func merge(claims, more map[string]any) {
	ours, _ := claims["email"].(string)
	theirs, _ := more["email"].(string)
	if claims["email"] == nil {
		delete(claims, "email_verified")
	} else if ours == "" || ours != theirs {
		delete(more, "email_verified")
	}
	for name, v := range more {
		if claims[name] == nil {
			claims[name] = v
		}
	}
}

func (p *Provider) askUserinfo(ctx context.Context, address, accessToken string) (map[string]any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+accessToken)
	request.Header.Set("Accept", "application/json")
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("found status %d, want 200", answer.StatusCode)
	case kind == "application/jwt":
		return nil, errors.New("found a signed answer, want JSON (the application's userinfo_signed_response_alg)")
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	claims, err := jwks.ParseObject(body)
	if err != nil {
		return nil, err
	}
	return claims, jwks.CheckNames(claims)
}
