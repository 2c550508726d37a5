package fastproxy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fastproxy/fastproxy/config"
)

// SourceFlags say where settings are read from. Relative names are found
// from Dir.
type SourceFlags struct {
	Config  string   // --config; "" reads fastproxy.yml if there is one
	Env     string   // --env; "" reads .env if there is one
	Listen  string   // --listen; wins over LISTEN and PORT
	Environ []string // os.Environ(); nil is an empty environment
	Dir     string   // "" is the working directory
}

// LoadSettings reads and checks all settings. The error is *config.Errors and
// holds one line for every problem: where, what was found, what is wanted. It
// never holds a secret. Files are looked at, nothing is left behind, no name is
// resolved.
func LoadSettings(flags SourceFlags) (*Settings, error) {
	s := &Settings{host: factsFrom(flags)}
	src := config.Source{
		Dir:          flags.Dir,
		YAMLFile:     "fastproxy.yml",
		YAMLRequired: flags.Config != "",
		EnvFile:      ".env",
		EnvRequired:  flags.Env != "",
		Environ:      flags.Environ,
	}
	if flags.Config != "" {
		src.YAMLFile = flags.Config
	}
	if flags.Env != "" {
		src.EnvFile = flags.Env
	}
	var problems config.Errors
	origins, err := config.Load(s, src)
	if loadErr := (*config.Errors)(nil); errors.As(err, &loadErr) {
		problems = *loadErr
	}
	s.origins = origins
	if flags.Listen != "" {
		s.Listen, s.Port = config.SplitList(flags.Listen), ""
		s.origins.SetByFlag("listen", "--listen")
	}
	s.settle()
	s.check(&problems)
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// hostFacts is what the defaults of settings depend on outside of them.
type hostFacts struct {
	dir      string
	stateDir string
	root     bool
}

func factsFrom(flags SourceFlags) hostFacts {
	f := hostFacts{dir: flags.Dir, root: os.Geteuid() == 0}
	if abs, err := filepath.Abs(f.dir); err == nil && f.dir != "" {
		f.dir = abs
	}
	env := map[string]string{}
	for _, v := range flags.Environ {
		if name, value, ok := strings.Cut(v, "="); ok {
			env[name] = value
		}
	}
	// systemd.exec(5): several directories are joined with colons.
	systemd, _, _ := strings.Cut(env["STATE_DIRECTORY"], ":")
	switch {
	case systemd != "":
		f.stateDir = systemd
	case f.root:
		f.stateDir = "/var/lib/fastproxy"
	case filepath.IsAbs(env["XDG_STATE_HOME"]): // the base directory specification ignores others
		f.stateDir = filepath.Join(env["XDG_STATE_HOME"], "fastproxy")
	case filepath.IsAbs(env["HOME"]):
		f.stateDir = filepath.Join(env["HOME"], ".local/state/fastproxy")
	}
	return f
}

// at returns a file's name as it is found from Dir.
func (s *Settings) at(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.host.dir, name)
}

// settle replaces defaults that depend on other settings, and brings what has
// several spellings to one.
func (s *Settings) settle() {
	s.Auth0.Domain = strings.ToLower(s.Auth0.Domain)
	s.Session.CookieSameSite = strings.ToLower(s.Session.CookieSameSite)
	s.Log.Level = strings.ToLower(s.Log.Level)
	s.Shiny.Host = strings.TrimSuffix(strings.TrimPrefix(s.Shiny.Host, "["), "]")
	for _, name := range []*string{&s.Passwd.File, &s.Passwd.GroupsFile, &s.Log.File, &s.StateDirectory, &s.ControlSocket} {
		*name = s.at(*name)
	}
	if !s.origins.IsSet("session.idle") && s.Session.Max >= time.Second {
		s.Session.Idle = min(s.Session.Idle, s.Session.Max)
	}
	if !s.origins.IsSet("logout.auth0") {
		onlyURL := s.Logout.URL != "" && s.Logout.Auth0URL == ""
		s.Logout.Auth0 = !onlyURL
	}
	if s.Logout.Federated {
		s.Logout.Auth0 = true
	}
	if !s.origins.IsSet("auth0.callback_url") {
		s.settleCallback()
	}
	s.publicOrigin = ""
	s.publicOrigin = s.PublicOrigin()
}

func (s *Settings) settleCallback() {
	if origin, err := parseOrigin(s.PublicURL); err == nil {
		s.Auth0.CallbackURL = origin + "/callback"
	} else if s.Issuer() == "" {
		// Nobody will call back, so only the origin matters: people reach a
		// proxy without Auth0 where it listens.
		s.Auth0.CallbackURL = s.listenOrigin() + "/callback"
	}
}
