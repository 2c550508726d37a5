package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/secret"
)

type sample struct {
	Host    string         `yaml:"host" env:"HOST" default:"localhost"`
	Port    int            `yaml:"port" env:"THE_PORT" default:"3838" want:"a port number"`
	Key     secret.Text    `yaml:"key" env:"KEY"`
	ID      string         `yaml:"id" env:"ID" file:"also"`
	Origins []string       `yaml:"origins" env:"ORIGINS" default:"a,b"`
	Trusted []netip.Prefix `yaml:"trusted" env:"TRUSTED"`
	Session struct {
		Idle time.Duration `yaml:"idle" env:"SESSION_IDLE" default:"12h"`
		Fed  bool          `yaml:"fed" env:"FED,OLD_FED"`
	} `yaml:"session"`
	Params map[string]string `yaml:"params" env:"PARAMS"`
	Level  level             `yaml:"level" env:"LEVEL"`
	Mounts []mount           `yaml:"mounts"`
	inside int
}

type mount struct {
	Path  string   `yaml:"path"`
	Up    []string `yaml:"up"`
	Allow Node     `yaml:"allow"`
}

type level string

func (l *level) UnmarshalText(b []byte) error {
	if s := string(b); s != "info" && s != "debug" {
		return errors.New("want info or debug")
	}
	*l = level(b)
	return nil
}

// load writes the files and loads them. An empty file is not written.
func load(t testing.TB, yaml, env string, environ ...string) (sample, Origins, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"f.yml": yaml, ".env": env} {
		if text != "" {
			write(t, filepath.Join(dir, name), text)
		}
	}
	var s sample
	o, err := Load(&s, Source{Dir: dir, YAMLFile: "f.yml", EnvFile: ".env", Environ: environ})
	if err == nil {
		return s, o, ""
	}
	var all *Errors
	if !errors.As(err, &all) {
		t.Fatalf("error is %T", err)
	}
	return s, o, err.Error()
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDefaultsStandWhereNothingIsSet(t *testing.T) {
	s, o, problems := load(t, "", "")
	if problems != "" || s.Host != "localhost" || s.Port != 3838 || s.Session.Idle != 12*time.Hour || !slices.Equal(s.Origins, []string{"a", "b"}) {
		t.Errorf("%s %+v", problems, s)
	}
	if o.Of("host") != "default" || o.IsSet("host") {
		t.Error(o.Of("host"))
	}
}

