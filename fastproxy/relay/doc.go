// Package relay carries the bytes of two joined connections: after the
// backend's 101, Join takes both legs and moves what either says to the
// other, unchanged, until one of them or the proxy ends it.
//
// It knows one thing about the bytes: where WebSocket frames begin (RFC 6455),
// so that the proxy's own last words fall between frames. Everything else
// passes as it came: fragmentation, control frames, half-closes, bare ends
// without a Close frame, resets.
//
// # Files
//
//	relay.go        Relay: Join, Drain, Stats; the list of tunnels
//	tunnel.go       Tunnel: Start, Close, the end of one
//	ending.go       who ended a tunnel
//	scanner.go      where frames begin
//	portable.go     the engine that carries, with goroutines
//	pump.go         one direction of it
//	leg.go          one connection: how it is closed, half-closed, reset
//	source*.go      how a leg is read without a buffer while it is silent
//	looped*.go      the engine that carries in event loops: a tunnel of it
//	way_linux.go    one direction of that
//	bulk_linux.go   large frames in it, moved by splice(2)
//	hold_linux.go   what waits in it for a slow reader
//	words_linux.go  the farewell in it
//	over_linux.go   how it ends
//
// # Engines
//
// An engine is a function that makes a carrier for a tunnel. relay.go,
// tunnel.go, ending.go and scanner.go are for every engine. New carries with
// two goroutines a tunnel, on any connection and system; NewOn carries sockets
// in event loops, where a silent tunnel is two rows and a struct. The
// conformance tests take an engine and ask everything of it that a caller may
// rely on.
package relay
