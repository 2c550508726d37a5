package fastproxy

import (
	"fmt"
	"testing"
	"time"

	"fastproxy/fastproxy/identity"
	"fastproxy/fastproxy/shiny"
)

func TestAFloodOfSocketIDsRefusesOnlyWhoFloods(t *testing.T) {
	s := newSockets()
	flooder, other := &identity.Principal{Subject: "mallory"}, &identity.Principal{Subject: "kim"}
	now := time.Now()
	opened := 0
	for i := range 3 * maxOwnSockets {
		if leave, ok := s.enter(shiny.SocketIDs{Robust: fmt.Sprint(i), Opens: true}, holderOf(flooder, false), now); ok {
			leave()
			opened++
		}
	}
	if opened != maxOwnSockets || len(s.all) != maxOwnSockets {
		t.Errorf("one person opened %d, %d are kept; want %d", opened, len(s.all), maxOwnSockets)
	}
	if _, ok := s.enter(shiny.SocketIDs{Robust: "kims", Opens: true}, holderOf(other, false), now); !ok {
		t.Error("somebody else is refused")
	}
	later := time.Now().Add(socketMemory + 2*time.Second)
	if _, ok := s.enter(shiny.SocketIDs{Robust: "again", Opens: true}, holderOf(flooder, false), later); !ok {
		t.Error("the flooder is refused when all is forgotten")
	}
	if len(s.all) != 2 {
		t.Errorf("%d ids are kept, want 2", len(s.all))
	}
}
