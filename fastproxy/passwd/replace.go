//go:build unix

package passwd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// createMode lets a group (the proxy's) read and nobody else.
	createMode = 0o640

	lockWait  = 30 * time.Second
	lockPause = 10 * time.Millisecond
)

// lockDirectory takes an exclusive flock on the directory of name. The file
// itself is no place for it, being replaced each time, and a file beside it
// would stay behind.
func lockDirectory(name string) (unlock func(), err error) {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	for began := time.Now(); ; time.Sleep(lockPause) {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { d.Close() }, nil // closing unlocks
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			d.Close()
			return nil, fmt.Errorf("lock its directory: %w", err)
		case time.Since(began) > lockWait:
			d.Close()
			return nil, fmt.Errorf("lock its directory: another process holds the lock for more than %v", lockWait)
		}
	}
}

// replaceFile puts content in the place of name in one step, and on the disk
// before it returns.
func replaceFile(name, content string, exists bool) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".sspasswd-*") // mode 0600
	if err != nil {
		return bare(err)
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	if exists {
		err = inherit(tmp, name)
	} else {
		err = tmp.Chmod(createMode)
	}
	if err == nil {
		_, err = tmp.WriteString(content)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return bare(err)
	}
	if err = os.Rename(tmp.Name(), name); err != nil {
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("replace it: %w (a file mounted by itself cannot be replaced: mount its directory)", unix.EBUSY)
		}
		return fmt.Errorf("replace it: %w", errors.Unwrap(err))
	}
	syncDirectory(filepath.Dir(name))
	return nil
}

// inherit gives tmp the owner, group, mode and ACL of the file at name.
func inherit(tmp *os.File, name string) error {
	st, err := os.Stat(name)
	if err != nil {
		return err
	}
	was, is := owner(st), fs.FileInfo(nil)
	if is, err = tmp.Stat(); err != nil {
		return err
	}
	if owner(is) != was {
		if err := tmp.Chown(was.uid, was.gid); err != nil {
			return fmt.Errorf("keep its owner and group (%d:%d): %w", was.uid, was.gid, bare(err))
		}
	}
	// Behind the chown, which takes away set-id bits.
	if err := tmp.Chmod(st.Mode()); err != nil {
		return err
	}
	if err := inheritACL(tmp, name); err != nil { // behind the mode, which is part of it
		return fmt.Errorf("keep its ACL: %w", err)
	}
	return nil
}

type ids struct{ uid, gid int }

func owner(st fs.FileInfo) ids {
	s := st.Sys().(*syscall.Stat_t)
	return ids{int(s.Uid), int(s.Gid)}
}

// syncDirectory makes a rename last through a power failure. Not every file
// system can; the rename itself has happened.
func syncDirectory(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}
