package demo_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"fastproxy/fastproxy/demo"
)

func listen(t *testing.T, at string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestRunServesBothAndStopsCleanlyUnderLiveSockets(t *testing.T) {
	auth0At, shinyAt := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	a, err := demo.NewAuth0(demo.Auth0Options{
		Issuer: "http://" + auth0At.Addr().String() + "/", ClientID: "a", ClientSecret: "b", Callbacks: []string{callback}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- demo.Run(ctx, auth0At, a, shinyAt, demo.NewShiny(demo.ShinyOptions{})) }()

	c := browser(t)
	resp, body := get(t, c, a.Issuer()+".well-known/openid-configuration")
	wants(t, resp, 200, body)
	base := "http://" + shinyAt.Addr().String()
	plain := join(t, base, "/websocket/", asKim)
	plain.init()
	live := openSockJS(t, base, "/sockjs/__sockjs__/n=stopped/000/stopped1/websocket")
	live.send(`0#0|o|`, `1#0|m|{"method":"init","data":{}}`)
	live.next()
	live.next()
	stream := openStream(t, base+"/sockjs/__sockjs__/n=streamed/000/streamed/xhr_streaming")
	stream.frame()

	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run does not end")
	}
	if _, _, err := plain.conn.ReadMessage(); err == nil {
		t.Error("a plain socket is still open")
	}
	var last string
	for frame, ok := live.tryNext(); ok; frame, ok = live.tryNext() {
		last = frame
	}
	if last != `c[4702,"The server is shutting down"]` {
		t.Errorf("the SockJS socket's last frame: %s", last)
	}
	if frame := stream.frame(); frame != `c[4702,"The server is shutting down"]` {
		t.Errorf("the stream's last frame: %s", frame)
	}
}

func TestRunRefusesToListenBeyondLoopback(t *testing.T) {
	auth0At, shinyAt := listen(t, "127.0.0.1:0"), listen(t, "0.0.0.0:0")
	a, err := demo.NewAuth0(demo.Auth0Options{Issuer: "http://127.0.0.1:1/", ClientID: "a", ClientSecret: "b", Callbacks: []string{callback}})
	if err != nil {
		t.Fatal(err)
	}
	err = demo.Run(context.Background(), auth0At, a, shinyAt, demo.NewShiny(demo.ShinyOptions{}))
	if err == nil || !strings.Contains(err.Error(), "want a loopback address") {
		t.Errorf("Run: %v", err)
	}
}

func TestRunReportsAListenerThatFails(t *testing.T) {
	auth0At, shinyAt := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	shinyAt.Close()
	a, err := demo.NewAuth0(demo.Auth0Options{Issuer: "http://127.0.0.1:1/", ClientID: "a", ClientSecret: "b", Callbacks: []string{callback}})
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Run(context.Background(), auth0At, a, shinyAt, demo.NewShiny(demo.ShinyOptions{})); err == nil {
		t.Error("Run ended without an error")
	}
}
