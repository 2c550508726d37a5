package passwd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// follower runs a File and hears what it says.
type follower struct {
	*File
	changes chan struct{}
	errs    chan error
}

func run(t *testing.T, f *File) *follower {
	t.Helper()
	fo := &follower{File: f, changes: make(chan struct{}, 100), errs: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- f.Run(ctx, func() { fo.changes <- struct{}{} }, func(err error) { fo.errs <- err })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return fo
}

// changed waits until who has (or has not) a line.
func (fo *follower) changed(t *testing.T, who string, there bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case <-fo.changes:
		case <-deadline:
			t.Fatalf("no change to see: %s there: %v", who, !there)
		}
		if _, known := fo.Fingerprint(who); known == there {
			return
		}
	}
}

func (fo *follower) failed(t *testing.T, want string) {
	t.Helper()
	select {
	case err := <-fo.errs:
		if !strings.Contains(err.Error(), want) {
			t.Fatalf("found error %v, want %q", err, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("no error to see, want %q", want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func line(user string) string { return user + ":" + cheap("x").Encode() + "\n" }

func TestRunSeesEveryWayToChangeAFile(t *testing.T) {
	f := open(t, line("kim"), "")
	fo := run(t, f)

	write(t, f.path, line("kim")+line("sam")) // in place
	fo.changed(t, "sam", true)

	write(t, f.path+".new", line("tom")) // by an editor or sspasswd
	must(t, os.Rename(f.path+".new", f.path))
	fo.changed(t, "tom", true)
	if _, known := f.Fingerprint("kim"); known {
		t.Error("kim is still there")
	}

	must(t, os.Remove(f.path)) // gone: nobody is locked out by that
	fo.failed(t, "no such file")
	if _, known := f.Fingerprint("tom"); !known {
		t.Error("tom went with the file")
	}
	write(t, f.path, "tom:broken\n")
	fo.failed(t, f.path+":1: found something that is no hash")
	write(t, f.path, line("ann"))
	fo.changed(t, "ann", true)

	added, err := Set(f.path, "bob", cheap("x"))
	if err != nil || !added {
		t.Fatal(added, err)
	}
	fo.changed(t, "bob", true)

	write(t, f.groupsPath, "DL:bob\n")
	<-fo.changes
	if got := f.Groups("bob"); len(got) != 1 || got[0] != "DL" {
		t.Errorf("bob's groups: %q", got)
	}
	write(t, filepath.Join(filepath.Dir(f.path), "other"), "nothing to us")
	must(t, os.Chmod(f.path, 0o644)) // no other content: no call, but a warning
	write(t, f.groupsPath, "DL:bob,ann\n")
	<-fo.changes
	if got := f.Warnings(); len(got) != 1 || len(fo.changes) != 0 {
		t.Errorf("warnings %q, %d calls too many", got, len(fo.changes))
	}
}

func TestRunSeesWhatHappenedSinceOpen(t *testing.T) {
	f := open(t, line("kim"), "")
	write(t, f.path, line("sam"))
	run(t, f).changed(t, "sam", true)
}

func TestRunFollowsSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"etc", "a", "b"} {
		must(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	write(t, filepath.Join(dir, "a/passwd"), line("kim"))
	write(t, filepath.Join(dir, "b/passwd"), line("sam"))
	path := filepath.Join(dir, "etc/passwd")
	must(t, os.Symlink("../a/passwd", path))
	f, err := Open(path, "")
	must(t, err)
	fo := run(t, f)

	write(t, filepath.Join(dir, "a/passwd"), line("tom"))
	fo.changed(t, "tom", true)

	must(t, os.Symlink("../b/passwd", path+".new"))
	must(t, os.Rename(path+".new", path))
	fo.changed(t, "sam", true)

	write(t, filepath.Join(dir, "b/passwd"), line("ann"))
	fo.changed(t, "ann", true)
}

// The way of Kubernetes: passwd → ..data/passwd, ..data → ..1, and an update
// makes ..2, moves ..data over and removes ..1.
func TestRunSeesAMountedSecretChange(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for version, user := range map[string]string{"..1": "kim", "..2": "sam", "..3": "tom"} {
		must(t, os.Mkdir(in(version), 0o700))
		write(t, in(version+"/passwd"), line(user))
	}
	must(t, os.Symlink("..1", in("..data")))
	must(t, os.Symlink("..data/passwd", in("passwd")))
	f, err := Open(in("passwd"), "")
	must(t, err)
	fo := run(t, f)
	for version, user := range map[string]string{"..2": "sam", "..3": "tom"} {
		must(t, os.Symlink(version, in("..tmp")))
		must(t, os.Rename(in("..tmp"), in("..data")))
		fo.changed(t, user, true)
	}
	must(t, os.RemoveAll(in("..1")))
}

func TestPatrolSeesWhatTheWatcherCannot(t *testing.T) {
	f := open(t, line("kim"), "")
	fo := &follower{File: f, changes: make(chan struct{}, 9), errs: make(chan error, 9)}
	w := watch{file: f, onChange: func() { fo.changes <- struct{}{} }, onError: func(err error) { fo.errs <- err }}
	if !f.untouched() {
		t.Error("nothing happened yet")
	}
	write(t, f.path, line("kim")+line("sam"))
	if f.untouched() {
		t.Error("another size goes unseen")
	}
	w.reload() // as run does when the files have rested
	fo.changed(t, "sam", true)

	write(t, f.path, "x")
	w.reload()
	w.reload() // each patrol tries again
	fo.failed(t, ":1: found no colon")
	if len(fo.errs) != 0 {
		t.Error("the same error is told twice")
	}
	write(t, f.path, "y:z")
	w.reload()
	fo.failed(t, "no hash")
	write(t, f.path, line("kim")+line("sam"))
	w.reload()
	write(t, f.path, "y:z")
	w.reload()
	fo.failed(t, "no hash") // after a success it is news again
}

func TestAReadWaitsUntilTheFilesRestButNotForEver(t *testing.T) {
	w := watch{}
	w.await(false)
	first := w.rest
	if first == nil || w.sure {
		t.Fatal("nothing is awaited")
	}
	w.await(true)
	if w.rest != first || !w.sure {
		t.Error("the second event did not join the first")
	}
	w.since = time.Now().Add(-2 * quietMax)
	w.rest.Reset(0)
	<-w.rest.C
	w.await(true)
	select {
	case <-w.rest.C:
		t.Error("a timer is set again")
	default:
	}
	w.close()
}
