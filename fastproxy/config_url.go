package fastproxy

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// parseOrigin reads scheme://host[:port] and returns it as browsers write it
// (RFC 6454 section 6.2): lower case, the scheme's own port left out. The
// error says what is wanted.
func parseOrigin(text string) (string, error) {
	want := errors.New("want a scheme and a host alone, such as https://apps.example.org")
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" ||
		u.Path != "" && u.Path != "/" || strings.HasSuffix(text, "#") {
		return "", want
	}
	own := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if own == "" || !isHostPort(u.Host) {
		return "", want
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == own {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host, nil
}

// parseWebURL reads an absolute http or https URL without user and fragment.
func parseWebURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || !isHostPort(u.Host) {
		return nil, errors.New("want a URL such as https://apps.example.org/callback")
	}
	if u.User != nil || strings.Contains(text, "#") {
		return nil, errors.New("want a URL without user and fragment")
	}
	return u, nil
}

// isHostPort reports whether s is a host, or host:port, as it stands in a
// URL. Names outside ASCII have to be written as browsers send them (xn--…).
func isHostPort(s string) bool {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if !isPort(port) || port == "0" {
			return false
		}
	}
	if v6, ok := strings.CutPrefix(host, "["); ok {
		v6, ok = strings.CutSuffix(v6, "]")
		a, err := netip.ParseAddr(v6)
		return ok && err == nil && a.Is6() && a.Zone() == ""
	}
	return isHostName(host)
}

// isHostName allows what resolvers do: letters, digits, "-", "." and "_"
// (container names have it); addresses are a case of it.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 || strings.HasPrefix(s, ".") || strings.Contains(s, "..") || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= s[i] && s[i] <= '9' || s[i] == '-' || s[i] == '.' || s[i] == '_') {
			return false
		}
	}
	return true
}

// isPort reports whether s is a port's number, 0 for one that the system
// chooses.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// isLoopback reports whether a URL's host names this machine itself, without
// asking a resolver.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
