package passwd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// inheritACL copies the POSIX ACL (acl(5)) of the file at name to tmp. One
// that tmp got from its directory's default ACL goes.
func inheritACL(tmp *os.File, name string) error {
	const attr = "system.posix_acl_access"
	acl := make([]byte, 64<<10) // XATTR_SIZE_MAX
	n, err := unix.Getxattr(name, attr, acl)
	fd := int(tmp.Fd())
	switch {
	case errors.Is(err, unix.ENOTSUP):
		return nil
	case errors.Is(err, unix.ENODATA):
		err = unix.Fremovexattr(fd, attr)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			return nil
		}
		return err
	case err != nil:
		return err
	}
	return unix.Fsetxattr(fd, attr, acl[:n], 0)
}
