//go:build linux

package fastproxy_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// state looks for what others on the machine could read or write, R code above
// all, with the most careless umask.
func (w *assault) state(t *testing.T) {
	w.statePrivate(t, "000")
	w.statePrivate(t, "022")
	w.stateOfOthers(t)
}

func (w *assault) statePrivate(t *testing.T, mask string) {
	g := newSiege(t, w.bin)
	if err := os.Chmod(g.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(g.dir, "fastproxy.log")
	g.prepare(settings{"LOG_FILE": log}, "")
	shell := fmt.Sprintf("umask %s; exec %s serve --listen %s", mask, g.bin, g.listen)
	cmd := exec.Command("sh", "-c", shell)
	cmd.Dir = g.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + g.dir}
	g.child = start(t, "fastproxy", cmd)
	g.awaitReady(t)

	kim := g.signedIn("kim", kimPassword)
	kim.open("/reports/")
	token := tokenField.FindStringSubmatch(second(kim.open("/logout")))
	if token != nil { // the session's end is on disk, too
		kim.ask("POST", "/logout", ownPost, "token="+token[1])
	}
	state := filepath.Join(g.dir, "state")
	seen := map[string]bool{}
	err := filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		seen[filepath.Base(path)] = true
		want := fs.FileMode(0o600)
		if st.IsDir() {
			want = 0o700
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s has mode %#o, want %#o", path, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cookie.key", "control.sock"} {
		if !seen[name] {
			t.Errorf("there is no %s in %v, so this shows nothing", name, seen)
		}
	}
	if len(seen) < 4 {
		t.Errorf("found only %v in STATE_DIR", seen)
	}
	st, err := os.Stat(log)
	if err != nil {
		t.Fatal(err)
	}
	if got := st.Mode().Perm(); got&0o007 != 0 || got&0o020 != 0 {
		t.Errorf("LOG_FILE, which names people, has mode %#o, want 0640 or less", got)
	}
	// What it holds open leads nowhere else that others may write.
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", g.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "/dev/") || strings.HasPrefix(to, "/proc/") || strings.HasPrefix(to, "/sys/") {
			continue
		}
		if st, err := os.Stat(to); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o022 != 0 {
			t.Errorf("it keeps %s open, which has mode %#o", to, st.Mode().Perm())
		}
	}
	if _, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", g.cmd.Process.Pid)); err != nil {
		t.Log(err)
	}
}

func second[A, B any](_ A, b B) B { return b }

// stateOfOthers gives it places that somebody else could have prepared.
func (w *assault) stateOfOthers(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"a directory that others may write": func(dir string) error { return os.Chmod(dir, 0o777) },
		"a key that others may read": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "cookie.key"), []byte(strings.Repeat("k", 32)), 0o644)
		},
		"a key that is a link": func(dir string) error {
			return os.Symlink("/dev/zero", filepath.Join(dir, "cookie.key"))
		},
		"a short key":                          func(dir string) error { return os.WriteFile(filepath.Join(dir, "cookie.key"), []byte("short"), 0o600) },
		"an empty key":                         func(dir string) error { return os.WriteFile(filepath.Join(dir, "cookie.key"), nil, 0o600) },
		"a file in the control socket's place": func(dir string) error { return os.WriteFile(filepath.Join(dir, "control.sock"), nil, 0o600) },
		"a pipe in the control socket's place": func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "control.sock"), 0o600) },
	} {
		g := newSiege(t, w.bin)
		dir := filepath.Join(g.dir, "state")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := prepare(dir); err != nil {
			t.Fatal(err)
		}
		g.prepare(nil, "")
		g.run(t)
		ended := make(chan struct{})
		go func() { <-g.done; close(ended) }()
		served := false
		eventually(t, "it to serve or to end", func() error {
			select {
			case <-ended:
				return nil
			default:
			}
			if err := answers(g.ops+"/readyz", 200); err != nil {
				return err
			}
			served = true
			return nil
		})
		if served {
			t.Errorf("%s: it serves all the same, having said\n%s", name, g.log.tail(5))
		}
	}
}
