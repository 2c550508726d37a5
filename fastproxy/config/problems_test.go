package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEveryProblemSaysWhereWhatAndWanted(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty"), "\n")
	for _, c := range []struct{ name, yaml, env, environ, want string }{
		{"number", "", "A=1\nB=2\nTHE_PORT=x\n", "", `.env:3: THE_PORT: found "x", want a port number`},
		{"duration", "session:\n  # idle\n  idle: 12 parsecs\n", "", "", `f.yml:3: session.idle: found "12 parsecs", want a duration such as 12h, 30m or 7d`},
		{"bool", "", "", "FED=maybe", `environment: FED: found "maybe", want true or false`},
		{"text", "", "", "LEVEL=loud", `environment: LEVEL: found "loud", want info or debug`},
		{"prefix", "trusted: [10.0.0.0/8, fe80::1%eth0]\n", "", "", `f.yml:1: trusted: found "fe80::1%eth0", want addresses or ranges such as 10.0.0.0/8, separated by commas`},
		{"control", "", "", "HOST=a\x1b[31mb", `environment: HOST: found "a\x1b[31mb", want UTF-8 without control characters`},
		{"bytes", "", "HOST=\xff\n", "", `.env:1: HOST: found "\xff", want UTF-8 without control characters`},
		{"secret bytes", "", "", "KEY=\xffabc", `environment: KEY: found a value that does not fit, want UTF-8`},
		{"key", "host: x\n\nsesion:\n  idle: 1h\n", "", "", `f.yml:3: unknown key "sesion", want one of session, `},
		{"inner key", "session:\n  idel: 1h\n", "", "", `f.yml:2: unknown key "session.idel", want one of idle, fed`},
		{"element key", "mounts:\n  - path: /x/\n    alow: y\n", "", "", `f.yml:3: unknown key "mounts[0].alow", want one of allow, path, up`},
		{"list for one", "host: [a]\n", "", "", `f.yml:1: host: found a list, want a single value`},
		{"group for one", "host: {a: b}\n", "", "", `f.yml:1: host: found a group of keys, want a single value or a list`},
		{"one for group", "session: 12h\n", "", "", `f.yml:1: session: found a single value, want a group of keys`},
		{"one for list", "mounts: /x/\n", "", "", `f.yml:1: mounts: found a single value, want a list`},
		{"one in list", "mounts:\n  - /x/\n", "", "", `f.yml:2: mounts[0]: found a single value, want a group of keys`},
		{"lists in list", "origins: [[a]]\n", "", "", `f.yml:1: origins: found a list, want a list of single values`},
		{"both", "", "KEY=a\n", "KEY_FILE=/nowhere", `.env:1: KEY: found KEY_FILE too (environment KEY_FILE), want one of the two`},
		{"both in YAML", "key: a\nkey_file: b\n", "", "", `f.yml:1: key: found key_file too (line 2), want one of the two`},
		{"no file", "", "", "KEY_FILE=/nowhere/key", `environment: KEY_FILE: "/nowhere/key": cannot be read: no such file or directory`},
		{"empty file", "key_file: " + dir + "/empty\n", "", "", `f.yml:1: key_file: "` + dir + `/empty": found an empty file, want the secret in it`},
		{"twice", "host: a\nhost: b\n", "", "", `f.yml:2: found text that is not YAML: mapping key … already defined at [1:1]`},
		{"syntax", "host: a\n  port: [1\n", "", "", `f.yml:`},
		{"not a group", "- a\n- b\n", "", "", `f.yml:1: found a list, want groups of settings`},
		{"tag", "host: !!binary aGk=\n", "", "", `f.yml:1: found a tag (!…), want a plain value; quotes make it a text`},
		{"alias", "host: *nobody\n", "", "", `f.yml:1: found an alias (*name) without its anchor (&name) above it`},
		{"two documents", "host: a\n---\nport: 1\n", "", "", `f.yml:3: found a second document, want one`},
		{"pairs", "", "", "PARAMS=a=1&b", ``},
		{"no pairs", "", "", "PARAMS=a", `environment: PARAMS: found "a", want name=value,name=value with each name once`},
		{"long", "", "", "THE_PORT=" + strings.Repeat("9", 300), `environment: THE_PORT: found "` + strings.Repeat("9", 80) + `"…, want a port number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var environ []string
			if c.environ != "" {
				environ = []string{c.environ}
			}
			_, _, got := load(t, c.yaml, c.env, environ...)
			if !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") || strings.Contains(got, "\n") {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, _, got := load(t, "port: x\nnope: 1\nsession: {idle: y}\n", "LEVEL=z\n", "FED=q")
	for _, want := range []string{"f.yml:1: port", "f.yml:2: unknown", "f.yml:3: session.idle", ".env:1: LEVEL", "environment: FED"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 4 {
		t.Errorf("%d lines:\n%s", n+1, got)
	}
}

func TestBrokenYAMLDoesNotHideOtherProblems(t *testing.T) {
	_, _, got := load(t, "host: [\n", "", "FED=q")
	if !strings.Contains(got, "f.yml:") || !strings.Contains(got, "environment: FED") {
		t.Error(got)
	}
}

func TestProblemsNeverQuoteSecrets(t *testing.T) {
	const mark = "hunter2hunter2"
	for _, yaml := range []string{
		"key: [" + mark + "\n", "key: [" + mark + "]\n", "key: {" + mark + ": " + mark + "}\n", "key: \"" + mark + "\n",
		"key: '" + mark + "\nhost: a\n", "key: @" + mark + "\n", "key: |\n " + mark + "\n  - x\n bad\n", "key: %" + mark + "\n",
		"key: " + mark + ": x\n", "\tkey: " + mark + "\n", "key: \"\\q" + mark + "\"\n", "key: " + mark + "\nkey: " + mark + "\n",
		"key: *" + mark + "\n", "key: !" + mark + " x\n", "port: 1\n key: " + mark + "\n", "{key: " + mark + "\n", "key: `" + mark + "`\n",
		"{" + mark + ", " + mark + "}", "? {a: " + mark + "}\n: x\n", "key: " + mark + "\n  more\nhost\n",
		"%YAML " + mark + "\n---\na: b\n", "%" + mark + "\n---\na: b\n", "key: >" + mark + "\n x\n", "key: &" + mark + "\n",
	} {
		if _, _, got := load(t, yaml, ""); strings.Contains(got, mark) {
			t.Errorf("of %q: %s", yaml, got)
		}
	}
}

func TestRequiredFileMustBeThere(t *testing.T) {
	var s sample
	_, err := Load(&s, Source{Dir: t.TempDir(), YAMLFile: "x.yml", YAMLRequired: true, EnvFile: "y.env", EnvRequired: true})
	want := "y.env: cannot be read: no such file or directory\nx.yml: cannot be read: no such file or directory"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestFileOfTheWrongKindIsSaid(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "f.yml"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ".env"), strings.Repeat("#", largest+1))
	var s sample
	_, err := Load(&s, Source{Dir: dir, YAMLFile: "f.yml", EnvFile: ".env"})
	want := ".env: found more than 1048576 bytes, want a settings file\nf.yml: cannot be read: is a directory"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestAliasesCannotUnfoldWithoutEnd(t *testing.T) {
	yaml := "mounts:\n - path: /x/\n   allow:\n    - &a [1,1,1,1,1,1,1,1,1,1]\n"
	for c := byte('b'); c < 'j'; c++ {
		yaml += "    - &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 10) + "]\n"
	}
	if _, _, got := load(t, yaml, ""); !strings.Contains(got, "found aliases that unfold to more than 10000 values") {
		t.Error(got)
	}
}

func TestDurationsReadBackAsWritten(t *testing.T) {
	for text, want := range map[string]string{
		"7d": "7d", "24h": "1d", "36h": "36h", "1d1h": "25h", "90m": "1h30m", "30s": "30s", "0": "0s", "1h0m1s": "1h0m1s", "500ms": "500ms",
		"-5m": "-5m", "60m": "1h", "10m": "10m",
	} {
		d, err := ParseDuration(text)
		if got := FormatDuration(d); err != nil || got != want {
			t.Errorf("%s: got %s, want %s (%v)", text, got, want, err)
		}
		if again, err := ParseDuration(want); err != nil || again != d {
			t.Errorf("%s reads as %v", want, again)
		}
	}
	for _, text := range []string{"", "12", "d", "1.5d", "-1d", "99999d", "1d-1h", "1d1d", "7 d", "65535d1000000h", "1e3h"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, d)
		}
	}
	if d, _ := ParseDuration("65535d"); d != 65535*24*time.Hour {
		t.Error(d)
	}
}

func FuzzLoadYAML(f *testing.F) {
	for _, s := range []string{"host: x\n", "mounts:\n  - path: /x/\n    allow: &a {groups: [b]}\n  - *a\n", "a: !!x y", "? [a]\n: b\n",
		"{a: [b, {c: d}]}", "key: |\n  x\n", "host: \"\\u00", "<<: *x\n", "- - - -", "a: &a\n- *a\n", "%YAML 1.2\n---\na: b\n...\n", "params: {a: b}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := parseYAML([]byte(text))
		if ye, ok := err.(*yamlError); err != nil && (!ok || ye.line < 1 || strings.Contains(ye.text, "\n")) {
			t.Fatalf("of %q: %v", text, err)
		}
	})
}
