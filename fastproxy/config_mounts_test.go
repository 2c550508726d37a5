package fastproxy

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"fastproxy/fastproxy/identity"
)

func TestAdminOpensByVariable(t *testing.T) {
	kim := &identity.Principal{Method: identity.MethodOIDC, Subject: "auth0|5ad"}
	sam := &identity.Principal{Method: identity.MethodOIDC, Subject: "auth0|77", Groups: []string{"Admin"}}
	for _, c := range []struct {
		env      string
		kim, sam bool
	}{
		{"", false, false}, {"ADMIN_USERS=x, auth0|5ad", true, false}, {"ADMIN_GROUPS=Admin", false, true}, {"ADMIN_USERS=*", true, true},
	} {
		s := mustLoad(t, login+good+c.env, "")
		rule := s.Mounts()[0].Rule
		if rule.Admits(kim) != c.kim || rule.Admits(sam) != c.sam || rule.Admits(nil) || s.AdminIsClosed() != (c.env == "") {
			t.Errorf("%q: %+v", c.env, rule)
		}
	}
}

func TestMountsOfYAMLStandBesideTheBuiltIn(t *testing.T) {
	s := mustLoad(t, login+good, `mounts:
  - path: /reports/
    upstream: [http://127.0.0.1:3838]
    allow: public
  - path: /reports/finance/
    upstream: HTTP://Localhost:3838/
    upstream_path: /finance/
    allow: {groups: [Finance], emails: "@example.org"}
`)
	var got []string
	for _, m := range s.Mounts() {
		got = append(got, m.Path+" "+m.Upstream+m.UpstreamPath+" "+m.Rule.String())
	}
	want := []string{
		"/admin/ http://localhost:4151/ nobody",
		"/reports/ http://127.0.0.1:3838/ public",
		`/reports/finance/ http://localhost:3838/finance/ {groups: [Finance], emails: ["@example.org"]}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func TestWithoutLoginEverythingMustBePublic(t *testing.T) {
	s := mustLoad(t, good, "mounts:\n  - {path: /reports/, upstream: 'http://127.0.0.1:3838', allow: public}\n")
	if s.HasOIDC() || s.HasPasswd() {
		t.Error("there is a login")
	}
}

func TestFlatFilePeopleNeedNoPrefixWhereTheyAreAlone(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "passwd")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kim := &identity.Principal{Method: identity.MethodPasswd, Subject: "kim"}
	yaml := "mounts: [{path: /x/, upstream: 'http://h:1', allow: {users: [kim]}}]\n"
	for env, want := range map[string]bool{"": true, login: false} {
		s := mustLoad(t, env+good+"ADMIN_USERS=kim\nAUTH_PASSWD_FILE="+name+"\n", yaml)
		for _, m := range s.Mounts() {
			if m.Path != "/reports/" && m.Rule.Admits(kim) != want {
				t.Errorf("%q: %s admits kim: %v", env, m.Path, !want)
			}
		}
	}
}
