package policy

import (
	"reflect"
	"testing"
)

func TestRulesAreReadFromWhatYAMLHolds(t *testing.T) {
	list := func(v ...any) []any { return v }
	for _, c := range []struct {
		in   any
		want Rule
	}{
		{"public", Rule{Public: true}},
		{"signed_in", Rule{SignedIn: true}},
		{map[string]any{"groups": list("Finance", "a,b")}, Rule{Groups: []string{"Finance", "a,b"}}},
		{map[string]any{"groups": list(7, uint64(8), int64(9))}, Rule{Groups: []string{"7", "8", "9"}}},
		{map[string]any{"groups": "Finance, HR,"}, Rule{Groups: []string{"Finance", "HR"}}},
		{map[string]any{"users": []string{"*", "passwd:kim"}}, Rule{Users: []string{"*", "passwd:kim"}}},
		{map[string]any{"emails": list("@example.org", "kim@example.org"), "users": "auth0|5ad"},
			Rule{Emails: []string{"@example.org", "kim@example.org"}, Users: []string{"auth0|5ad"}}},
	} {
		got, err := ParseRule(c.in)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: got %+v, %v", c.in, got, err)
		}
	}
}

func TestABadRuleIsToldWhatWasFoundAndWhatIsWanted(t *testing.T) {
	const forms = "want public, signed_in or {groups: [...], users: [...], emails: [...]}"
	const emails = "want an address (kim@example.org) or a domain (@example.org)"
	for _, c := range []struct {
		in   any
		want string
	}{
		{nil, "found nothing, " + forms},
		{"private", `found "private", ` + forms},
		{true, "found true, " + forms},
		{7, "found 7, " + forms},
		{[]any{"public"}, "found a list, " + forms},
		{map[string]any{}, "found an empty map, " + forms},
		{map[string]any{"group": "x"}, `unknown key "group", want groups, users or emails`},
		{map[string]any{"groups": nil}, "groups: found nothing, want a list of names"},
		{map[string]any{"groups": 3.5}, "groups: found 3.5, want a list of names"},
		{map[string]any{"groups": []any{}}, "groups: found an empty list, want at least one name"},
		{map[string]any{"groups": " , "}, "groups: found an empty list, want at least one name"},
		{map[string]any{"users": []any{"x", ""}}, "users: found an empty name"},
		{map[string]any{"users": []any{true}}, "users: found true in the list, want names (in quotes if need be)"},
		{map[string]any{"users": []any{map[string]any{}}}, "users: found a map in the list, want names (in quotes if need be)"},
		{map[string]any{"emails": "example.org"}, `emails: found "example.org", ` + emails},
		{map[string]any{"emails": "*@example.org"}, `emails: found "*@example.org", ` + emails},
		{map[string]any{"emails": "@*.example.org"}, `emails: found "@*.example.org", ` + emails},
		{map[string]any{"emails": "kim@"}, `emails: found "kim@", ` + emails},
		{map[string]any{"emails": []any{"a b@c"}}, `emails: found "a b@c", ` + emails},
		{map[string]any{"emails": []any{"a@b@c"}}, `emails: found "a@b@c", ` + emails},
	} {
		r, err := ParseRule(c.in)
		if err == nil || err.Error() != "policy: read rule: "+c.want {
			t.Errorf("%v: got %v, want %s", c.in, err, c.want)
		}
		if !reflect.DeepEqual(r, Rule{}) {
			t.Errorf("%v: an error, and the rule %+v", c.in, r)
		}
	}
}
