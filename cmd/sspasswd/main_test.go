//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// binary is sspasswd itself, built as it is shipped.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sspasswd-test-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "sspasswd")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// outcome is what a call said, and its exit status.
type outcome struct {
	stdout, stderr string
	status         int
}

func sspasswd(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	return collect(t, exec.Command(binary, args...), stdin)
}

func collect(t *testing.T, c *exec.Cmd, stdin string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

func (o outcome) want(t *testing.T, status int, stderr string) {
	t.Helper()
	if o != (outcome{"", stderr, status}) {
		t.Errorf("found status %d, %q, %q; want %d, %q", o.status, o.stdout, o.stderr, status, stderr)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const usage = "\nusage: sspasswd [-c | -D | -v] [-C SECONDS] FILE USER (-h tells more)\n"

func TestALifeOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	sspasswd(t, "pw\n", file, "kim").want(t, 1, "sspasswd: "+file+" does not exist: -c creates it\n")
	sspasswd(t, "pw\n", "-c", file, "kim").want(t, 0, "sspasswd: created "+file+" with user kim\n")
	if st, _ := os.Stat(file); st.Mode() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	if got := read(t, file); !strings.HasPrefix(got, "kim:{scrypt}c2NyeXB0AA8AAAAIAAAAA") || len(got) != len("kim:{scrypt}\n")+128 {
		t.Errorf("found %q", got) // logN 15, r 8, p 1
	}
	sspasswd(t, "second", file, "sam").want(t, 0, "sspasswd: added user sam\n")
	sspasswd(t, "third\r\nnot this\n", file, "kim").want(t, 0, "sspasswd: changed the password of user kim\n")
	sspasswd(t, "third\n", "-v", file, "kim").want(t, 0, "sspasswd: the password is right\n")
	sspasswd(t, "pw\n", "-v", file, "kim").want(t, 1, "sspasswd: wrong password\n")
	sspasswd(t, "pw\n", "-v", file, "eve").want(t, 1, "sspasswd: no user eve in "+file+"\n")
	sspasswd(t, "", "-D", file, "eve").want(t, 1, "sspasswd: no user eve in "+file+"\n")
	sspasswd(t, "", "-D", file, "sam").want(t, 0, "sspasswd: deleted user sam\n")
	if got := read(t, file); strings.Count(got, "\n") != 1 {
		t.Errorf("found %q", got)
	}
	sspasswd(t, "pw\n", "-c", file, "tom").want(t, 0, "sspasswd: created "+file+" with user tom\n")
	if got := read(t, file); !strings.HasPrefix(got, "tom:") {
		t.Errorf("found %q", got)
	}
}

func TestLinesOfOtherProgramsVerify(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(file, []byte("# by scrypt-kdf\ntina:{scrypt}c2NyeXB0AAoAAAAIAAAAAddlGk/9vYzwyuFWB30hzWWZgYgx40Ub104gbU8kRzOHYgmQo1qpxtfy2kkk+S/o4UgcRiTEVUOu3HKQY9O18NzM8oN4dn/saonYvXyNIgIC\n"), 0o600))
	sspasswd(t, "pässwörd-日本\n", "-v", file, "tina").want(t, 0, "sspasswd: the password is right\n")
}

func TestCallsItDoesNotUnderstandEndWith2(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{`expected "<FILE> <USER>"`, nil},
		{`expected "<USER>"`, []string{"f"}},
		{"unexpected argument more", []string{"f", "kim", "more"}},
		{"--create and --delete can't be used together", []string{"-c", "-D", "f", "kim"}},
		{"-C goes with setting a password only", []string{"-v", "-C", "1", "f", "kim"}},
		{"-C: found no positive number, want seconds such as 0.5", []string{"-C", "0", "f", "kim"}},
		{"-C: found no positive number, want seconds such as 0.5", []string{"-C", "NaN", "f", "kim"}},
		{`--seconds: expected a float but got "soon" (string)`, []string{"-C", "soon", "f", "kim"}},
		{`found a user name with ":" or "$"`, []string{"f", "a:b"}},
		{`found a user name with ":" or "$"`, []string{"f", "a$b"}},
		{"found a user name with a control character", []string{"f", "a\rb"}},
		{"found a user name with a control character", []string{"f", "a\n"}},
		{"found no user name", []string{"f", ""}},
		{"found no file name", []string{"", "kim"}},
	} {
		sspasswd(t, "pw\n", c.args...).want(t, 2, "sspasswd: "+c.want+usage)
	}
}

func TestHelpGoesToStandardOutput(t *testing.T) {
	o := sspasswd(t, "", "-h")
	if o.status != 0 || o.stderr != "" || !strings.Contains(o.stdout, "-C, --seconds=SECONDS") {
		t.Errorf("found %+v", o)
	}
}

func TestPasswordsThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(file, nil, 0o600))
	for stdin, want := range map[string]string{
		"":                         "found an empty password",
		"\nsecond line\n":          "found an empty password",
		strings.Repeat("x", 1025):  "found a password of more than 1024 bytes",
		strings.Repeat("x", 1<<20): "found a password of more than 1024 bytes",
		"caf\xe9\n":                "found a password that is not UTF-8; is the terminal set to another character set?",
	} {
		sspasswd(t, stdin, file, "kim").want(t, 1, "sspasswd: "+want+"\n")
	}
	if got := read(t, file); got != "" {
		t.Errorf("found %q", got)
	}
}

func TestOneLineOfStandardInputIsReadAndNoMore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(file, nil, 0o600))
	script := `"$0" "$1" kim && "$0" "$1" sam && cat`
	o := collect(t, exec.Command("sh", "-c", script, binary, file), "one\ntwo\nrest\n")
	if o.status != 0 || o.stdout != "rest\n" {
		t.Errorf("found %+v", o)
	}
	sspasswd(t, "two", "-v", file, "sam").want(t, 0, "sspasswd: the password is right\n")
}

func TestACostIsPickedBySeconds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	if o := sspasswd(t, "pw", "-c", "-C", "0.000001", file, "kim"); o.status != 0 {
		t.Errorf("found %+v", o)
	}
	if got := read(t, file); !strings.HasPrefix(got, "kim:{scrypt}c2NyeXB0AA4AAAAI") { // logN 14
		t.Errorf("found %q", got)
	}
	if o := sspasswd(t, "pw", "-C1e300", file, "kim"); o.status != 0 {
		t.Errorf("found %+v", o)
	}
	if got := read(t, file); !strings.HasPrefix(got, "kim:{scrypt}c2NyeXB0ABIAAAAI") { // logN 18
		t.Errorf("found %q", got)
	}
}

func TestProblemsOfTheFileAreToldAfterAnEdit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(file, []byte("sam:secret\n"), 0o644))
	must(t, os.Chmod(file, 0o644))
	sspasswd(t, "pw", file, "kim").want(t, 0, "sspasswd: added user kim\n"+
		"sspasswd: warning: fastproxy will not accept this file:\n"+
		"sspasswd: "+file+":1: found something that is no hash, want {scrypt} and a hash, as sspasswd writes it\n")
	sspasswd(t, "pw", "-v", file, "kim").want(t, 1,
		"sspasswd: "+file+":1: found something that is no hash, want {scrypt} and a hash, as sspasswd writes it\n")
	sspasswd(t, "", "-D", file, "sam").want(t, 0, "sspasswd: deleted user sam\n"+
		"sspasswd: warning: "+file+": mode 0644 lets every local user read the password hashes; chmod o-r it\n")
}

func TestOwnerModeAndSymlinkSurvive(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	must(t, os.WriteFile(file, []byte("# ours\n"), 0o600))
	must(t, os.Chmod(file, 0o460))
	must(t, os.Symlink("real", link))
	if os.Getuid() == 0 {
		must(t, os.Chown(file, 12345, 23456))
	}
	before, err := os.Stat(file)
	must(t, err)
	for _, args := range [][]string{{link, "kim"}, {link, "sam"}, {"-D", link, "kim"}} {
		if o := sspasswd(t, "pw", args...); o.status != 0 {
			t.Fatalf("found %+v", o)
		}
	}
	after, err := os.Stat(file)
	must(t, err)
	a, b := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
	if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid {
		t.Errorf("found %v %d:%d, want %v %d:%d", after.Mode(), b.Uid, b.Gid, before.Mode(), a.Uid, a.Gid)
	}
	if target, err := os.Readlink(link); target != "real" {
		t.Errorf("the link leads to %q: %v", target, err)
	}
	if got := read(t, file); !strings.HasPrefix(got, "# ours\nsam:{scrypt}") {
		t.Errorf("found %q", got)
	}
}

func TestProcessesAtTheSameTimeLoseNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(file, nil, 0o600))
	const n = 12
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if o := sspasswd(t, "pw", "-C", "0.001", file, fmt.Sprint("user", i)); o.status != 0 {
				t.Errorf("found %+v", o)
			}
		})
	}
	wg.Wait()
	for i := range n {
		wg.Go(func() {
			if o := sspasswd(t, "pw", "-D", file, fmt.Sprint("user", i)); i%2 == 0 && o.status != 0 {
				t.Errorf("found %+v", o)
			}
			if i%2 == 1 { // and back again
				sspasswd(t, "pw", "-C", "0.001", file, fmt.Sprint("user", i)).want(t, 0, fmt.Sprintf("sspasswd: added user user%d\n", i))
			}
		})
	}
	wg.Wait()
	got := read(t, file)
	for i := range n {
		if strings.Contains(got, fmt.Sprintf("user%d:", i)) != (i%2 == 1) {
			t.Errorf("user%d is wrong in\n%s", i, got)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 1 {
		t.Errorf("files stayed behind: %v", entries)
	}
}
