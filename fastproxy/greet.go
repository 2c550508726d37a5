package fastproxy

import (
	"fmt"
	"io"
	"strings"

	"go.uber.org/zap"
)

// Greet writes the few lines that a person at a terminal wants to read at
// start: where, which login, which Shiny, what is closed and the line that
// opens it.
func (p *Proxy) Greet(w io.Writer) {
	s := p.current.Load()
	set := s.settings
	var at []string
	for _, a := range p.Addrs() {
		at = append(at, a.String())
	}
	fmt.Fprintf(w, "fastproxy\n")
	fmt.Fprintf(w, "  open      %s/  (listening on %s)\n", s.publicOrigin, strings.Join(at, ", "))
	for _, l := range loginLines(set) {
		fmt.Fprintf(w, "  sign-in   %s\n", l)
	}
	for _, m := range set.Mounts() {
		fmt.Fprintf(w, "  %-9s %s -> %s%s\n", m.Rule.String(), m.Path, m.Upstream, m.UpstreamPath)
	}
	if closed := s.closedLine(); closed != "" {
		fmt.Fprintf(w, "  closed    %s\n", closed)
	}
	fmt.Fprintf(w, "  watch     http://%s/metrics\n", p.ops.Addr())
	for _, warning := range p.warnings {
		fmt.Fprintf(w, "  WARNING   %s\n", warning)
	}
}

// closedLine says that nobody may enter /admin/ and what opens it; "" when
// somebody may.
func (s *snapshot) closedLine() string {
	if !s.settings.AdminIsClosed() {
		return ""
	}
	return "nobody may enter /admin/; to let somebody in, set ADMIN_USERS=<user id> (their id is at " + s.publicOrigin + "/.fastproxy/session)"
}

func loginLines(set *Settings) (lines []string) {
	if set.HasOIDC() {
		lines = append(lines, fmt.Sprintf("%s, application %s, callback %s", set.Issuer(), set.Auth0.ClientID, set.Auth0.CallbackURL))
	}
	if set.HasPasswd() {
		lines = append(lines, "flat file "+set.Passwd.File)
	}
	if len(lines) == 0 {
		lines = append(lines, "none: only public paths are served")
	}
	return lines
}

// LogStart writes the same as one record, for where nobody watches.
func (p *Proxy) LogStart(version string) {
	s := p.current.Load()
	var at, mounts []string
	for _, a := range p.Addrs() {
		at = append(at, a.String())
	}
	for _, m := range s.settings.Mounts() {
		mounts = append(mounts, m.Path+" "+m.Rule.String())
	}
	for _, warning := range p.warnings {
		p.log.Logger().Warn(warning)
	}
	closed := zap.Skip()
	if line := s.closedLine(); line != "" {
		closed = zap.String("fastproxy.closed", line)
	}
	p.log.Logger().Info("started", zap.String("service.version", version), zap.Strings("fastproxy.listen", at),
		zap.String("fastproxy.public_url", s.publicOrigin), zap.Strings("fastproxy.login", loginLines(s.settings)),
		zap.Strings("fastproxy.mounts", mounts), closed, zap.String("fastproxy.ops_listen", p.ops.Addr().String()))
}
