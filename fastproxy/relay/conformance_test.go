package relay

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// maker makes a Relay on the engine under test.
type maker func(Options) *Relay

// conform asks of an engine everything that callers rely on, over each kind
// of connection it carries.
func conform(t *testing.T, newRelay maker, kinds ...legs) {
	rules := []struct {
		name string
		rule func(*world)
	}{
		{"PendingBytesComeFirstWhereverTheHeadWasCut", pendingBytesComeFirst},
		{"EveryByteIsPassedOnAtOnce", everyByteIsPassedOnAtOnce},
		{"RandomMessagesArriveUnchangedBothWaysAtOnce", randomMessagesArrive},
		{"LargeAndSmallFramesArriveUnchangedBothWaysAtOnce", mixedMessages},
		{"AMillionMessagesArriveUnchanged", aMillionMessages},
		{"ALargeFrameMayBeCutAnywhereInItsHead", largeFrameCutInItsHead},
		{"ALargeFrameMayBePipelinedBehindTheUpgrade", largeFramePipelined},
		{"APieceOfALargeFrameIsPassedOnAtOnce", slowWriterOfALargeFrame},
		{"ASlowReaderHoldsBackTheWriter", slowReaderHoldsBackTheWriter},
		{"ASlowReaderOfALargeFrameHoldsBackTheWriter", slowReaderOfALargeFrame},
		{"A64MiBMessageStreamsInBoundedMemory", largeClientMessage},
		{"A512MiBFrameStreamsInBoundedMemory", hugeBackendFrame},
		{"AnInspectorSeesEveryByteInOrderBeforeItPasses", inspectorSeesEveryByte},
		{"WhatAnInspectorRefusesNeverPasses", refusedBytesNeverPass},
		{"AnInspectedLegStillGetsItsFarewellBetweenFrames", inspectedLegGetsFarewell},
		{"NothingFlowsBeforeStart", nothingFlowsBeforeStart},
		{"AHalfCloseOfTheClientIsPassedOn", clientHalfCloses},
		{"AHalfCloseOfTheBackendIsPassedOn", backendHalfCloses},
		{"ABareEndOfTheBackendIsPassedOn", backendEndsBare},
		{"ABackendThatEndsWhileBytesWaitLosesNone", backendEndsWhileBytesWait},
		{"ABackendThatResetsWhileBytesWaitLosesNone", backendResetsWhileBytesWait},
		{"AResetDoesNotOvertakeWhatWasSaidBefore", resetBehindBytes},
		{"AClientWithoutABackendIsNotKept", clientKeepsTalkingToNobody},
		{"AResetOfTheClientIsPassedOn", clientResetsMidFrame},
		{"AResetOfTheBackendIsPassedOn", backendResetsMidFrame},
		{"AResetAfterAHalfCloseIsNoticed", resetAfterHalfClose},
		{"AHalfCloseInALargeFrameIsPassedOn", halfCloseInALargeFrame},
		{"AResetInALargeFrameIsPassedOn", resetInALargeFrame},
		{"ABackendThatEndsInALargeFrameWhileBytesWaitLosesNone", endInALargeFrameWhileBytesWait},
		{"AReaderThatIsGoneInALargeFrameEndsTheTunnel", readerGoneInALargeFrame},
		{"FarewellsFallOnTheNextBoundaryWhereverTheFrameWasCut", farewellAtEveryCut},
		{"AFarewellFallsBehindALargeFrameThatIsHalfThrough", farewellBehindALargeFrame},
		{"AFarewellIsSaidOnceThoughManyClose", farewellOnceThoughManyClose},
		{"AControlFrameMaySplitAFragmentedMessage", controlFarewellWithinMessage},
		{"NothingIsSaidBehindACloseFrame", noFarewellBehindClose},
		{"NothingIsSaidInWhatIsNotWebSocket", noFarewellInOtherProtocols},
		{"AnEmptyFarewellEndsAtOnce", emptyFarewell},
		{"CloseBeforeStartSaysTheFarewellAndDropsWhatIsPending", closeBeforeStart},
		{"AClientThatDoesNotReadIsCut", stuckClientIsCut},
		{"AFrameThatNeverEndsIsCut", frameThatNeverEndsIsCut},
		{"ClosingWhatIsOverDoesNothing", closeAfterTheEnd},
		{"CloseDuringAHalfCloseIsTheProxysEnd", closeDuringHalfClose},
		{"AFailedJoinClosesBoth", failedJoinClosesBoth},
		{"TunnelsEndHoweverTheyAreTornDown", tornDownAtRandom},
		{"AnIdleTunnelHoldsNoBuffer", idleTunnelHoldsNoBuffer},
		{"CarryingAMessageAllocatesNothing", messageAllocatesNothing},
		{"DrainEndsEveryTunnelAndRefusesMore", drainEndsEveryTunnel},
		{"DrainCutsWhatOutlivesItsContext", drainCuts},
	}
	for _, l := range kinds {
		t.Run(l.client+" to "+l.backend, func(t *testing.T) {
			for _, r := range rules {
				t.Run(r.name, func(t *testing.T) {
					backToStart(t)
					r.rule(&world{T: t, newRelay: newRelay, legs: l})
				})
			}
		})
	}
}

