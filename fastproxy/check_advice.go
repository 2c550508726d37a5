package fastproxy

import (
	"fmt"
	"net"
	"strings"
)

// nginxBlock returns what nginx needs to stand in front: deploy/nginx.conf
// with the settings' own names in it, and less of the rest.
func (s *Settings) nginxBlock() string {
	var b strings.Builder
	name, port, err := net.SplitHostPort(s.PublicHost())
	if err != nil {
		name, port = s.PublicHost(), ""
	}
	name = strings.Trim(name, "[]")
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[s.Secure()]
	}
	if s.listensOn(net.JoinHostPort("127.0.0.1", port)) || s.listensOn(":"+port) {
		fmt.Fprintf(&b, "  # People now come straight to fastproxy (%s). With nginx in front,\n"+
			"  # PUBLIC_URL becomes nginx's name.\n", s.PublicOrigin())
		port = "80"
	}
	listen := port
	certificate := ""
	if s.Secure() {
		listen += " ssl"
		certificate = fmt.Sprintf("\n      ssl_certificate     /etc/letsencrypt/live/%[1]s/fullchain.pem;\n"+
			"      ssl_certificate_key /etc/letsencrypt/live/%[1]s/privkey.pem;\n", name)
	}
	fmt.Fprintf(&b, `  map $http_upgrade $fastproxy_connection {
      default upgrade;
      ''      '';
  }
  server {
      listen %[1]s;
      listen [::]:%[1]s;
      server_name %[2]s;
%[3]s
      client_max_body_size 1g;
      large_client_header_buffers 4 16k;
      location / {
          proxy_pass http://%[4]s;
          proxy_http_version 1.1;
          proxy_set_header Host            $http_host;
          proxy_set_header Upgrade         $http_upgrade;
          proxy_set_header Connection      $fastproxy_connection;
          proxy_set_header X-Forwarded-For $remote_addr;
          proxy_buffering         off;
          proxy_request_buffering off;
          proxy_buffer_size       32k;
          proxy_buffers           8 32k;
          proxy_busy_buffers_size 64k;
          proxy_read_timeout      24h;
          proxy_send_timeout      24h;
      }
  }
`, listen, name, certificate, s.nginxTarget())
	return b.String()
}

// nginxTarget is where nginx, on this machine, reaches us.
func (s *Settings) nginxTarget() string {
	for _, l := range s.ListenAddrs() {
		if l.Network == "unix" {
			return "unix:" + l.Address
		}
		host, port, err := net.SplitHostPort(l.Address)
		if err != nil {
			continue
		}
		if isWildcard(host) {
			host = "127.0.0.1"
		}
		return net.JoinHostPort(host, port)
	}
	return "127.0.0.1:3000"
}

// dashboard returns the URLs that have to be registered at the issuer, under
// the names that Auth0's dashboard has for them.
func (s *Settings) dashboard() string {
	logout := "none needed: signing out does not lead there"
	if t := s.LogoutTarget(); t.Issuer {
		logout = t.ReturnTo
	}
	return fmt.Sprintf("  Application Type       Regular Web Application\n"+
		"  Allowed Callback URLs  %s\n"+
		"  Allowed Logout URLs    %s\n"+
		"  Allowed Web Origins    %s\n"+
		"  Advanced, OAuth        JsonWebToken Signature Algorithm: RS256; OIDC Conformant: on\n",
		s.Auth0.CallbackURL, logout, s.PublicOrigin())
}
