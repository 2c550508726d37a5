package bench

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func writePlan(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plan.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPlanThatCannotBeRunIsRefusedWithTheReason(t *testing.T) {
	const target = "targets: [{name: a, url: 'http://127.0.0.1:1/'}]\n"
	const scenario = "scenarios: [{name: s, kind: http, conns: 1, rate: max}]\n"
	for _, c := range []struct{ text, want string }{
		{"", "version: found 0, want 1"},
		{"version: 2\n" + target + scenario, "version: found 2, want 1"},
		{"version: 1\n" + scenario, "targets: found none"},
		{"version: 1\n" + target, "scenarios: found none"},
		{"version: 1\nrounds: 0\n" + target + scenario, "rounds: found 0"},
		{"version: 1\nturns: 3\n" + target + scenario, `unknown field "turns"`},
		{"version: 1\n" + target + "scenarios: [{name: s, kind: chat, n: 5, rate: quick}]\n", `found rate "quick"`},
		{"version: 1\n" + target + "scenarios: [{name: s, kind: chat, n: 5}]\n", "scenario s: rate: want"},
		{"version: 1\n" + target + "scenarios: [{name: s, kind: hold}]\n", "scenario s: n: want"},
		{"version: 1\n" + target + "scenarios: [{name: s, kind: dance}]\n", `kind: found "dance", want hold, chat or http`},
		{"version: 1\ntargets: [{name: a, url: 'ftp://x'}]\n" + scenario, `target a: url: found "ftp://x"`},
		{"version: 1\ntargets: [{url: 'http://x/'}]\n" + scenario, "target 1: found no name"},
		{"version: 1\ntargets: [{name: a, url: 'http://x/'}, {name: a, url: 'http://x/'}]\n" + scenario, "target a: its name is taken"},
		{"version: 1\ntargets: [{name: a, url: 'http://x/', header: [oops]}]\n" + scenario, "target a: header: found a header without"},
		{"version: 1\ntargets: [{name: a, url: 'http://x/', skip: [t]}]\n" + scenario, `target a: skip: found "t"`},
		{"version: 1\nservices: [{name: b}]\n" + target + scenario, "service b: want start"},
	} {
		_, err := ReadPlan(writePlan(t, c.text))
		var asked *UsageError
		if !errors.As(err, &asked) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want a usage error with %q", c.text, err, c.want)
		}
	}
	if _, err := ReadPlan(filepath.Join(t.TempDir(), "none.yml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a plan that is not there: %v", err)
	}
}

func TestPlanOfThePeersIsWhole(t *testing.T) {
	plan, err := ReadPlan("peers/plan.yml")
	if err != nil {
		t.Fatal(err)
	}
	if plan.Rounds < 5 || len(plan.Targets) != 8 || plan.Targets[0].Name != "nginx" {
		t.Errorf("%d rounds, %d targets, the first is %s", plan.Rounds, len(plan.Targets), plan.Targets[0].Name)
	}
	for _, target := range plan.Targets {
		for word := range strings.FieldsSeq(target.Start) {
			if name, ok := strings.CutPrefix(strings.Trim(word, `"`), "$PLAN/"); ok {
				if _, err := os.Stat(filepath.Join("peers", name)); err != nil {
					t.Errorf("target %s: %v", target.Name, err)
				}
			}
		}
	}
	want := PlanScenario{Name: "saturated", Kind: "chat", Path: "echo", N: 1000, Ramp: 2500, Rate: Max,
		Size: Sizes{64, 64}, Warmup: 500 * time.Millisecond, For: 2500 * time.Millisecond, Measure: "cpu_us_per_message"}
	saturated := *plan.scenario("saturated")
	want.About, want.Targets = saturated.About, saturated.Targets
	if !reflect.DeepEqual(saturated, want) {
		t.Errorf("got %+v\nwant %+v", saturated, want)
	}
}

func TestScenarioPathGoesBehindTheTargetsURL(t *testing.T) {
	for _, c := range []struct{ kind, url, path, want string }{
		{"http", "http://h:1/reports/", "1k", "http://h:1/reports/1k"},
		{"http", "ws://h:1", "/1k?a=b", "http://h:1/1k?a=b"},
		{"hold", "http://h:1/app/", "__sockjs__/n=${ROBUST_ID}/${SOCKJSID}/websocket", "ws://h:1/app/__sockjs__/n=${ROBUST_ID}/${SOCKJSID}/websocket"},
		{"chat", "https://h/app", "", "wss://h/app"},
	} {
		s := PlanScenario{Kind: c.kind, Path: c.path}
		if got := s.address(c.url); got != c.want {
			t.Errorf("%s %s %s: got %s, want %s", c.kind, c.url, c.path, got, c.want)
		}
	}
}

func TestSignInOpensTheAppAndNotItsWebSocket(t *testing.T) {
	for address, want := range map[string]string{
		"ws://h:1/reports/app/websocket/":                                  "http://h:1/reports/app/",
		"ws://h:1/reports/app/__sockjs__/n=${ROBUST_ID}/000/abc/websocket": "http://h:1/reports/app/",
		"wss://h":                "https://h/",
		"http://h:1/reports?a=b": "http://h:1/reports/",
		"ws://h:1/websocket/":    "http://h:1/",
	} {
		if got := appURL(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
