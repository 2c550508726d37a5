package fastproxy

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"fastproxy/fastproxy/config"
)

// SettingDoc is one row of the table of all settings.
type SettingDoc struct {
	Key       string   // in YAML, "session.idle"
	Variables []string // the one to write first; with _FILE behind where a file is read; none for mounts
	Default   string
	Meaning   string
}

// Table lists every setting, in the order of the struct. What it says does
// not depend on s.
func (s *Settings) Table() []SettingDoc {
	var rows []SettingDoc
	for _, d := range config.Describe(&Settings{}) {
		row := SettingDoc{Key: d.Path, Default: d.Default, Meaning: d.Doc}
		row.Variables = append(row.Variables, d.Env...)
		if d.File {
			row.Variables = append(row.Variables, d.Env[0]+"_FILE")
		}
		rows = append(rows, row)
	}
	return rows
}

// SettingsMarkdown returns Table as README has it.
func SettingsMarkdown() string {
	var b strings.Builder
	b.WriteString("| variable | in YAML | default | meaning |\n|---|---|---|---|\n")
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	for _, row := range (*Settings)(nil).Table() {
		var names []string
		for _, name := range row.Variables {
			names = append(names, code(name))
		}
		meaning := strings.ReplaceAll(row.Meaning, "|", `\|`)
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", strings.Join(names, ", "), code(row.Key), code(row.Default), meaning)
	}
	return b.String()
}

// Report writes what is in force and where it comes from, secrets hidden, as
// text for people.
func (s *Settings) Report(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "settings")
	for _, d := range config.Describe(s) {
		if d.Value == "" || !s.origins.IsSet(d.Path) && d.Default == "" {
			continue
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", d.Env[0], clean(d.Value), s.origins.Of(d.Path))
	}
	fmt.Fprintln(t, "\nin force")
	for _, line := range s.inForce() {
		fmt.Fprintf(t, "  %s\t%s\n", line[0], clean(line[1]))
	}
	fmt.Fprintln(t, "\nwho may enter")
	for _, m := range s.mounts {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", m.Path, clean(m.Rule.String()), m.Upstream+m.UpstreamPath)
	}
	if s.AdminIsClosed() {
		fmt.Fprintln(t, "\n  /admin/ is closed. To open it: ADMIN_USERS=<user id>, or ADMIN_GROUPS=<group>; * is everyone signed in.")
	}
	if len(s.warnings) > 0 {
		fmt.Fprintln(t, "\nwarnings")
		for _, warning := range s.warnings {
			fmt.Fprintf(t, "  %s\n", clean(warning))
		}
	}
	return t.Flush()
}

// clean keeps a value from moving the report's columns.
func clean(s string) string { return strings.NewReplacer("\t", " ", "\n", " ").Replace(s) }

func (s *Settings) inForce() [][2]string {
	login := "nobody has to"
	switch {
	case s.HasOIDC() && s.HasPasswd():
		login = s.Issuer() + ", or " + s.Passwd.File
	case s.HasOIDC():
		login = s.Issuer()
	case s.HasPasswd():
		login = s.Passwd.File
	}
	var listen []string
	for _, a := range s.ListenAddrs() {
		listen = append(listen, a.Address)
	}
	if s.ReusePort {
		listen = append(listen, "beside other processes")
	}
	key := "COOKIE_SECRET"
	if _, why := s.CookieSecret(); why != "" {
		key = "a random key in " + s.StateDir()
	}
	lines := [][2]string{
		{"people come to", s.PublicOrigin()},
		{"it listens on", strings.Join(listen, ", ")},
		{"carried by", s.engineWords()},
		{"at most", s.roomWords()},
		{"people sign in at", login},
	}
	if s.HasOIDC() {
		lines = append(lines, [2]string{"and come back to", s.Auth0.CallbackURL})
	}
	return append(lines,
		[2]string{"signing out leads to", s.logoutWords()},
		[2]string{"cookie", s.CookieName("session") + ", sealed with " + key},
		[2]string{"state is kept in", s.StateDir()})
}

func (s *Settings) logoutWords() string {
	t := s.LogoutTarget()
	to := t.ReturnTo
	if to == "" {
		to = "the signed-out page"
	}
	switch {
	case t.Federated:
		return "the issuer's logout and its identity provider's, then " + to
	case t.Issuer:
		return "the issuer's logout, then " + to
	}
	return to
}
