package relay

import (
	"bytes"
	"slices"
	"sync"
)

// inspectorSeesEveryByte has an inspector that lets all pass, pending bytes
// too.
func inspectorSeesEveryByte(w *world) {
	said := talk(client)
	var mu sync.Mutex
	var seen []byte
	w.inspect = func(b []byte) (int, *Farewell) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, b...)
		return len(b), nil
	}
	w.join(said[:20], nil)
	w.tunnel.Start()
	for _, b := range said[20:] {
		w.write(w.client, []byte{b})
	}
	w.wantNext(w.backend, said)
	mu.Lock()
	defer mu.Unlock()
	if !bytes.Equal(seen, said) {
		w.Errorf("inspected %q, want %q", seen, said)
	}
}

// refusedBytesNeverPass has an inspector that refuses in the middle of the
// second frame: nothing behind that passes, and no Close frame falls into it.
func refusedBytesNeverPass(w *world) {
	first := frame(true, true, 1, []byte("harmless"))
	second := frame(true, true, 1, []byte("0|o|../finance/"))
	refuseAt, seen := len(first)+9, 0
	w.inspect = func(b []byte) (int, *Farewell) {
		before := seen
		if seen += len(b); seen > refuseAt {
			return refuseAt - before, &bye
		}
		return len(b), nil
	}
	w.join(slices.Concat(first, second, first), nil)
	w.tunnel.Start()
	w.wantRest(w.backend, slices.Concat(first, second[:9]))
	w.wantRest(w.client, bye.ToClient)
	w.client.Close()
	w.backend.Close()
	if s := w.wantOver(ByProxy, bye.Reason); s.ClientBytes != uint64(refuseAt) {
		w.Errorf("%d client bytes passed, want %d", s.ClientBytes, refuseAt)
	}
}

func inspectedLegGetsFarewell(w *world) {
	w.inspect = func(b []byte) (int, *Farewell) { return len(b), nil }
	w.open()
	whole := frame(true, true, 1, []byte("whole"))
	w.write(w.client, whole)
	w.wantNext(w.backend, whole)
	w.tunnel.Close(bye)
	w.write(w.client, []byte("never looked at"))
	w.wantRest(w.backend, bye.ToBackend)
	w.wantRest(w.client, bye.ToClient)
}
