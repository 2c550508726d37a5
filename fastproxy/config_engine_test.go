package fastproxy

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestEngineAndLoops(t *testing.T) {
	auto := EnginePortable
	if runtime.GOOS == "linux" {
		auto = EngineEpoll
	}
	procs := runtime.GOMAXPROCS(0)
	for _, c := range []struct {
		env, yaml string
		engine    Engine
		here      Engine
		loops     int
	}{
		{"", "", EngineAuto, auto, procs},
		{"ENGINE=AUTO\nLOOPS=0", "", EngineAuto, auto, procs},
		{"ENGINE=portable", "", EnginePortable, EnginePortable, procs},
		{"LOOPS=7", "", EngineAuto, auto, 7},
		{"", "engine: portable\nloops: 256\n", EnginePortable, EnginePortable, 256},
		{"ENGINE=auto", "engine: portable\n", EngineAuto, auto, procs}, // the environment wins
	} {
		s := mustLoad(t, login+good+c.env, c.yaml)
		if s.Engine != c.engine || s.EngineHere() != c.here || s.LoopCount() != c.loops {
			t.Errorf("%q %q: %s, %s here, %d loops", c.env, c.yaml, s.Engine, s.EngineHere(), s.LoopCount())
		}
	}
}

func TestLoopsWithoutEffectAreNamed(t *testing.T) {
	s := mustLoad(t, login+good+"ENGINE=portable\nLOOPS=3", "")
	if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, "LOOPS (.env LOOPS) has no effect") {
		t.Error(w)
	}
}

func TestDescriptorsAreKeptBack(t *testing.T) {
	for limit, connections := range map[int]int{
		1:               1,
		48:              12,
		256:             92,
		1024:            464,
		20_000:          9_655,
		1 << 20:         523_744,
		manyDescriptors: manyDescriptors/2 - 544,
	} {
		if got := descriptorRoom(limit) / 2; got != connections {
			t.Errorf("%d descriptors: %d connections, want %d", limit, got, connections)
		}
	}
}

func TestMaxConnections(t *testing.T) {
	derived := mustLoad(t, login+good, "")
	if got, want := derived.ConnectionLimit(), descriptorRoom(descriptorLimit())/2; got != want {
		t.Errorf("%d connections for %d descriptors, want %d", got, descriptorLimit(), want)
	}
	set := mustLoad(t, login+good, "max_connections: 20\n")
	if set.ConnectionLimit() != 20 || len(set.Warnings()) > len(derived.Warnings()) {
		t.Errorf("%d, %q", set.ConnectionLimit(), set.Warnings())
	}
	many := mustLoad(t, login+good+fmt.Sprintf("MAX_CONNECTIONS=%d", descriptorLimit()), "")
	if w := strings.Join(many.Warnings(), "\n"); !strings.Contains(w, "raise the limit (LimitNOFILE, ulimit -n)") {
		t.Error(w)
	}
}

func TestReusePortIsOfTCPAddresses(t *testing.T) {
	if !systemSharesPorts {
		t.Skip("not on this system")
	}
	s := mustLoad(t, login+good+"REUSE_PORT=true\nLISTEN=:1,unix:/run/x.sock", "")
	if a := s.ListenAddrs(); !a[0].Shared || a[1].Shared {
		t.Errorf("%+v", a)
	}
	if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, "a sign-out is known to the process that answered it") {
		t.Error(w)
	}
	s = mustLoad(t, login+good+"REUSE_PORT=true\nPORT=/run/x.sock", "")
	if w := strings.Join(s.Warnings(), "\n"); !strings.Contains(w, "REUSE_PORT (.env REUSE_PORT) has no effect") {
		t.Error(w)
	}
}
