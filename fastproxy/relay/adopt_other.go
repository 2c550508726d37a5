//go:build !linux

package relay

import (
	"errors"

	"fastproxy/fastproxy/loop"
)

// Adopted is for systems with event loops; see adopt_linux.go.
type Adopted struct {
	Key     loop.Key
	TCP     bool
	HungUp  bool
	More    bool
	Pending []byte
	Inspect func(b []byte) (pass int, bye *Farewell)
}

type looped struct{}

func (*Relay) Adopt(*loop.Loop, Adopted, Adopted, func(Stats)) (*Tunnel, error) {
	return nil, errors.New("relay: adopt: this system has no event loops")
}

func (t *Tunnel) StartHere() { t.Start() }
func (*Relay) Tune(fd int)   {}
