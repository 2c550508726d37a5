package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/secret"
	"fastproxy/fastproxy/session"
	"fastproxy/jwks"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const issuer = "https://tenant.example/"

var (
	begun = time.Unix(1_700_000_000, 0)

	kim = identity.Principal{Method: identity.MethodOIDC, Issuer: issuer, Subject: "auth0|kim", Groups: []string{"Admin"}}
	sam = identity.Principal{Method: identity.MethodPasswd, Subject: "sam", Groups: []string{"DL"}}

	public   = &policy.Rule{Public: true}
	signedIn = &policy.Rule{SignedIn: true}
	admins   = &policy.Rule{Groups: []string{"Admin"}}
	robots   = &policy.Rule{Users: []string{"robot@clients"}}
)

// verifier knows some tokens; to others it says what it was told to.
type verifier struct {
	mu     sync.Mutex
	claims map[string]map[string]any
	err    error
	calls  int
}

func (v *verifier) Verify(ctx context.Context, token string) (map[string]any, time.Time, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	if v.err != nil {
		return nil, time.Time{}, v.err
	}
	c, ok := v.claims[token]
	if !ok {
		return nil, time.Time{}, fmt.Errorf("%w: unknown", jwks.ErrInvalid)
	}
	exp, _ := c["exp"].(json.Number).Int64()
	return maps.Clone(c), time.Unix(exp, 0), nil
}

// house is a gate with everything around it, at a time that only tests move.
type house struct {
	*Gate
	store    *session.Memory
	registry *session.Registry
	sealer   *session.Sealer
	verifier *verifier
	now      time.Time

	mu    sync.Mutex
	lines map[string]string // the flat file
}

func build(t testing.TB, change ...func(*Config)) *house {
	t.Helper()
	h := &house{now: begun, lines: map[string]string{"sam": "line-1"}}
	clock := func() time.Time { return h.now }
	store, err := session.OpenStore(t.TempDir(), session.Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	h.store = store
	h.registry = session.NewRegistry(store, session.RegistryOptions{Now: clock})
	h.sealer = session.NewSealer(secret.NewBox(secret.RandomKey()), "fastproxy_session")
	claims := func(sub string) map[string]any {
		return map[string]any{
			"sub":           sub,
			"exp":           json.Number(fmt.Sprint(begun.Add(time.Hour).Unix())),
			"https://x/grp": []any{"Admin"},
		}
	}
	h.verifier = &verifier{claims: map[string]map[string]any{
		"kims-token":   claims("auth0|kim"),
		"robots-token": claims("robot@clients"),
		"odd-token":    claims("control\x01byte"),
	}}
	config := Config{
		Entries:     1000,
		Sealer:      h.sealer,
		Store:       store,
		Bearer:      h.verifier,
		Issuer:      issuer,
		GroupsClaim: "https://x/grp",
		PasswdFingerprint: func(user string) (string, bool) {
			h.mu.Lock()
			defer h.mu.Unlock()
			line, ok := h.lines[user]
			return line, ok
		},
	}
	for _, f := range change {
		f(&config)
	}
	if h.Gate, err = New(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		store.Close()
	})
	return h
}

// login returns a session of p that began now, and its cookies.
func (h *house) login(t testing.TB, p identity.Principal) (session.Session, [][]byte) {
	t.Helper()
	s := session.New(p, h.now, 7*24*time.Hour)
	if p.Method == identity.MethodPasswd {
		s.Line = h.lines[p.Subject]
	}
	values, err := h.sealer.Seal(&s)
	if err != nil {
		t.Fatal(err)
	}
	var cookies [][]byte
	for _, v := range values {
		cookies = append(cookies, []byte(v))
	}
	return s, cookies
}

func (h *house) withCookies(rule *policy.Rule, cookies ...[]byte) *Request {
	r := &Request{Rule: rule, Now: h.now, NumCookies: len(cookies)}
	copy(r.Cookies[:], cookies)
	return r
}

func (h *house) withBearer(rule *policy.Rule, token string) *Request {
	return &Request{Rule: rule, Now: h.now, Bearer: []byte(token), HasBearer: true}
}

// decide walks the whole road: Recall, else Decide, and then Recall again,
// which must say the same.
func (h *house) decide(t testing.TB, r *Request) Decision {
	t.Helper()
	d, ok := h.Recall(r)
	if !ok {
		d = h.Decide(t.Context(), r)
		h.memos.Wait()
	}
	if again, ok := h.Recall(r); ok && (again.Verdict != d.Verdict || again.Reason != d.Reason || again.Credential != d.Credential) {
		t.Errorf("decided %+v, recalled %+v", d, again)
	}
	return d
}

func want(t testing.TB, d Decision, v Verdict, c Credential, reason string) {
	t.Helper()
	if d.Verdict != v || d.Credential != c || d.Reason != reason {
		t.Errorf("decided %v, %v, %q; want %v, %v, %q", d.Verdict, d.Credential, d.Reason, v, c, reason)
	}
	if v == SignIn || v == Unavailable {
		wantNobody(t, d)
	}
}

func wantNobody(t testing.TB, d Decision) {
	t.Helper()
	if d.Principal != nil || d.Headers != nil || d.Session != nil || d.Live != nil || !d.Expires.IsZero() {
		t.Errorf("the decision about nobody tells of somebody: %+v", d)
	}
}
