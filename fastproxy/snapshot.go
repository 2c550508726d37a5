package fastproxy

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"fastproxy/fastproxy/gate"
	"fastproxy/fastproxy/oidc"
	"fastproxy/fastproxy/passwd"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/secret"
	"fastproxy/fastproxy/session"
	"fastproxy/fastproxy/upstream"
)

// snapshot is one generation of everything that follows from the settings. It
// is built whole and never changed, so a request sees one generation only.
type snapshot struct {
	settings     *Settings
	publicOrigin string
	publicHost   string
	callbackPath string // of AUTH0_CALLBACK_URL when it is not /callback, else ""
	secure       bool
	sameSite     string
	names        cookieNames

	table    *policy.Table
	mountURL map[string]string // a mount's path as it stands in URLs
	backends map[string]*upstream.Backend
	gate     *gate.Gate
	sealer   *session.Sealer
	box      *secret.Box
	formKey  secret.Key

	provider     *oidc.Provider // nil without an issuer
	passwd       *passwd.File   // nil without a flat file
	backoff      *passwd.Backoff
	checkSession bool
	bearer       bool // bearer tokens are accepted
	groupsClaim  string
	sessionIdle  time.Duration
	sessionMax   time.Duration
	logout       LogoutTarget

	headerTimeout  time.Duration
	forwardedLines []byte // header lines that are the same for every request
}

// newSnapshot derives a generation. What outlives generations (the logins, the
// keys of cookies and forms, the back-off) it takes from p.
func (p *Proxy) newSnapshot(set *Settings) (*snapshot, error) {
	origin, err := url.Parse(set.PublicOrigin())
	if err != nil {
		return nil, fmt.Errorf("public url: %w", err)
	}
	s := &snapshot{
		settings: set, publicOrigin: set.PublicOrigin(), publicHost: set.PublicHost(),
		secure: set.Secure(), sameSite: "Lax", names: newCookieNames(set.Secure()),
		provider: p.provider, passwd: p.passwd, backoff: p.backoff,
		checkSession: set.CheckSession, bearer: set.Auth0.Audience != "" && set.HasOIDC(),
		groupsClaim: set.Auth0.GroupsClaim, sessionIdle: set.Session.Idle, sessionMax: set.Session.Max,
		logout: set.LogoutTarget(), headerTimeout: set.Shiny.HeaderTimeout,
		box: p.box, formKey: p.formKey,
	}
	if set.Session.CookieSameSite == "none" {
		s.sameSite = "None"
	}
	if path := set.CallbackPaths()[0]; path != "/callback" {
		s.callbackPath = path
	}
	s.forwardedLines = fmt.Appendf(nil, "X-Forwarded-Proto: %s\r\nX-Forwarded-Host: %s\r\n", origin.Scheme, s.publicHost)
	if shared := set.Shiny.SharedSecret; !shared.IsZero() {
		s.forwardedLines = fmt.Appendf(s.forwardedLines, "Shiny-Shared-Secret: %s\r\n", shared.Reveal())
	}
	if err := s.mount(set.Mounts()); err != nil {
		return nil, err
	}
	s.sealer = session.NewSealer(s.box, s.names.session[0])
	s.gate, err = p.newGate(s)
	return s, err
}

func (s *snapshot) mount(mounts []policy.Mount) error {
	var err error
	if s.table, err = policy.NewTable(mounts); err != nil {
		return err
	}
	var faults []error
	s.mountURL = make(map[string]string)
	s.backends = make(map[string]*upstream.Backend)
	for _, m := range mounts {
		s.mountURL[m.Path] = m.EscapedPath()
		if s.backends[m.Upstream] != nil {
			continue
		}
		b, err := upstream.Parse(m.Upstream)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		s.backends[m.Upstream] = b
	}
	return errors.Join(faults...)
}

// ourOrigin reports an Origin whose pages may use this visitor's session.
func (s *snapshot) ourOrigin(origin []byte) bool {
	return s.settings.OwnsOrigin(origin)
}

// ourHost reports a Host that is PUBLIC_URL's. Proxies in front may write the
// scheme's own port behind it, which browsers leave out (nginx: $host:$server_port).
func (s *snapshot) ourHost(host []byte) bool {
	own := ":80"
	if s.secure {
		own = ":443"
	}
	return equalFold(bytes.TrimSuffix(host, []byte(own)), s.publicHost)
}

// ourReferer reports a Referer of a page of ours.
func (s *snapshot) ourReferer(v []byte) bool {
	rest, ok := bytes.CutPrefix(v, []byte(s.publicOrigin))
	return ok && (len(rest) == 0 || rest[0] == '/' || rest[0] == '?')
}

func (s *snapshot) trusts(a netip.Addr) bool { return s.settings.TrustsProxy(a) }
