package policy

import (
	"testing"

	"fastproxy/fastproxy/identity"
)

func reachTable(t *testing.T) *Table {
	t.Helper()
	table, err := NewTable([]Mount{
		{Path: "/reports/", Upstream: "http://127.0.0.1:3838", Rule: Rule{SignedIn: true}},
		{Path: "/reports/finance/", Upstream: "http://localhost:3838", UpstreamPath: "/finance/", Rule: Rule{Groups: []string{"Finance"}}},
		{Path: "/hr/", Upstream: "http://[::1]:3838", UpstreamPath: "/people/", Rule: Rule{Groups: []string{"HR"}}},
		{Path: "/open/", Upstream: "http://127.0.0.1:4000", UpstreamPath: "/open/", Rule: Rule{Public: true}},
		{Path: "/alone/", Upstream: "http://127.0.0.1:5000", Rule: Rule{SignedIn: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestWhatAnAddressReachesAConnectionReaches(t *testing.T) {
	table := reachTable(t)
	anyone := &identity.Principal{Subject: "kim"}
	finance := &identity.Principal{Subject: "kim", Groups: []string{"Finance"}}
	for _, c := range []struct {
		upstream, path string
		who            *identity.Principal
		want           bool
	}{
		{"http://127.0.0.1:3838", "/", anyone, true},
		{"http://127.0.0.1:3838", "/app/", anyone, true},
		{"http://127.0.0.1:3838", "/finance/", anyone, false},
		{"http://127.0.0.1:3838", "/finance", anyone, false},
		{"http://127.0.0.1:3838", "/finance/x/", finance, true},
		{"http://LOCALHOST:3838", "/finance/", anyone, false},
		{"http://127.0.0.1:3838", "/financeX/", anyone, true},
		{"http://127.0.0.1:3838", "/%66inance/", anyone, false},
		{"http://127.0.0.1:3838", "/", nil, false},
		{"http://127.0.0.1:4000", "/open/app/", nil, true},
		{"http://127.0.0.1:4000", "/other/", anyone, false},
		{"http://127.0.0.1:9999", "/", anyone, false},
		// /reports/people/ is everybody's here, and Detours says so.
		{"http://127.0.0.1:3838", "/people/", anyone, true},
	} {
		if got := table.Reaches(c.upstream, c.path, c.who); got != c.want {
			t.Errorf("%s%s for %v: found %v, want %v", c.upstream, c.path, c.who, got, c.want)
		}
	}
	if len(table.Detours()) == 0 {
		t.Error("Detours: found none, want /reports/people/")
	}
}

func TestOnlyServersWithSeveralRulesAreWatched(t *testing.T) {
	table := reachTable(t)
	for upstream, want := range map[string][2]bool{
		"http://127.0.0.1:3838": {false, false},
		"http://[::1]:3838":     {false, false},
		"http://127.0.0.1:4000": {false, true}, // one rule, but not for all it serves
		"http://127.0.0.1:5000": {true, true},
	} {
		if got := [2]bool{table.OneForAll(upstream), table.OneRule(upstream)}; got != want {
			t.Errorf("%s: found one for all %v, one rule %v; want %v", upstream, got[0], got[1], want)
		}
	}
}
