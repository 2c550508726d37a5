package fastproxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fastproxy/fastproxy/identity"
)

// TestNobodyIsTakenForSomebodyElse sends people whose names, methods, issuers
// and addresses look like others' through every transport, past every rule that
// names those others: who is let in, and which address Shiny is told.
func TestNobodyIsTakenForSomebodyElse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(file, []byte(tinaLine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shiny := startRecorder(t)
	p := startProxy(t, map[string]string{"COOKIE_SECRET": "", "PUBLIC_URL": "http://h", "AUTH_PASSWD_FILE": file, "SHINY_SHARED_SECRET": "between us",
		"AUTH0_ISSUER_URL": "http://127.0.0.1:1/", "AUTH0_CLIENT_ID": "shiny", "AUTH0_CLIENT_SECRET": "secret"}, fmt.Sprintf(`mounts:
  - {path: /anybody/, upstream: ["http://%[1]s"], allow: signed_in}
  - {path: /domain/, upstream: ["http://%[1]s"], allow: {emails: ["@example.org"]}}
  - {path: /address/, upstream: ["http://%[1]s"], allow: {emails: ["kim@example.org"]}}
  - {path: /subject/, upstream: ["http://%[1]s"], allow: {users: ["auth0|5ad", tina]}}
  - {path: /flat/, upstream: ["http://%[1]s"], allow: {users: ["passwd:tina"]}}
  - {path: /star/, upstream: ["http://%[1]s"], allow: {users: ["*"]}}
  - {path: /group/, upstream: ["http://%[1]s"], allow: {groups: [Admin]}}
`, shiny.l.Addr()))
	who := func(subject, email string, verified any, groups ...any) identity.Principal {
		w, err := identity.FromClaims("http://127.0.0.1:1/", map[string]any{"sub": subject, "email": email, "email_verified": verified, "groups": groups}, "groups")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	mail := func(email string, verified any) identity.Principal { return who("auth0|other", email, verified) }
	foreign := who("auth0|5ad", "kim@example.org", true, "Admin")
	foreign.Issuer = "http://127.0.0.1:2/"
	rest := "anybody star "
	n := 0
	for name, c := range map[string]struct {
		who   identity.Principal
		opens string // the mounts, but for those of any person
		told  bool   // Shiny is told the address
	}{
		"kim":                              {mail("kim@example.org", true), rest + "domain address", true},
		"kim, verified as text":            {mail("kim@example.org", "true"), rest + "domain address", true},
		"kim in capitals":                  {mail("KIM@EXAMPLE.ORG", true), rest + "domain address", true},
		"not verified":                     {mail("kim@example.org", false), rest, false},
		"not verified, as text":            {mail("kim@example.org", "false"), rest, false},
		"verified is not said":             {mail("kim@example.org", nil), rest, true},
		"verified is 1":                    {mail("kim@example.org", 1), rest, true},
		"verified is TRUE":                 {mail("kim@example.org", "TRUE"), rest, true},
		"verified is a list":               {mail("kim@example.org", []any{true}), rest, true},
		"a@b@c, ours last":                 {mail("evil@evil.org@example.org", true), rest + "domain", true},
		"a@b@c, ours in the middle":        {mail("kim@example.org@evil.org", true), rest, true},
		"a@b@c, kim's in front":            {mail("kim@example.org,x@evil.org", true), rest, true},
		"no local part":                    {mail("@example.org", true), rest, true},
		"the domain alone":                 {mail("example.org", true), rest, true},
		"a subdomain":                      {mail("kim@a.example.org", true), rest, true},
		"a longer domain":                  {mail("kim@notexample.org", true), rest, true},
		"a domain that goes on":            {mail("kim@example.org.evil.org", true), rest, true},
		"a dot behind":                     {mail("kim@example.org.", true), rest, true},
		"a space behind":                   {mail("kim@example.org ", true), rest, true},
		"a space in front":                 {mail(" kim@example.org", true), rest + "domain", true},
		"a line end":                       {mail("kim@example.org\r\n", true), rest, true},
		"a NUL":                            {mail("kim@example.org\x00", true), rest, false},
		"a look-alike e, Cyrillic":         {mail("kim@\u0435xample.org", true), rest, true},
		"a look-alike domain, full width":  {mail("kim@\uff45xample.org", true), rest, true},
		"a look-alike dot":                 {mail("kim@example\u3002org", true), rest, true},
		"a look-alike at":                  {mail("kim\uff20example.org", true), rest, true},
		"a long s":                         {mail("kim@example.org\u017f", true), rest, true},
		"a Kelvin sign for kim":            {mail("\u212aim@example.org", true), rest + "domain", true},
		"a dotless i for kim":              {mail("k\u0131m@example.org", true), rest + "domain", true},
		"a zero-width space":               {mail("kim@exam\u200bple.org", true), rest, true},
		"punycode of a look-alike":         {mail("kim@xn--xample-2of.org", true), rest, true},
		"percent":                          {mail("kim%40example.org", true), rest, true},
		"a comment":                        {mail("kim@example.org(x)", true), rest, true},
		"an address in brackets":           {mail("x <kim@example.org>", true), rest, true},
		"quoted":                           {mail(`"kim"@example.org`, true), rest + "domain", true},
		"the subject":                      {who("auth0|5ad", "", nil), rest + "subject", false},
		"the subject in capitals":          {who("AUTH0|5AD", "", nil), rest, false},
		"the subject and more":             {who("auth0|5ad ad", "", nil), rest, false},
		"a subject as the flat file's":     {who("tina", "", nil), rest + "subject", false},
		"a subject as we write the file's": {who("passwd:tina", "", nil), rest, false},
		"the flat file's":                  {identity.FromPasswd("tina", nil), rest + "flat", false},
		"the subject of another issuer":    {foreign, "", false},
		"a machine":                        {who("x@clients", "kim@example.org", true, "Admin"), "", true},
		"a group and a comma":              {who("auth0|x", "", nil, "x,Admin"), rest, false},
		"a group in percent":               {who("auth0|x", "", nil, "%41dmin", "x%2CAdmin"), rest, false},
		"a group and spaces":               {who("auth0|x", "", nil, " Admin", "Admin ", "ADMIN", "Admin\x00", "Adm\u0131n", "[\"Admin\"]"), rest, false},
		"a group that is a list":           {who("auth0|x", "", nil, []any{"Admin"}, map[string]any{"Name": "Admin"}), rest, false},
		"Admin":                            {who("auth0|x", "", nil, "Admin"), rest + "group", false},
	} {
		cookie := p.cookieFor(t, c.who)
		for _, mount := range []string{"anybody", "domain", "address", "subject", "flat", "star", "group"} {
			opens := strings.Contains(" "+c.opens+" ", " "+mount+" ")
			for i, way := range transports {
				if way.name == "websocket" || mount != "anybody" && i > 0 && i != 3 {
					continue // judged alike; a plain one is refused where rules differ
				}
				n++
				statuses, err := p.answers(requestFor(way.raw, "/"+mount+"/app/", cookie, n), 1)
				saw := shiny.take()
				if err != nil || len(statuses) != 1 || opens != (statuses[0] == 200) || opens != (saw != "") {
					t.Errorf("%s: %s /%s/: %v, %v, want it open: %v", name, way.name, mount, statuses, err, opens)
					continue
				}
				told := headersSeen(saw)
				if _, is := told["x-auth0-email"]; opens && is != c.told {
					t.Errorf("%s: %s: Shiny is told of %q, want an address: %v", name, way.name, told["x-auth0-email"], c.told)
				}
				if opens {
					compareTold(t, name+", "+way.name, strings.ReplaceAll(saw, "evil", ""), withoutEvil(&c.who))
				}
			}
		}
	}
	t.Logf("%d requests", n)
}
