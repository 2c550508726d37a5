//go:build unix

package passwd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func TestReplaceUserTouchesNoOtherLine(t *testing.T) {
	const set = "kim:NEW\n"
	for _, c := range []struct{ old, set, deleted string }{
		{"", "kim:NEW\n", ""},
		{"kim:old", "kim:NEW\n", ""},
		{"sam:x", "sam:x\nkim:NEW\n", "sam:x"},
		{"sam:x\r\n", "sam:x\r\nkim:NEW\n", "sam:x\r\n"},
		{"# c\n\nkim:old\nbroken\nsam:x", "# c\n\nkim:NEW\nbroken\nsam:x", "# c\n\nbroken\nsam:x"},
		{"kim:1\nsam:x\nkim:2\n", "kim:NEW\nsam:x\n", "sam:x\n"},
		{"kim\n#kim:x\nkimm:x\n kim:x\nKim:x\n", "kim\n#kim:x\nkimm:x\n kim:x\nKim:x\nkim:NEW\n", "kim\n#kim:x\nkimm:x\n kim:x\nKim:x\n"},
		{"\ufeffkim:old\nsam:x\n", "\ufeffkim:NEW\nsam:x\n", "\ufeffsam:x\n"},
		{"\ufeff", "\ufeffkim:NEW\n", "\ufeff"},
	} {
		if got, _ := replaceUser(c.old, "kim", set); got != c.set {
			t.Errorf("set in %q: found %q, want %q", c.old, got, c.set)
		}
		if got, found := replaceUser(c.old, "kim", ""); got != c.deleted || found != (got != c.old) {
			t.Errorf("delete in %q: found %q %v, want %q", c.old, got, found, c.deleted)
		}
	}
}

func TestSetDeleteAndCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	if _, err := Set(path, "kim", cheap("a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("found %v", err)
	}
	if err := Delete(path, "kim"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("found %v", err)
	}
	must(t, Create(path, "kim", cheap("a")))
	if st, _ := os.Stat(path); st.Mode() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	if added, err := Set(path, "sam", cheap("b")); !added || err != nil {
		t.Error(added, err)
	}
	if added, err := Set(path, "kim", cheap("c")); added || err != nil {
		t.Error(added, err)
	}
	f, err := Open(path, "")
	must(t, err)
	for user, password := range map[string]string{"kim": "c", "sam": "b"} {
		if _, err := f.Check(t.Context(), user, []byte(password)); err != nil {
			t.Errorf("%s: %v", user, err)
		}
	}
	if err := Delete(path, "tom"); err != ErrNoUser {
		t.Errorf("found %v", err)
	}
	must(t, Delete(path, "kim"))
	must(t, Delete(path, "sam"))
	if got := read(t, path); got != "" {
		t.Errorf("found %q", got)
	}
	for _, user := range []string{"", "a:b", "a\nb:c", "#x"} {
		if _, err := Set(path, user, cheap("x")); err == nil {
			t.Errorf("user %q is taken", user)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files stayed behind: %v", left)
	}
}

func TestAnEditKeepsOwnerGroupAndMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	write(t, path, line("kim"))
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 12345, 23456
		must(t, os.Chown(path, uid, gid))
	}
	must(t, os.Chmod(path, 0o604))
	check := func() {
		t.Helper()
		st, err := os.Stat(path)
		must(t, err)
		if st.Mode() != 0o604 || owner(st) != (ids{uid, gid}) {
			t.Errorf("found %v %v", st.Mode(), owner(st))
		}
	}
	_, err := Set(path, "sam", cheap("x"))
	must(t, err)
	check()
	must(t, Delete(path, "kim"))
	check()
	must(t, Create(path, "tom", cheap("x"))) // overwrites
	check()
	if got := read(t, path); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "tom:") {
		t.Errorf("found %q", got)
	}
}

func TestAnEditFollowsSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Mkdir(in("real"), 0o700))
	must(t, os.Symlink("real", in("dir")))
	must(t, os.Symlink("dir/../two", in("one"))) // dir/.. is not where it looks
	must(t, os.Symlink("real/passwd", in("two")))
	must(t, Create(in("one"), "kim", cheap("x"))) // a link to nothing yet
	_, err := Set(in("one"), "sam", cheap("x"))
	must(t, err)
	if got := read(t, in("real/passwd")); strings.Count(got, "\n") != 2 {
		t.Errorf("found %q", got)
	}
	for _, name := range []string{"one", "two", "dir"} {
		if st, _ := os.Lstat(in(name)); st.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no link any more", name)
		}
	}
	must(t, os.Symlink("loop", in("loop")))
	for name, want := range map[string]string{"loop": "too many symbolic links", "no/file": "no such file", "real/": "directory's name", "real": "no regular file"} {
		path := dir + "/" + name
		if err := Create(path, "kim", cheap("x")); err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), want) && !errors.Is(err, syscall.EISDIR) {
			t.Errorf("%s: found %v, want %q", name, err, want)
		}
	}
}

func TestARelativePathIsEdited(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, Create("passwd", "kim", cheap("x")))
	must(t, Delete("./passwd", "kim"))
}

func TestEditsAtTheSameTimeLoseNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "passwd")
	must(t, os.Mkdir(filepath.Join(dir, "links"), 0o700))
	other := filepath.Join(dir, "links/passwd") // another way to the same file
	must(t, os.Symlink("../passwd", other))
	var all strings.Builder
	for i := range 30 {
		all.WriteString(line(fmt.Sprint("old", i)))
	}
	write(t, path, all.String())
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			if _, err := Set([]string{path, other}[i%2], fmt.Sprint("new", i), cheap("x")); err != nil {
				t.Error(err)
			}
			if err := Delete(path, fmt.Sprint("old", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f, err := Open(path, "")
	must(t, err)
	for i := range 30 {
		_, isNew := f.Fingerprint(fmt.Sprint("new", i))
		_, isOld := f.Fingerprint(fmt.Sprint("old", i))
		if !isNew || isOld {
			t.Errorf("%d: new there %v, old there %v", i, isNew, isOld)
		}
	}
}

func TestAnEditWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	write(t, path, line("kim"))
	unlock, err := lockDirectory(path)
	must(t, err)
	done := make(chan error)
	go func() { done <- Delete(path, "kim") }()
	write(t, path, line("kim")+line("sam")) // what the holder of the lock does is not lost
	unlock()
	must(t, <-done)
	if got := read(t, path); !strings.HasPrefix(got, "sam:") {
		t.Errorf("found %q", got)
	}
}

func TestAnEditKeepsTheACL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	write(t, path, line("kim"))
	// acl(5) on disk: version 2, then (tag, perm, id): user rw, user 12345 r,
	// group none, mask r, other none.
	acl := []byte{2, 0, 0, 0,
		1, 0, 6, 0, 255, 255, 255, 255,
		2, 0, 4, 0, 0x39, 0x30, 0, 0,
		4, 0, 0, 0, 255, 255, 255, 255,
		16, 0, 4, 0, 255, 255, 255, 255,
		32, 0, 0, 0, 255, 255, 255, 255}
	const attr = "system.posix_acl_access"
	if err := unix.Setxattr(path, attr, acl, 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("no ACLs on this file system")
	} else {
		must(t, err)
	}
	_, err := Set(path, "sam", cheap("x"))
	must(t, err)
	got := make([]byte, 100)
	n, err := unix.Getxattr(path, attr, got)
	must(t, err)
	if string(got[:n]) != string(acl) {
		t.Errorf("found % x, want % x", got[:n], acl)
	}
	if st, _ := os.Stat(path); st.Mode() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
}
