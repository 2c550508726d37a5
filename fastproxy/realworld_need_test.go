//go:build linux

package fastproxy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// need gives the path of a program that a test cannot do without. Where it is
// missing the test is skipped by name; with CI=true it fails instead, so that
// a runner never turns green for want of the real thing.
func need(t testing.TB, program string, alternatives ...string) string {
	t.Helper()
	for _, name := range append([]string{program}, alternatives...) {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		// Debian keeps servers where an ordinary user's PATH does not look.
		if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
			return path
		}
	}
	missing(t, program)
	return ""
}

// missing skips, or fails where CI=true.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing, and CI=true allows no skipping: `make test` as root installs it", what)
	}
	t.Skipf("%s is missing: `make test` as root installs it", what)
}

// needNode gives node 20 or newer, with the two packages in place: the
// system's, else the one that `make test` puts beside them.
func needNode(t testing.TB) string {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join(realworldDir, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"oidc-provider", "playwright-core"} {
		if _, err := os.Stat(filepath.Join(modules, name, "package.json")); err != nil {
			missing(t, "npm package "+name)
		}
	}
	beside, _ := filepath.Glob(filepath.Join(modules, "node-linux-*/bin/node"))
	for _, name := range append([]string{"node", "nodejs"}, beside...) {
		out, err := exec.Command(name, "--version").Output()
		major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
		if n, _ := strconv.Atoi(major); err == nil && n >= 20 {
			return name
		}
	}
	missing(t, "node 20 (oidc-provider and playwright-core run on no older one)")
	return ""
}

// needShiny gives R with the shiny package.
func needShiny(t testing.TB) string {
	t.Helper()
	rscript := need(t, "Rscript")
	if err := exec.Command(rscript, "-e", `if (!nzchar(system.file(package = "shiny"))) quit(status = 1)`).Run(); err != nil {
		missing(t, "R's shiny package")
	}
	return rscript
}
