//go:build !unix

package bench

import "errors"

func shutdownWrite(int) error { return errors.ErrUnsupported }
