// Peers is what a comparison of proxies needs beside the proxies: a backend
// that costs little, a bare Go proxy to compare with, and a key with a token
// that it signed.
//
//	peers backend 127.0.0.1:19800
//	peers proxy 127.0.0.1:19807 http://127.0.0.1:19800
//	peers token DIR
package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "backend":
		at, err := netip.ParseAddrPort(args[1])
		if err != nil {
			return fmt.Errorf("peers: backend: %w", err)
		}
		return serveBackend(ctx, at)
	case len(args) == 3 && args[0] == "proxy":
		return serveProxy(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "token":
		return writeToken(args[1])
	}
	return fmt.Errorf("usage: peers backend HOST:PORT | proxy HOST:PORT URL | token DIR")
}
