package passwd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// fileMax is about 100,000 users.
const fileMax = 16 << 20

// errTorn is a file that was written to while it was read.
var errTorn = errors.New("it changed while it was read")

// readFile returns the content and the mode of a regular file.
func readFile(path string) (content string, mode fs.FileMode, err error) {
	for range 3 {
		if content, mode, err = readOnce(path); !errors.Is(err, errTorn) {
			break
		}
	}
	if err != nil {
		return "", 0, fmt.Errorf("passwd: read %s: %w", path, bare(err))
	}
	return content, mode, nil
}

func readOnce(path string) (string, fs.FileMode, error) {
	// Asked before opening: to open a named pipe would block.
	st, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	if !st.Mode().IsRegular() {
		return "", 0, errors.New("found no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	if before.Size() > fileMax {
		return "", 0, fmt.Errorf("found more than %d MiB", fileMax>>20)
	}
	b, err := io.ReadAll(io.LimitReader(f, fileMax+1)) // it may grow meanwhile
	if err != nil {
		return "", 0, err
	}
	after, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	if !sameStamp(before, after) || after.Size() != int64(len(b)) {
		return "", 0, errTorn
	}
	return string(b), after.Mode(), nil
}

// bare takes the operation and the path off an error that will name them.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// sameStamp reports whether a file looks untouched between two looks; nil is
// no file.
func sameStamp(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// secrecy warns of what a password file's mode allows to others.
func secrecy(path string, mode fs.FileMode) []string {
	list := writers(path, mode)
	if runtime.GOOS != "windows" && mode&0o004 != 0 {
		list = append(list, fmt.Sprintf("%s: mode %#o lets every local user read the password hashes; chmod o-r it", path, mode.Perm()))
	}
	return list
}

// writers warns of who may change a file besides its owner.
func writers(path string, mode fs.FileMode) []string {
	if runtime.GOOS == "windows" || mode&0o022 == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s: mode %#o lets others than its owner change it; chmod go-w it", path, mode.Perm())}
}
