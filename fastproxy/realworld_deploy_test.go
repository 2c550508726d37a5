//go:build linux

package fastproxy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The files of deploy/, read by the programs they are for.

func (w *world) deployedSettings(t *testing.T) {
	deploy, err := filepath.Abs("../deploy")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(w.bin.fastproxy, "check", "--config", deploy+"/fastproxy.yml", "--env", deploy+"/env.example")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "STATE_DIR=" + cmd.Dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("fastproxy check refuses the examples: %v\n%s", err, out)
	}
	for _, want := range []string{"example.eu.auth0.com", "/reports/finance/"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("check does not show %s:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "the-client-secret") {
		t.Errorf("check prints the client secret:\n%s", out)
	}
}

// setPassword uses sspasswd as an administrator's script would.
func (w *world) setPassword(t *testing.T, file, user, password string, options ...string) {
	t.Helper()
	cmd := exec.Command(w.bin.sspasswd, append(append(options, "-C", "0.05"), file, user)...)
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sspasswd: %v\n%s", err, out)
	}
}

func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is missing: no systemd on this machine")
	}
	// verify wants the program to be there; any program will do.
	unit := adapted(t, "fastproxy.service", "/usr/local/bin/fastproxy", "/bin/true")
	file := filepath.Join(t.TempDir(), "fastproxy.service")
	if err := os.WriteFile(file, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "fastproxy.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err = exec.Command(analyze, "security", "--offline=true", "--threshold=20", file).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security gives more than 2.0 points of exposure: %v\n%s", err, out)
	}
}
