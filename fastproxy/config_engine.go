package fastproxy

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"fastproxy/fastproxy/config"
)

// Engine is what carries connections.
type Engine string

const (
	EngineAuto     Engine = "auto"     // epoll where the system has it, else portable
	EngineEpoll    Engine = "epoll"    // event loops; a goroutine only for what may wait
	EnginePortable Engine = "portable" // a goroutine for each connection
)

const mostLoops = 256

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *Engine) UnmarshalText(text []byte) error {
	switch v := Engine(strings.ToLower(string(text))); v {
	case EngineAuto, EngineEpoll, EnginePortable:
		*e = v
		return nil
	case "uring":
		return errors.New("this version does not have it, want auto, epoll or portable")
	}
	return errors.New("want auto, epoll or portable")
}

// EngineHere returns what EngineAuto means on this system: EngineEpoll or
// EnginePortable.
func (s *Settings) EngineHere() Engine {
	if s.Engine == EnginePortable || s.Engine != EngineEpoll && !systemHasEpoll {
		return EnginePortable
	}
	return EngineEpoll
}

const systemHasEpoll = runtime.GOOS == "linux"

// LoopCount returns how many event loops there are to be: LOOPS, else one for
// each processor that the process may use.
func (s *Settings) LoopCount() int {
	if s.Loops > 0 {
		return s.Loops
	}
	return min(runtime.GOMAXPROCS(0), mostLoops)
}

func (s *Settings) checkEngine(p *config.Errors) {
	if s.Engine == EngineEpoll && !systemHasEpoll {
		s.bad(p, "engine", string(s.Engine), "want auto or portable: this system has no epoll")
	}
	switch {
	case s.Loops < 0 || s.Loops > mostLoops:
		s.bad(p, "loops", fmt.Sprint(s.Loops), fmt.Sprintf("want 1 to %d, or 0 for one on each processor", mostLoops))
	case s.Loops > 0 && s.EngineHere() == EnginePortable:
		s.warn("LOOPS (%s) has no effect: the portable engine has no event loops", s.origins.Of("loops"))
	}
}

func (s *Settings) engineWords() string {
	if s.EngineHere() == EnginePortable {
		return "goroutines (portable)"
	}
	if n := s.LoopCount(); n > 1 {
		return fmt.Sprintf("%d event loops (epoll)", n)
	}
	return "one event loop (epoll)"
}
