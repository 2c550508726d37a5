package fastproxy

import (
	"net/netip"
	"time"

	"fastproxy/fastproxy/config"
	"fastproxy/fastproxy/policy"
	"fastproxy/fastproxy/secret"
)

// Settings are everything that can be set, from flags, the environment, .env
// and YAML in this order. LoadSettings makes them; from then on they never
// change, so many goroutines may read them. Fields hold what was written or
// its default; what follows from several of them is a method.
type Settings struct {
	Listen         []string       `yaml:"listen" env:"LISTEN" doc:"where to listen: host:port, or a path for a Unix socket; several at commas. Default: port 3000 on 127.0.0.1 and [::1]"`
	Port           string         `yaml:"port" env:"PORT" doc:"a number: that port on every interface; anything else: a Unix socket's path. Wins over LISTEN"`
	PublicURL      string         `yaml:"public_url" env:"PUBLIC_URL" doc:"scheme and host as browsers see them. Default: the origin of AUTH0_CALLBACK_URL"`
	AllowedOrigins []string       `yaml:"allowed_origins" env:"ALLOWED_ORIGINS" doc:"other origins whose pages may open WebSockets here"`
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies" env:"TRUSTED_PROXIES" default:"127.0.0.0/8,::1/128" doc:"whose X-Forwarded-For is believed, for logs and back-off; peers on a Unix socket always are"`
	StateDirectory string         `yaml:"state_dir" env:"STATE_DIR" doc:"where ended sessions and the random key are kept. Default: systemd's state directory, else /var/lib/fastproxy for root, else ~/.local/state/fastproxy"`
	OpsListen      string         `yaml:"ops_listen" env:"OPS_LISTEN" default:"127.0.0.1:9391" doc:"host:port of /metrics, /healthz and /readyz"`
	ControlSocket  string         `yaml:"control_socket" env:"CONTROL_SOCKET" doc:"Unix socket for pprof and sessions, mode 0600. Default: control.sock in STATE_DIR"`
	Engine         Engine         `yaml:"engine" env:"ENGINE" default:"auto" doc:"what carries connections: epoll (event loops, Linux), portable (a goroutine for each), or auto: epoll where there is one"`
	Loops          int            `yaml:"loops" env:"LOOPS" default:"0" want:"a whole number" doc:"how many event loops, 1 to 256; 0: one for each processor"`
	MaxConnections int            `yaml:"max_connections" env:"MAX_CONNECTIONS" default:"0" want:"a whole number" doc:"how many connections of clients, WebSockets included; more wait, unanswered, until one ends. 0: what the descriptor limit allows, at two each and less a reserve"`
	ReusePort      bool           `yaml:"reuse_port" env:"REUSE_PORT" default:"false" doc:"several processes may listen on the same port (Linux), with one COOKIE_SECRET and a STATE_DIR, OPS_LISTEN and CONTROL_SOCKET for each"`
	CheckSession   bool           `yaml:"check_session" env:"CHECK_SESSION" default:"false" doc:"at login, first ask Auth0 whether the person is signed in there already"`

	Auth0     Auth0Settings     `yaml:"auth0"`
	Authorize AuthorizeSettings `yaml:"authorize"`
	Logout    LogoutSettings    `yaml:"logout"`
	Passwd    PasswdSettings    `yaml:"passwd"`
	Session   SessionSettings   `yaml:"session"`
	Admin     AdminSettings     `yaml:"admin"`
	Shiny     ShinySettings     `yaml:"shiny"`
	Log       LogSettings       `yaml:"log"`

	OwnMounts []MountSettings `yaml:"mounts" doc:"paths, the Shiny behind each and who may enter; YAML only"`

	// Settings that this version does not have yet: set, they are refused, so
	// that nobody believes they do something.
	RedisURL    secret.Text `yaml:"redis_url" env:"REDIS_URL" doc:"not in this version"`
	TLSCertFile string      `yaml:"tls_cert_file" env:"TLS_CERT_FILE" doc:"not in this version"`
	TLSKeyFile  string      `yaml:"tls_key_file" env:"TLS_KEY_FILE" doc:"not in this version"`

	origins      config.Origins
	host         hostFacts
	publicOrigin string
	mounts       []policy.Mount
	warnings     []string
}

// Auth0Settings name the issuer and this application at it.
type Auth0Settings struct {
	Domain       string      `yaml:"domain" env:"AUTH0_DOMAIN" file:"also" doc:"the tenant's domain, such as example.eu.auth0.com"`
	ClientID     string      `yaml:"client_id" env:"AUTH0_CLIENT_ID" file:"also" doc:"the application's client ID"`
	ClientSecret secret.Text `yaml:"client_secret" env:"AUTH0_CLIENT_SECRET" doc:"the application's client secret"`
	CallbackURL  string      `yaml:"callback_url" env:"AUTH0_CALLBACK_URL" default:"http://localhost:3000/callback" doc:"where Auth0 sends people back; must be among the application's Allowed Callback URLs. With PUBLIC_URL alone: its /callback"`
	IssuerURL    string      `yaml:"issuer_url" env:"AUTH0_ISSUER_URL" doc:"any OpenID Connect issuer, exactly as it names itself; wins over AUTH0_DOMAIN; plain http for loopback only"`
	GroupsClaim  string      `yaml:"groups_claim" env:"AUTH0_GROUPS_CLAIM" doc:"the claim that holds groups: this exact name, else this name and /groups"`
	Audience     string      `yaml:"audience" env:"AUTH0_AUDIENCE" doc:"bearer tokens for this audience are accepted"`
}

