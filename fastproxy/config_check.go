package fastproxy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fastproxy/fastproxy/config"
	"fastproxy/fastproxy/passwd"
)

// Validate reports everything that is wrong with the settings, as
// *config.Errors, and readies Mounts and Warnings. LoadSettings has done it.
func (s *Settings) Validate() error {
	var p config.Errors
	s.settle()
	s.check(&p)
	return p.Err()
}

// check adds to p, which holds what could not be read: what builds on that is
// not asked again.
func (s *Settings) check(p *config.Errors) {
	s.warnings = nil
	s.checkLater(p)
	s.checkLogin(p)
	s.checkPublic(p)
	s.checkAuthorize(p)
	s.checkLogout(p)
	s.checkListen(p)
	s.checkEngine(p)
	s.checkRoom(p)
	s.checkShiny(p)
	s.checkSession(p)
	s.checkFiles(p)
	s.checkMounts(p)
	s.checkSomeLogin(p)
	s.warnOfTheRest()
}

func (s *Settings) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// bad notes that the setting at path holds found.
func (s *Settings) bad(p *config.Errors, path, found string, want any) {
	if !p.Has(path) {
		p.Add(path, s.origins.Where(path), "found %s, %v", config.Quote(found), want)
	}
}

func (s *Settings) checkLater(p *config.Errors) {
	for _, later := range []struct {
		path string
		set  bool
	}{
		{"redis_url", !s.RedisURL.IsZero()},
		{"tls_cert_file", s.TLSCertFile != ""},
		{"tls_key_file", s.TLSKeyFile != ""},
	} {
		if later.set {
			p.Add(later.path, s.origins.Where(later.path), "this version does not have this setting, want it not set")
		}
	}
}

// checkSomeLogin is asked last: it needs the mounts.
func (s *Settings) checkSomeLogin(p *config.Errors) {
	if s.HasOIDC() || s.HasPasswd() || s.allPublic() {
		return
	}
	for _, found := range p.List() {
		group, _, _ := strings.Cut(found.Path, ".")
		if group == "" || group == "auth0" || group == "passwd" || strings.HasPrefix(group, "mounts") {
			return // there was something, and it is being complained of already
		}
	}
	p.Add("", "settings", "found no way to sign in, want AUTH0_DOMAIN, AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET "+
		"(or AUTH0_ISSUER_URL in place of the domain, for another issuer), or AUTH_PASSWD_FILE (sspasswd makes it), or both; "+
		"with allow: public on every mount nobody has to")
}

func (s *Settings) checkShiny(p *config.Errors) {
	isHost := isHostName(s.Shiny.Host) || isHostPort("["+s.Shiny.Host+"]")
	if !isHost {
		s.bad(p, "shiny.host", withoutUser(s.Shiny.Host), "want a host's name or address alone, such as localhost")
	}
	for _, port := range []struct {
		path  string
		n     int
		mount string
	}{{"shiny.port", s.Shiny.Port, reportsMount}, {"shiny.admin_port", s.Shiny.AdminPort, adminMount}} {
		found := fmt.Sprint(port.n)
		if port.n < 1 || port.n > 65535 {
			s.bad(p, port.path, found, "want a port number from 1 to 65535")
		} else if isHost && s.listensOn(strings.TrimPrefix(s.shinyURL(port.n), "http://")) && !s.hasOwnMount(port.mount) {
			s.bad(p, port.path, found, "where fastproxy itself listens; want Shiny's port")
		}
	}
	if text := s.Shiny.SharedSecret.Reveal(); strings.Trim(text, " ") != text || strings.ContainsFunc(text, notPrintableASCII) {
		p.Add("shiny.shared_secret", s.origins.Where("shiny.shared_secret"),
			"found a value that cannot stand in a header, want printable ASCII without spaces at the ends")
	}
	if s.Shiny.HeaderTimeout <= 0 {
		s.bad(p, "shiny.header_timeout", config.FormatDuration(s.Shiny.HeaderTimeout), "want more than 0")
	}
}

func notPrintableASCII(r rune) bool { return r < ' ' || r > '~' }

