package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// serveProxy is the proxy that most Go programs would be: the standard
// library's, which also carries WebSockets, with a goroutine and buffers for
// each. It asks nobody who they are. It serves until ctx ends.
func serveProxy(ctx context.Context, listen, upstream string) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("peers: proxy: %w", err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.SetXForwarded() },
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 256, IdleConnTimeout: 60 * time.Second, DisableCompression: true,
		},
	}
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("peers: proxy: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case <-ctx.Done():
		server.Close()
		<-ended
		return nil
	case err := <-ended:
		return errors.Join(errors.New("peers: proxy: stopped serving"), err)
	}
}