func TestEnvironmentWinsOverDotenvOverYAML(t *testing.T) {
	yaml := "host: y\nport: 1\nsession:\n  idle: 1h\n"
	env := "HOST=d\nTHE_PORT=2\n"
	s, o, problems := load(t, yaml, env, "HOST=e")
	if problems != "" || s.Host != "e" || s.Port != 2 || s.Session.Idle != time.Hour {
		t.Errorf("%s %+v", problems, s)
	}
	for path, want := range map[string]string{
		"host": "environment HOST", "port": ".env THE_PORT", "session.idle": "f.yml:4", "id": "default",
	} {
		if got := o.Of(path); got != want {
			t.Errorf("%s comes from %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{
		"host": "environment: HOST", "port": ".env:2: THE_PORT", "session.idle": "f.yml:4: session.idle", "id": "settings: ID",
	} {
		if got := o.Where(path); got != want {
			t.Errorf("problems with %s begin %q, want %q", path, got, want)
		}
	}
}

func TestEmptyVariableIsNotSet(t *testing.T) {
	s, _, problems := load(t, "host: y\nid: null\norigins:\n", "HOST=\nKEY=\n", "HOST=", "FED=")
	if problems != "" || s.Host != "y" || !s.Key.IsZero() || len(s.Origins) != 2 {
		t.Errorf("%s %+v", problems, s)
	}
}

func TestEmptyVariableInTheEnvironmentLeavesDotenvStanding(t *testing.T) {
	if s, _, _ := load(t, "", "HOST=d\n", "HOST="); s.Host != "d" {
		t.Error(s.Host)
	}
}

func TestFirstAliasCounts(t *testing.T) {
	if s, _, _ := load(t, "", "", "OLD_FED=true"); !s.Session.Fed {
		t.Error("alias is not read")
	}
	if s, _, _ := load(t, "", "", "OLD_FED=true", "FED=false"); s.Session.Fed {
		t.Error("alias wins over the name")
	}
	if s, o, _ := load(t, "", "FED=false\n", "OLD_FED=true"); !s.Session.Fed || o.Of("session.fed") != "environment OLD_FED" {
		t.Error("the .env file wins over the environment")
	}
}

func TestEveryKindIsRead(t *testing.T) {
	want := sample{Host: "h", Port: 1, ID: "0010", Origins: []string{"x", "y z"}, Level: "debug",
		Params:  map[string]string{"a": "1", "b": "2=3"},
		Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("::1/128")}}
	want.Session.Idle, want.Session.Fed = 36*time.Hour, true
	fromEnv, _, problems := load(t, "", "", "HOST= h ", "THE_PORT=1", "ID=0010", "ORIGINS=x, ,y z,", "LEVEL=debug",
		"PARAMS=a=1,b=2=3", "TRUSTED=10.1.2.3/8,192.0.2.1,::1", "SESSION_IDLE=1d12h", "FED=Yes")
	if problems != "" || !reflect.DeepEqual(fromEnv, want) {
		t.Errorf("variables: %s\n got %+v\nwant %+v", problems, fromEnv, want)
	}
	fromYAML, _, problems := load(t, `
host: h
port: 1
id: 0010
origins: [x, y z]
level: debug
params: {a: 1, b: 2=3}
trusted:
  - 10.0.0.0/8
  - "192.0.2.1"
  - ::1
session: {idle: 36h, fed: on}
`, "")
	if problems != "" || !reflect.DeepEqual(fromYAML, want) {
		t.Errorf("YAML: %s\n got %+v\nwant %+v", problems, fromYAML, want)
	}
}

func TestYAMLListMayBeOneTextWithCommas(t *testing.T) {
	s, _, _ := load(t, "origins: x, y\nparams: a=1,b=2\n", "")
	if !slices.Equal(s.Origins, []string{"x", "y"}) || s.Params["b"] != "2" {
		t.Errorf("%+v", s)
	}
}

func TestEmptyYAMLListReplacesTheDefault(t *testing.T) {
	if s, _, _ := load(t, "origins: []\n", ""); len(s.Origins) != 0 {
		t.Error(s.Origins)
	}
}

func TestListOfGroupsKeepsLines(t *testing.T) {
	s, o, problems := load(t, `mounts:
  - path: /a/
    allow: &fin {groups: [F, 7], emails: [x]}
  - path: /b/
    up: http://x
    allow: *fin
`, "")
	if problems != "" || len(s.Mounts) != 2 || s.Mounts[1].Up[0] != "http://x" {
		t.Fatalf("%s %+v", problems, s)
	}
	want := map[string]any{"groups": []any{"F", uint64(7)}, "emails": []any{"x"}}
	for i, m := range s.Mounts {
		if !reflect.DeepEqual(m.Allow.Value, want) || m.Allow.Where() != "f.yml:3" {
			t.Errorf("%d: %#v", i, m.Allow)
		}
	}
	if o.Of("mounts[1]") != "f.yml:4" || o.Where("mounts[1].allow") != "f.yml:6: mounts[1].allow" || o.Where("mounts[0].up") != "f.yml:2: mounts[0].up" {
		t.Error(o.Of("mounts[1]"), o.Where("mounts[1].allow"), o.Where("mounts[0].up"))
	}
}

func TestSecretComesFromAFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "key")
	write(t, name, "  s3cret#$ \r\n")
	s, o, problems := load(t, "", "", "KEY_FILE="+name)
	if problems != "" || s.Key.Reveal() != "  s3cret#$ " || o.Of("key") != "environment KEY_FILE" {
		t.Error(problems, o.Of("key"))
	}
	s, _, problems = load(t, "key_file: "+name+"\nid_file: "+name+"\n", "")
	if problems != "" || s.Key.Reveal() != "  s3cret#$ " || s.ID != "s3cret#$" {
		t.Error(problems)
	}
	if s, _, _ = load(t, "key_file: "+name+"\n", "", "KEY=other"); s.Key.Reveal() != "other" {
		t.Error("a variable does not win over YAML")
	}
}

func TestRelativeFilesAreFoundFromDir(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "k"), "abc\n")
	var s sample
	if _, err := Load(&s, Source{Dir: dir, Environ: []string{"KEY_FILE=k"}}); err != nil || s.Key.Reveal() != "abc" {
		t.Error(err)
	}
}

func TestLastValueOfAVariableCounts(t *testing.T) {
	if s, _, _ := load(t, "", "", "HOST=a", "HOST=b"); s.Host != "b" {
		t.Error(s.Host)
	}
}

func TestUnreadDotenvVariablesAreListed(t *testing.T) {
	_, o, _ := load(t, "", "THE_PROT=1\nNODE_ENV=x\nKEY_FLE=x\nID=1\n")
	want := []Unread{{"THE_PROT", ".env:1", "THE_PORT"}, {"NODE_ENV", ".env:2", ""}, {"KEY_FLE", ".env:3", "KEY_FILE"}}
	if !slices.Equal(o.Unread(), want) {
		t.Errorf("%+v", o.Unread())
	}
}

func TestDescribeHidesSecrets(t *testing.T) {
	s, _, _ := load(t, "params: {b: 2, a: 1}\nsession: {idle: 90m}\n", "", "KEY=verysecret", "TRUSTED=10.0.0.0/8,::1")
	var got []string
	for _, d := range Describe(&s) {
		got = append(got, d.Path+"="+d.Value)
	}
	want := "host=localhost port=3838 key=(hidden) id= origins=a,b trusted=10.0.0.0/8,::1/128 session.idle=1h30m session.fed=false params=a=1,b=2 level= mounts="
	if strings.Join(got, " ") != want {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, " "), want)
	}
}