// AuthorizeSettings go to the issuer's /authorize.
type AuthorizeSettings struct {
	Audience     string            `yaml:"audience" env:"AUTHORIZE_AUDIENCE" doc:"audience to ask for at sign-in"`
	Organization string            `yaml:"organization" env:"AUTHORIZE_ORGANIZATION" doc:"the Auth0 organization that people must sign in to"`
	Connection   string            `yaml:"connection" env:"AUTHORIZE_CONNECTION" doc:"the Auth0 connection to sign in with"`
	Params       map[string]string `yaml:"params" env:"AUTHORIZE_PARAMS" doc:"further parameters: name=value,name=value"`
}

// LogoutSettings are as the originals had them; see LogoutTarget.
type LogoutSettings struct {
	Auth0URL  string `yaml:"auth0_url" env:"AUTH0_LOGOUT_URL" doc:"where people land after signing out at Auth0. Default: LOGOUT_URL, then AUTH0_CALLBACK_URL"`
	URL       string `yaml:"url" env:"LOGOUT_URL" doc:"where people land after signing out"`
	Auth0     bool   `yaml:"auth0" env:"LOGOUT_AUTH0" doc:"sign out at Auth0 too. Default: true, false when only LOGOUT_URL is set"`
	Federated bool   `yaml:"federated" env:"LOGOUT_FEDERATED,FEDERATED" default:"false" doc:"sign out at the identity provider behind Auth0 too; implies LOGOUT_AUTH0"`
}

// PasswdSettings name the flat files.
type PasswdSettings struct {
	File       string `yaml:"file" env:"AUTH_PASSWD_FILE" doc:"flat file of people and password hashes, as sspasswd writes it"`
	GroupsFile string `yaml:"groups_file" env:"AUTH_GROUPS_FILE" doc:"flat file of groups, group:user,user on each line"`
}

// SessionSettings say how long people stay signed in, and how that is sealed.
type SessionSettings struct {
	Idle                 time.Duration `yaml:"idle" env:"SESSION_IDLE" default:"12h" doc:"a session ends when nothing was done for so long"`
	Max                  time.Duration `yaml:"max" env:"SESSION_MAX" default:"7d" doc:"a session ends so long after sign-in"`
	CookieSecret         secret.Text   `yaml:"cookie_secret" env:"COOKIE_SECRET" doc:"seals cookies; at least 16 characters. Default: a random key kept in STATE_DIR"`
	CookieSecretPrevious secret.Text   `yaml:"cookie_secret_previous" env:"COOKIE_SECRET_PREVIOUS" doc:"the secret before this one: what it sealed is still read"`
	CookieSameSite       string        `yaml:"cookie_samesite" env:"COOKIE_SAMESITE" default:"lax" doc:"lax, or none for apps inside other sites' frames (https only)"`
}

// AdminSettings say who may enter /admin/; nobody, when both are empty.
type AdminSettings struct {
	Users  []string `yaml:"users" env:"ADMIN_USERS" doc:"who may enter /admin/: user ids such as auth0|5ad0, or * for everyone signed in"`
	Groups []string `yaml:"groups" env:"ADMIN_GROUPS" doc:"groups that may enter /admin/"`
}

// ShinySettings name the Shiny behind the built-in mounts.
type ShinySettings struct {
	Host          string        `yaml:"host" env:"SHINY_HOST" default:"localhost" doc:"where Shiny runs"`
	Port          int           `yaml:"port" env:"SHINY_PORT" default:"3838" want:"a port number" doc:"Shiny's port, under /reports/"`
	AdminPort     int           `yaml:"admin_port" env:"SHINY_ADMIN_PORT" default:"4151" want:"a port number" doc:"Shiny Server's admin port, under /admin/"`
	SharedSecret  secret.Text   `yaml:"shared_secret" env:"SHINY_SHARED_SECRET" doc:"sent to Shiny as Shiny-Shared-Secret, for options(shiny.sharedSecret)"`
	HeaderTimeout time.Duration `yaml:"header_timeout" env:"UPSTREAM_HEADER_TIMEOUT" default:"5m" doc:"how long Shiny may take to begin an answer"`
}

// LogSettings say what is written, and where to.
type LogSettings struct {
	Level string `yaml:"level" env:"LOG_LEVEL" default:"info" doc:"debug, info, warn or error"`
	File  string `yaml:"file" env:"LOG_FILE" doc:"where records go. Default: standard output"`
}

// MountSettings are one element of mounts. There is no default for Allow.
type MountSettings struct {
	Path         string      `yaml:"path"`
	Upstream     []string    `yaml:"upstream"`
	UpstreamPath string      `yaml:"upstream_path" default:"/"`
	Allow        config.Node `yaml:"allow"`
}