func (s *Settings) checkSession(p *config.Errors) {
	idle, longest := s.Session.Idle, s.Session.Max
	for _, d := range []struct {
		path  string
		value time.Duration
	}{{"session.idle", idle}, {"session.max", longest}} {
		if d.value < time.Second {
			s.bad(p, d.path, config.FormatDuration(d.value), "want 1s or more")
		}
	}
	if idle > longest && longest >= time.Second && !p.Has("session.max") {
		s.bad(p, "session.idle", config.FormatDuration(idle),
			fmt.Sprintf("want no more than SESSION_MAX, which is %s (%s)", config.FormatDuration(longest), s.origins.Of("session.max")))
	}
	switch site := s.Session.CookieSameSite; {
	case site == "strict":
		s.bad(p, "session.cookie_samesite", site, "want lax or none: a strict cookie is not sent when people come back from signing in")
	case site != "lax" && site != "none":
		s.bad(p, "session.cookie_samesite", site, "want lax or none")
	case site == "none" && !s.Secure() && s.PublicOrigin() != "":
		s.bad(p, "session.cookie_samesite", site, fmt.Sprintf("want lax, or an https PUBLIC_URL: browsers take none only there, and people come to %s", s.PublicOrigin()))
	}
	if _, why := s.CookieSecret(); why != "" {
		if !s.Session.CookieSecret.IsZero() {
			why += ": not used"
		}
		s.warn("%s; cookies are sealed with a random key that is kept in %s", why, s.StateDir())
	}
	if _, why := s.CookieSecretPrevious(); why != "" {
		s.warn("%s: not used", why)
	}
}

func (s *Settings) checkFiles(p *config.Errors) {
	for _, file := range [][2]string{{"passwd.file", s.Passwd.File}, {"passwd.groups_file", s.Passwd.GroupsFile}} {
		if path, name := file[0], file[1]; name != "" {
			if err := readable(name); err != nil {
				s.bad(p, path, name, err)
			}
		}
	}
	if s.Passwd.File != "" && !p.Has("passwd.file") && !p.Has("passwd.groups_file") {
		if _, err := passwd.Open(s.Passwd.File, s.Passwd.GroupsFile); err != nil {
			p.Add("passwd.file", s.origins.Where("passwd.file"), "%s", oneLine(err))
		}
	}
	if s.Passwd.GroupsFile != "" && s.Passwd.File == "" {
		s.bad(p, "passwd.groups_file", s.Passwd.GroupsFile, "want AUTH_PASSWD_FILE beside it: the groups are of its people")
	}
	if s.StateDir() == "" {
		p.Add("state_dir", s.origins.Where("state_dir"), "found no home directory to put it in, want a directory")
	}
	if st, err := os.Stat(s.StateDir()); err == nil && !st.IsDir() {
		s.bad(p, "state_dir", s.StateDir(), "want a directory, this is a file")
	}
	switch s.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		s.bad(p, "log.level", s.Log.Level, "want debug, info, warn or error")
	}
	if s.Log.File == "" {
		return
	}
	if st, err := os.Stat(s.Log.File); err == nil && st.IsDir() {
		s.bad(p, "log.file", s.Log.File, "want a file, this is a directory")
	} else if st, err := os.Stat(filepath.Dir(s.Log.File)); err != nil || !st.IsDir() {
		s.bad(p, "log.file", s.Log.File, "want a file in a directory that exists")
	}
}

// readable says what keeps a regular file from being read.
func readable(name string) error {
	st, err := os.Stat(name)
	if err == nil && !st.Mode().IsRegular() {
		return errors.New("want a regular file")
	}
	f, err := os.Open(name)
	if err == nil {
		return f.Close()
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("want a file that can be read: %w", err)
}

// warnOfTheRest notes what is most likely a mistake, but harmless.
func (s *Settings) warnOfTheRest() {
	for _, u := range s.origins.Unread() {
		if u.Like != "" {
			s.warn("%s: %s is no setting, do you mean %s?", u.Where, u.Name, u.Like)
		}
	}
	s.warnOfElsewhere()
	if origin := s.PublicOrigin(); origin != "" && !s.Secure() && !isLoopback(s.PublicHost()) {
		s.warn("people come to %s: passwords and session cookies travel unencrypted; put TLS in front and set PUBLIC_URL=https://…", origin)
	}
}

// warnOfElsewhere notes a public address on this machine where people arrive
// at another process, or at none: their page navigations are sent there.
func (s *Settings) warnOfElsewhere() {
	u, err := url.Parse(s.PublicOrigin())
	if err != nil || u.Scheme != "http" || !isLoopback(u.Hostname()) {
		return
	}
	at := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80"))
	addrs := s.ListenAddrs()
	if len(addrs) == 0 { // LISTEN is wrong, and complained of already
		return
	}
	switch _, port, err := net.SplitHostPort(addrs[0].Address); {
	case addrs[0].Network != "tcp" || err != nil || port == "0": // something in front, or a test
	case !s.listensOn(at):
		s.warn("people are sent to %s, where this process does not listen: set PUBLIC_URL and AUTH0_CALLBACK_URL to where they come", s.PublicOrigin())
	case s.Port != "" && s.PublicURL == "":
		s.warn("PORT listens on every interface, but people who come by another name than %s are sent there: set PUBLIC_URL", s.PublicOrigin())
	}
}
