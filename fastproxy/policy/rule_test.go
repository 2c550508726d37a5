package policy

import (
	"testing"

	"fastproxy/fastproxy/identity"
)

func person(sub string, change func(*identity.Principal)) *identity.Principal {
	p := &identity.Principal{Method: identity.MethodOIDC, Issuer: "https://t.auth0.com/", Subject: sub}
	if change != nil {
		change(p)
	}
	return p
}

func withEmail(email string, v identity.Verified) *identity.Principal {
	return person("auth0|1", func(p *identity.Principal) { p.Email, p.EmailVerified = email, v })
}

func flat(user string, groups ...string) *identity.Principal {
	p := identity.FromPasswd(user, groups)
	return &p
}

func TestARuleAdmitsWhomItNames(t *testing.T) {
	kim := person("auth0|5ad", func(p *identity.Principal) { p.Groups = []string{"DL", "Admin"} })
	robot := person("abc@clients", func(p *identity.Principal) {
		p.Groups, p.Email, p.EmailVerified = []string{"Admin"}, "bot@example.org", identity.VerifiedYes
	})
	domain := Rule{Emails: []string{"@Example.org"}}
	address := Rule{Emails: []string{"kim@example.org"}}
	for _, c := range []struct {
		name string
		rule Rule
		who  *identity.Principal
		want bool
	}{
		{"public, unknown", Rule{Public: true}, nil, true},
		{"public, known", Rule{Public: true}, kim, true},
		{"public, machine", Rule{Public: true}, robot, true},
		{"zero rule", Rule{}, kim, false},
		{"zero rule, unknown", Rule{}, nil, false},
		{"signed in", Rule{SignedIn: true}, kim, true},
		{"signed in, flat", Rule{SignedIn: true}, flat("kim"), true},
		{"signed in, unknown", Rule{SignedIn: true}, nil, false},
		{"signed in, machine", Rule{SignedIn: true}, robot, false},
		{"user", Rule{Users: []string{"x", "auth0|5ad"}}, kim, true},
		{"user in other case", Rule{Users: []string{"AUTH0|5ad"}}, kim, false},
		{"user, unknown", Rule{Users: []string{""}}, nil, false},
		{"any user", Rule{Users: []string{"*"}}, kim, true},
		{"any user, flat", Rule{Users: []string{"*"}}, flat("kim"), true},
		{"any user, unknown", Rule{Users: []string{"*"}}, nil, false},
		{"any user, machine", Rule{Users: []string{"*"}}, robot, false},
		{"machine named", Rule{Users: []string{"abc@clients"}}, robot, true},
		{"machine named beside any", Rule{Users: []string{"*", "abc@clients"}}, robot, true},
		{"machine by group", Rule{Groups: []string{"Admin"}}, robot, false},
		{"machine by address", Rule{Emails: []string{"@example.org"}}, robot, false},
		{"group", Rule{Groups: []string{"Finance", "Admin"}}, kim, true},
		{"group in other case", Rule{Groups: []string{"admin"}}, kim, false},
		{"group, flat", Rule{Groups: []string{"ops"}}, flat("kim", "ops"), true},
		{"any of several", Rule{Users: []string{"x"}, Groups: []string{"DL"}, Emails: []string{"@y"}}, kim, true},
		{"none of several", Rule{Users: []string{"x"}, Groups: []string{"y"}, Emails: []string{"@y"}}, kim, false},

		{"flat name", Rule{Users: []string{"passwd:kim"}}, flat("kim"), true},
		{"other flat name", Rule{Users: []string{"passwd:kim"}}, flat("sam"), false},
		{"bare name not allowed", Rule{Users: []string{"kim"}}, flat("kim"), false},
		{"bare name", Rule{Users: []string{"kim"}, BarePasswdNames: true}, flat("kim"), true},
		{"prefixed name where bare ones count", Rule{Users: []string{"passwd:kim"}, BarePasswdNames: true}, flat("kim"), true},
		{"subject spelt like a flat name", Rule{Users: []string{"passwd:kim"}}, person("passwd:kim", nil), false},
		{"subject kim is not flat kim", Rule{Users: []string{"passwd:kim"}}, person("kim", nil), false},

		{"domain", domain, withEmail("kim@example.org", identity.VerifiedYes), true},
		{"domain in other case", domain, withEmail("KIM@EXAMPLE.ORG", identity.VerifiedYes), true},
		{"domain, not verified", domain, withEmail("kim@example.org", identity.VerifiedNo), false},
		{"domain, not known verified", domain, withEmail("kim@example.org", identity.VerifiedUnknown), false},
		{"subdomain", domain, withEmail("kim@a.example.org", identity.VerifiedYes), false},
		{"longer domain", domain, withEmail("kim@notexample.org", identity.VerifiedYes), false},
		{"domain in front", domain, withEmail("kim@example.org@evil.org", identity.VerifiedYes), false},
		{"quoted local part", domain, withEmail(`"a@evil.org"@example.org`, identity.VerifiedYes), true},
		{"no local part", domain, withEmail("@example.org", identity.VerifiedYes), false},
		{"no at", domain, withEmail("example.org", identity.VerifiedYes), false},
		{"address", address, withEmail("Kim@Example.org", identity.VerifiedYes), true},
		{"Kelvin sign", address, withEmail("\u212Aim@example.org", identity.VerifiedYes), false},
		{"other address", address, withEmail("akim@example.org", identity.VerifiedYes), false},
		{"no address", address, withEmail("", identity.VerifiedYes), false},
		{"pattern without at", Rule{Emails: []string{"example.org"}}, withEmail("kim@example.org", identity.VerifiedYes), false},
	} {
		if got := c.rule.Admits(c.who); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}

func TestAdmitsAllocatesNothing(t *testing.T) {
	rule := Rule{Users: []string{"passwd:sam", "x"}, Groups: []string{"a"}, Emails: []string{"@example.org"}}
	kim := withEmail("kim@example.org", identity.VerifiedYes)
	if n := testing.AllocsPerRun(100, func() {
		if !rule.Admits(kim) {
			t.Fatal("not admitted")
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestARuleReadsAsItIsWritten(t *testing.T) {
	for want, rule := range map[string]Rule{
		"nobody":                {},
		"public":                {Public: true},
		"signed_in":             {SignedIn: true},
		`{users: [auth0|5ad]}`:  {Users: []string{"auth0|5ad"}},
		`{users: ["*"]}`:        {Users: []string{"*"}},
		`{users: ["passwd:x"]}`: {Users: []string{"passwd:x"}},
		`{groups: [Finance, "a, b", "7", "true"], users: [x], emails: ["@example.org"]}`: {
			Users: []string{"x"}, Groups: []string{"Finance", "a, b", "7", "true"}, Emails: []string{"@example.org"}},
	} {
		if got := rule.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func BenchmarkAdmits(b *testing.B) {
	rule := Rule{Groups: []string{"Finance", "Admin"}}
	kim := person("auth0|5ad", func(p *identity.Principal) { p.Groups = []string{"DL", "HR", "Admin"} })
	b.ReportAllocs()
	for b.Loop() {
		rule.Admits(kim)
	}
}
