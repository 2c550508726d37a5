package identity

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const issuer = "https://tenant.eu.auth0.com/"

func claimsOf(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestClaimsBecomeAPrincipal(t *testing.T) {
	claims := claimsOf(t, `{"sub":"auth0|5ad","email":"kim@example.org","email_verified":true,
		"name":"Kim Jürgens","nickname":"kim","picture":"https://p.example/k.png","locale":"de",
		"https://example.org/groups":["Admin","DL"],"iat":1}`)
	got, err := FromClaims(issuer, claims, "https://example.org/groups")
	if err != nil {
		t.Fatal(err)
	}
	want := Principal{
		Method: MethodOIDC, Issuer: issuer, Subject: "auth0|5ad",
		Email: "kim@example.org", EmailVerified: VerifiedYes,
		Name: "Kim Jürgens", Nickname: "kim", Picture: "https://p.example/k.png", Locale: "de",
		Groups: []string{"Admin", "DL"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Key() != (Key{MethodOIDC, issuer, "auth0|5ad"}) {
		t.Errorf("key %+v", got.Key())
	}
}

func TestASubjectThatCannotTravelCannotSignIn(t *testing.T) {
	for _, sub := range []any{
		nil, "", 12, json.Number("12"), true, []any{"a"}, map[string]any{},
		"a\r\nX: y", "a\x00", "a\x7f", "jürgen", "a\tb", " kim", "kim ", strings.Repeat("a", subjectMax+1),
	} {
		claims := map[string]any{"sub": sub, "email": "kim@example.org"}
		if sub == nil {
			delete(claims, "sub")
		}
		p, err := FromClaims(issuer, claims, "")
		if err == nil {
			t.Errorf("sub %q signed in as %+v", sub, p)
			continue
		}
		if s, ok := sub.(string); ok && len(s) > 1 && strings.Contains(err.Error(), s) {
			t.Errorf("error tells the value: %v", err)
		}
	}
	for _, sub := range []string{"auth0|5ad", "a b", "~", "x@clients", strings.Repeat("a", subjectMax)} {
		if _, err := FromClaims(issuer, map[string]any{"sub": sub}, ""); err != nil {
			t.Errorf("sub %q: %v", sub, err)
		}
	}
}

func TestGroupsComeInEveryShapeThatIssuersSend(t *testing.T) {
	for _, c := range []struct {
		claim string
		want  []string
	}{
		{`["a","b"]`, []string{"a", "b"}},
		{`["a","a","b","a"]`, []string{"a", "b"}},
		{`[" a ","x,y"]`, []string{" a ", "x,y"}},
		{`[1,2.5,12345678901234567890]`, []string{"1", "2.5", "12345678901234567890"}},
		{`[{"name":"a","id":1},{"id":2},{"name":3}]`, []string{"a"}},
		{`["",null,true,["a"],"b"]`, []string{"b"}},
		{`["a\u0000b","c"]`, []string{"c"}},
		{`"a, b ,,c"`, []string{"a", "b", "c"}},
		{`"Power Users"`, []string{"Power Users"}},
		{`"[\"a\",\"b,c\",7]"`, []string{"a", "b,c", "7"}},
		{`" [\"a\"] "`, []string{"a"}},
		{`"[a b]"`, []string{"[a b]"}},
		{`"[\"a\"] tail"`, []string{`["a"] tail`}},
		{`{"name":"a"}`, []string{"a"}},
		{`7`, []string{"7"}},
		{`null`, nil}, {`""`, nil}, {`[]`, nil}, {`" , "`, nil}, {`true`, nil},
	} {
		p, err := FromClaims(issuer, claimsOf(t, `{"sub":"s","g":`+c.claim+`}`), "g")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(p.Groups, c.want) {
			t.Errorf("%s: got %q, want %q", c.claim, p.Groups, c.want)
		}
		if (p.ClaimKeys == nil) != (len(c.want) > 0) {
			t.Errorf("%s: claim keys %q", c.claim, p.ClaimKeys)
		}
	}
}

func TestFloatsThatCouldMergeTwoGroupsAreLeftOut(t *testing.T) {
	p, err := FromClaims(issuer, map[string]any{"sub": "s", "g": []any{float64(7), 1e17, int64(8), 9}}, "g")
	if err != nil || !slices.Equal(p.Groups, []string{"7", "8", "9"}) {
		t.Errorf("got %q, %v", p.Groups, err)
	}
}

func TestTheGroupsClaimIsOneNameOrThatNameWithGroupsBehindIt(t *testing.T) {
	const ns = "https://example.org"
	for _, c := range []struct{ claims, want string }{
		{`{"https://example.org":["a"],"https://example.org/groups":["b"]}`, "a"},
		{`{"https://example.org/groups":["b"]}`, "b"},
		{`{"https://example.org":null,"https://example.org/groups":["b"]}`, "b"},
		{`{"https:":{"example":{"org":["c"]}},"HTTPS://EXAMPLE.ORG":["d"],"groups":["e"]}`, ""},
	} {
		claims := claimsOf(t, c.claims)
		claims["sub"] = "s"
		p, _ := FromClaims(issuer, claims, ns)
		if got := strings.Join(p.Groups, ","); got != c.want {
			t.Errorf("%s: got %q, want %q", c.claims, got, c.want)
		}
	}
	p, _ := FromClaims(issuer, map[string]any{"sub": "s", "": []any{"a"}, "/groups": []any{"b"}}, "")
	if p.Groups != nil {
		t.Errorf("no setting, but groups %q", p.Groups)
	}
}

func TestEmailVerifiedIsABooleanOrItsName(t *testing.T) {
	for _, c := range []struct {
		claim any
		want  Verified
	}{
		{true, VerifiedYes}, {"true", VerifiedYes}, {false, VerifiedNo}, {"false", VerifiedNo},
		{nil, VerifiedUnknown}, {"TRUE", VerifiedUnknown}, {1.0, VerifiedUnknown}, {json.Number("1"), VerifiedUnknown},
		{[]any{true}, VerifiedUnknown}, {map[string]any{}, VerifiedUnknown},
	} {
		p, _ := FromClaims(issuer, map[string]any{"sub": "s", "email_verified": c.claim}, "")
		if p.EmailVerified != c.want {
			t.Errorf("%#v: got %d, want %d", c.claim, p.EmailVerified, c.want)
		}
	}
}

func TestClaimsOfAnUnusableKindCountAsAbsent(t *testing.T) {
	for _, v := range []any{nil, 7, true, []any{"a"}, "a\x00b", strings.Repeat("x", pictureMax+1)} {
		p, err := FromClaims(issuer, map[string]any{"sub": "s", "email": v, "name": v, "nickname": v, "picture": v, "locale": v}, "")
		if err != nil || p.Email+p.Name+p.Nickname+p.Picture+p.Locale != "" {
			t.Errorf("%.20v: %+v, %v", v, p, err)
		}
	}
}

func TestClaimKeysAreSortedAndBounded(t *testing.T) {
	claims := map[string]any{"sub": "s", strings.Repeat("a", 98) + "éé": 1}
	for i := range 80 {
		claims[fmt.Sprintf("k%02d", i)] = i
	}
	p, _ := FromClaims(issuer, claims, "groups")
	if len(p.ClaimKeys) != claimKeysMax || !slices.IsSorted(p.ClaimKeys) {
		t.Errorf("%d keys, %q", len(p.ClaimKeys), p.ClaimKeys)
	}
	if want := strings.Repeat("a", 98) + "é"; p.ClaimKeys[0] != want {
		t.Errorf("cut to %q, want whole runes", p.ClaimKeys[0])
	}
}

func TestFlatFilePeopleHaveTheirOwnNames(t *testing.T) {
	groups := []string{"a", "a", "", "b"}
	p := FromPasswd("kim", groups)
	groups[0] = "changed"
	if p.RuleName() != "passwd:kim" || p.IsClient() || !slices.Equal(p.Groups, []string{"a", "b"}) {
		t.Errorf("%+v", p)
	}
	if c := FromPasswd("x@clients", nil); c.IsClient() {
		t.Error("a flat-file name made a machine")
	}
	if c := (Principal{Method: MethodOIDC, Subject: "x@clients"}); !c.IsClient() || c.RuleName() != "x@clients" {
		t.Error("a client-credentials subject is no machine")
	}
}

func TestPagesAddressPeopleByTheBestNameKnown(t *testing.T) {
	p := Principal{Subject: "s", Nickname: "k", Email: "e", Name: "n"}
	for _, want := range []string{"n", "e", "k", "s"} {
		if got := p.DisplayName(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		switch want {
		case "n":
			p.Name = ""
		case "e":
			p.Email = ""
		case "k":
			p.Nickname = ""
		}
	}
}

// FuzzFromClaims: whatever a groups claim holds, the principal's header lines
// stay lines, and a JSON round trip (the sealed cookie) changes nothing.
func FuzzFromClaims(f *testing.F) {
	for _, s := range []string{
		`["a","b"]`, `"a,b"`, `"[\"a\"]"`, `[{"name":"x"}]`, `[1,1e400]`, `null`, `{"name":"a\r\nb"}`,
		`["a%2Cb","\ud800","\u0000"," x ","é,漢"]`, `[[[[1]]]]`, `"[`, `-0`,
	} {
		f.Add(s, "kim@example.org")
	}
	f.Fuzz(func(t *testing.T, groups, email string) {
		d := json.NewDecoder(strings.NewReader(groups))
		d.UseNumber()
		var claim any
		if d.Decode(&claim) != nil {
			claim = groups
		}
		p, err := FromClaims(issuer, map[string]any{"sub": "s", "email": email, "name": groups, "g": claim}, "g")
		if err != nil {
			t.Fatal(err)
		}
		checkLines(t, &p)
		b, err := json.Marshal(&p)
		if err != nil {
			t.Fatal(err)
		}
		var back Principal
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(p, back) {
			t.Fatalf("cookie changed %+v to %+v (%v)", p, back, err)
		}
	})
}

// FuzzGroups: whatever text an issuer sends for groups, nobody is in a group
// that is not an element of it, and Shiny reads the same ones from both headers.
func FuzzGroups(f *testing.F) {
	for _, s := range []string{`["Admin"]`, `"a,Admin"`, `["a,Admin"]`, `["a%2CAdmin"," Admin"]`, `"[\"a\",\"Admin\"]"`, `[{"name":"Admin","x":1}]`, `[1,1.0,10e-1,9007199254740993,true,null]`, `{"name":"Admin"}`, `["__proto__","constructor"]`, `"[,]"`, `["Admin\u0000"]`, `[["Admin"]]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, claim string) {
		d := json.NewDecoder(strings.NewReader(claim))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			return
		}
		p, err := FromClaims(issuer, map[string]any{"sub": "s", "g": v}, "g")
		if err != nil {
			t.Fatal(err)
		}
		checkLines(t, &p) // both headers say the same, in printable ASCII
		for i, g := range p.Groups {
			if g == "" || strings.ContainsRune(g, 0) || slices.Contains(p.Groups[:i], g) {
				t.Fatalf("%s: group %q of %q", claim, g, p.Groups)
			}
			if !saidIn(v, g, true) {
				t.Fatalf("%s: nobody said %q", claim, g)
			}
		}
	})
}

// saidIn reports whether an issuer that sends v says that group g is there.
func saidIn(v any, g string, outermost bool) bool {
	switch v := v.(type) {
	case string:
		if !outermost {
			return v == g
		}
		var inside []any
		d := json.NewDecoder(strings.NewReader(v))
		d.UseNumber()
		if strings.HasPrefix(strings.TrimSpace(v), "[") && d.Decode(&inside) == nil && saidIn(inside, g, false) {
			return true
		}
		return slices.ContainsFunc(strings.Split(v, ","), func(s string) bool { return strings.TrimSpace(s) == g })
	case json.Number:
		return v.String() == g
	case map[string]any:
		return v["name"] == g
	case []any:
		return slices.ContainsFunc(v, func(e any) bool {
			_, nested := e.([]any)
			return !nested && saidIn(e, g, false)
		})
	}
	return false
}