// legs are the networks of a tunnel's two sides.
type legs struct{ client, backend string }

// world is one relay with one tunnel, and the far ends of its two legs.
type world struct {
	*testing.T
	newRelay maker
	legs     legs
	opts     Options
	relay    *Relay

	client, backend net.Conn // far ends, ours
	near            [2]net.Conn
	tunnel          *Tunnel
	inspect         func([]byte) (int, *Farewell) // of the client leg; set before join
	over            chan Stats
}

// patience bounds every wait of the suite; nothing is expected to need it.
const patience = 30 * time.Second

// join makes the tunnel and does not start it.
func (w *world) join(clientPending, backendPending []byte) {
	w.Helper()
	if w.relay == nil {
		w.relay = w.newRelay(w.opts)
	}
	w.client, w.near[client] = connect(w.T, w.legs.client)
	w.backend, w.near[backend] = connect(w.T, w.legs.backend)
	over := make(chan Stats, 1)
	w.over = over
	tunnel, err := w.relay.Join(Leg{Conn: w.near[client], Pending: clientPending, Inspect: w.inspect}, Leg{Conn: w.near[backend], Pending: backendPending}, func(s Stats) { over <- s })
	if err != nil {
		w.Fatal(err)
	}
	w.tunnel = tunnel
	far := [2]net.Conn{w.client, w.backend}
	w.Cleanup(func() {
		closeConn(far[client])
		closeConn(far[backend])
		tunnel.Close(Farewell{})
	})
}

func (w *world) open() {
	w.Helper()
	w.join(nil, nil)
	w.tunnel.Start()
}

// wantOver waits for the end of the tunnel and checks whose it was.
func (w *world) wantOver(by ClosedBy, reason string) Stats {
	w.Helper()
	select {
	case s := <-w.over:
		if s.ClosedBy != by || s.Reason != reason {
			w.Errorf("ended by %s (%s), want by %s (%s)", s.ClosedBy, s.Reason, by, reason)
		}
		return s
	case <-time.After(patience):
		w.Fatalf("the tunnel is not over; want it ended by %s (%s)", by, reason)
	}
	return Stats{}
}

func (w *world) write(to net.Conn, b []byte) {
	w.Helper()
	if _, err := to.Write(b); err != nil {
		w.Fatalf("write %d bytes: %v", len(b), err)
	}
}

// wantNext reads exactly want from a connection.
func (w *world) wantNext(from net.Conn, want []byte) {
	w.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, want) {
		w.Fatalf("read %q (%v), want %q", short(got[:n]), err, short(want))
	}
}

// wantRest reads to the end, which must be an ordinary one, exactly want.
func (w *world) wantRest(from net.Conn, want []byte) {
	w.Helper()
	got, err := io.ReadAll(from)
	if err != nil || !bytes.Equal(got, want) {
		w.Fatalf("read to the end %q (%v), want %q", short(got), err, short(want))
	}
}

func short(b []byte) []byte { return b[:min(len(b), 200)] }

// needsReset skips a rule about resets where the network has none.
func (w *world) needsReset() {
	if w.legs.client != "tcp" || runtime.GOOS != "linux" {
		w.Skip("resets are a matter of TCP")
	}
}

// until waits for something that happens elsewhere.
func (w *world) until(what string, ok func() bool) {
	w.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("still waiting: %s", what)
		}
	}
}

func (w *world) untilSettled(conn net.Conn) {
	w.Helper()
	w.until("bytes acknowledged", func() bool { return acknowledged(w, conn) })
}

func halfClose(w *world, conn net.Conn) {
	w.Helper()
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		w.Fatal(err)
	}
}

func reset(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// connect returns both ends of a new connection.
func connect(t *testing.T, network string) (far, near net.Conn) {
	t.Helper()
	if network == "tls" {
		far, near = connect(t, "tcp")
		return handshake(t, far, near)
	}
	addr := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "relay") // t.TempDir can be too long for a socket
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		addr = filepath.Join(dir, "s")
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err = net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	far.SetDeadline(time.Now().Add(2 * patience))
	return far, near
}

func handshake(t *testing.T, far, near net.Conn) (net.Conn, net.Conn) {
	t.Helper()
	server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	outside := tls.Client(far, &tls.Config{InsecureSkipVerify: true}) // the test talks to itself
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := outside.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return outside, server
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// backToStart fails a test that leaves a goroutine or a descriptor behind.
func backToStart(t *testing.T) {
	fds, goroutines := openFiles(), runtime.NumGoroutine()
	t.Cleanup(func() {
		end := time.Now().Add(patience)
		for openFiles() > fds || runtime.NumGoroutine() > goroutines {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<16)
				t.Fatalf("left behind: %d descriptors, %d goroutines\n%s", openFiles()-fds,
					runtime.NumGoroutine()-goroutines, stacks[:runtime.Stack(stacks, true)])
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func openFiles() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux
	}
	return len(names)
}
