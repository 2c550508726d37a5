package oidc

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// AttemptAge is how long somebody may take at the issuer.
const AttemptAge = 15 * time.Minute

// Attempt is one try to sign in: what must be remembered between Start and
// Finish, sealed, in that browser alone. It is secret and does not print.
type Attempt struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"` // RFC 7636
	ReturnTo string    `json:"r,omitempty"`
	Created  time.Time `json:"c"`
	Prompt   string    `json:"p,omitempty"`
	Tries    int       `json:"t,omitempty"`
}

// Format implements fmt.Formatter without telling.
func (a Attempt) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(hidden attempt)") }

// StartOptions are what one attempt is about.
type StartOptions struct {
	ReturnTo  string // kept in the attempt as it is
	Prompt    string // none, login, consent, select_account, or "" for the issuer's choice
	LoginHint string
	Tries     int // how many attempts came to nothing before, 0 to 9
}

// Start returns where to send the browser, and the attempt to keep. It waits
// only while the issuer was never discovered, at most five seconds; the error
// is of KindUnavailable then.
func (p *Provider) Start(ctx context.Context, o StartOptions) (redirectURL string, a Attempt, err error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return "", Attempt{}, err
	}
	a = Attempt{
		// The first digit is for Tries, the rest for guessers.
		State:    fmt.Sprint(min(max(o.Tries, 0), 9)) + random(),
		Nonce:    random(),
		Verifier: oauth2.GenerateVerifier(),
		ReturnTo: o.ReturnTo,
		Created:  p.now().UTC().Truncate(time.Second),
		Prompt:   o.Prompt,
		Tries:    o.Tries,
	}
	params := append([]oauth2.AuthCodeOption{}, p.params...)
	params = append(params, gooidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier))
	if o.Prompt != "" {
		params = append(params, oauth2.SetAuthURLParam("prompt", o.Prompt))
	}
	if o.LoginHint != "" {
		params = append(params, oauth2.SetAuthURLParam("login_hint", o.LoginHint))
	}
	return p.oauth(m).AuthCodeURL(a.State, params...), a, nil
}

// Tries reads how many attempts came before the one of this state, from the
// state alone: when the browser did not bring the attempt's cookie back, it is
// all there is. Anybody can write it, so it may end a loop and no more.
func Tries(state string) int {
	if state != "" && '0' <= state[0] && state[0] <= '9' {
		return int(state[0] - '0')
	}
	return 0
}

// random returns 144 random bits in 24 characters: short, because state and
// nonce travel in a URL that some issuers limit.
func random() string {
	b := make([]byte, 18)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (p *Provider) oauth(m *metadata) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     p.config.ClientID,
		ClientSecret: p.config.ClientSecret.Reveal(),
		Endpoint:     m.endpoint,
		RedirectURL:  p.config.RedirectURL,
		Scopes:       p.scopes,
	}
}
