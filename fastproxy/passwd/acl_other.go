//go:build unix && !linux

package passwd

import "os"

// inheritACL does nothing here: only Linux's ACLs are known.
func inheritACL(*os.File, string) error { return nil }
