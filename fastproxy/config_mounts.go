package fastproxy

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fastproxy/fastproxy/config"
	"fastproxy/fastproxy/policy"
)

const (
	reportsMount = "/reports/"
	adminMount   = "/admin/"
)

// Mounts returns every mount, sorted by path: those of YAML, and the built-in
// /reports/ (everyone signed in) and /admin/ (ADMIN_USERS and ADMIN_GROUPS;
// neither set: nobody) where YAML has none of that path. Upstream is
// http://host:port. The caller must not change them.
func (s *Settings) Mounts() []policy.Mount { return s.mounts }

// AdminIsClosed reports whether the built-in /admin/ admits nobody, so that
// pages and the start-up lines can print the line that opens it.
func (s *Settings) AdminIsClosed() bool {
	return len(s.Admin.Users) == 0 && len(s.Admin.Groups) == 0 && !s.hasOwnMount(adminMount)
}

func (s *Settings) hasOwnMount(path string) bool {
	return slices.ContainsFunc(s.OwnMounts, func(m MountSettings) bool { return m.Path == path })
}

// barePasswd reports whether rules may name flat-file people without
// "passwd:", because there are no others.
func (s *Settings) barePasswd() bool { return s.HasPasswd() && !s.HasOIDC() }

func (s *Settings) builtinMounts() []policy.Mount {
	var mounts []policy.Mount
	if !s.hasOwnMount(reportsMount) {
		mounts = append(mounts, policy.Mount{Path: reportsMount, Upstream: s.shinyURL(s.Shiny.Port), UpstreamPath: "/",
			Rule: policy.Rule{SignedIn: true, BarePasswdNames: s.barePasswd()}})
	}
	if !s.hasOwnMount(adminMount) {
		mounts = append(mounts, policy.Mount{Path: adminMount, Upstream: s.shinyURL(s.Shiny.AdminPort), UpstreamPath: "/",
			Rule: policy.Rule{Users: s.Admin.Users, Groups: s.Admin.Groups, BarePasswdNames: s.barePasswd()}})
	}
	return mounts
}

func (s *Settings) shinyURL(port int) string {
	return "http://" + strings.ToLower(net.JoinHostPort(s.Shiny.Host, strconv.Itoa(port)))
}

// checkMounts reads mounts into s.mounts. A mount with a problem is left out.
func (s *Settings) checkMounts(p *config.Errors) {
	s.mounts = s.builtinMounts()
	first := map[string]int{}
	for i := range s.OwnMounts {
		m, ok := s.readMount(i, p)
		if !ok {
			continue
		}
		path := fmt.Sprintf("mounts[%d]", i)
		if before, twice := first[m.Path]; twice {
			p.Add(path, s.origins.Where(path+".path"), "found %s twice, first at %s", config.Quote(m.Path), s.origins.Of(fmt.Sprintf("mounts[%d]", before)))
			continue
		}
		first[m.Path] = i
		s.mounts = append(s.mounts, m)
	}
	slices.SortFunc(s.mounts, func(a, b policy.Mount) int { return strings.Compare(a.Path, b.Path) })
	if s.hasOwnMount(adminMount) && (len(s.Admin.Users) > 0 || len(s.Admin.Groups) > 0) {
		set := "admin.users"
		if len(s.Admin.Users) == 0 {
			set = "admin.groups"
		}
		p.Add(set, s.origins.Where(set), "found it beside a mount /admin/ with an allow of its own, want one of the two")
	}
	table, err := policy.NewTable(s.mounts)
	if err != nil {
		p.Add("mounts", s.origins.Where("mounts"), "%s", oneLine(err))
		return
	}
	for _, detour := range table.Detours() {
		s.warn("mounts: %s", detour)
	}
}

func (s *Settings) readMount(i int, p *config.Errors) (policy.Mount, bool) {
	set, path := s.OwnMounts[i], fmt.Sprintf("mounts[%d]", i)
	before := len(p.List())
	m := policy.Mount{Path: set.Path, UpstreamPath: set.UpstreamPath}
	if set.Path == "" && !p.Has(path+".path") {
		p.Add(path+".path", s.origins.Where(path+".path"), "found none, want a path such as /reports/")
	}
	s.readUpstream(&m, set, path, p)
	var err error
	if m.Rule, err = s.readRule(set, path, p); err != nil {
		p.Add(path+".allow", s.origins.Where(path+".allow"), "%s", oneLine(err))
	}
	if len(p.List()) > before || p.Has(path) {
		return m, false
	}
	// Alone first: so its own faults come with its own line.
	if _, err := policy.NewTable([]policy.Mount{m}); err != nil {
		p.Add(path, s.origins.Where(path+".path"), "%s", oneLine(err))
		return m, false
	}
	return m, true
}

func (s *Settings) readRule(set MountSettings, path string, p *config.Errors) (policy.Rule, error) {
	if set.Allow.IsZero() {
		if !p.Has(path + ".allow") {
			p.Add(path+".allow", s.origins.Where(path+".allow"),
				`found none, want allow: signed_in, public or {groups: [...], users: [...], emails: ["@example.org"]}`)
		}
		return policy.Rule{}, nil
	}
	rule, err := policy.ParseRule(set.Allow.Value)
	rule.BarePasswdNames = s.barePasswd()
	return rule, err
}

func (s *Settings) readUpstream(m *policy.Mount, set MountSettings, path string, p *config.Errors) {
	path += ".upstream"
	switch {
	case p.Has(path):
		return
	case len(set.Upstream) == 0:
		p.Add(path, s.origins.Where(path), "found none, want http://host:port")
		return
	case len(set.Upstream) > 1:
		p.Add(path, s.origins.Where(path), "found %d; several upstreams are not in this version, want one", len(set.Upstream))
		return
	}
	u, err := url.Parse(set.Upstream[0])
	if err != nil || u.Scheme != "http" || u.Opaque != "" || !isHostPort(u.Host) || u.Port() == "" || u.User != nil ||
		u.Path != "" && u.Path != "/" || strings.ContainsAny(set.Upstream[0], "?#") {
		found := config.Quote(set.Upstream[0])
		if strings.Contains(found, "@") { // a password may stand before it
			found = "a URL with a user"
		}
		p.Add(path, s.origins.Where(path), "found %s, want http://host:port; a path behind it goes to upstream_path", found)
		return
	}
	m.Upstream = "http://" + strings.ToLower(u.Host)
	if s.listensOn(u.Host) {
		p.Add(path, s.origins.Where(path), "found %s, where fastproxy itself listens; want Shiny's address", config.Quote(set.Upstream[0]))
	}
}

// allPublic reports whether nobody has to sign in anywhere: a closed /admin/
// does not count.
func (s *Settings) allPublic() bool {
	for _, m := range s.mounts {
		closed := m.Path == adminMount && s.AdminIsClosed()
		if !m.Rule.Public && !closed {
			return false
		}
	}
	return true
}

// oneLine joins the lines of an error: a problem is one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
