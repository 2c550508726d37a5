//go:build linux

package fastproxy_test

import (
	"os"
	"os/exec"
	"path/filepath"
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

// needNode gives node 20 or newer, with the two packages in place.
func needNode(t testing.TB) string {
	t.Helper()
	node := need(t, "node", "nodejs")
	out, err := exec.Command(node, "--version").Output()
	major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	if err != nil || len(major) < 2 || major < "20" {
		missing(t, "node 20 (oidc-provider and playwright-core run on no older one; found "+strings.TrimSpace(string(out))+")")
	}
	for _, name := range []string{"oidc-provider", "playwright-core"} {
		if _, err := os.Stat(filepath.Join(realworldDir, "node_modules", name, "package.json")); err != nil {
			missing(t, "npm package "+name)
		}
	}
	return node
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
