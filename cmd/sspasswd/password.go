package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"unicode/utf8"

	// x/term: the Go team's way to read without echo, on every system.
	"golang.org/x/term"
)

// passwordMax is what fastproxy takes in its form, in bytes.
const passwordMax = 1 << 10

// readPassword prompts on a terminal, without echo, twice when the password is
// a new one; from anything else it reads one line.
func readPassword(isNew bool) ([]byte, error) {
	var password []byte
	var err error
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		password, err = ask(fd, isNew)
	} else {
		password, err = readLine(os.Stdin)
	}
	switch {
	case err != nil:
		return nil, err
	case len(password) == 0:
		return nil, errors.New("found an empty password")
	case len(password) > passwordMax:
		return nil, tooLong()
	case isNew && !utf8.Valid(password): // what a browser could never send
		return nil, errors.New("found a password that is not UTF-8; is the terminal set to another character set?")
	}
	return password, nil
}

func tooLong() error { return fmt.Errorf("found a password of more than %d bytes", passwordMax) }

func ask(fd int, twice bool) ([]byte, error) {
	restore, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go restoreOnSignal(signals, fd, restore)
	defer close(signals)
	defer signal.Stop(signals)

	password, err := askOnce(fd, "Password: ")
	if err != nil || !twice || len(password) == 0 {
		return password, err
	}
	again, err := askOnce(fd, "Password again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(password, again) {
		return nil, errors.New("the two passwords differ; nothing was changed")
	}
	return password, nil
}

func askOnce(fd int, prompt string) ([]byte, error) {
	io.WriteString(os.Stderr, prompt)
	password, err := term.ReadPassword(fd)
	io.WriteString(os.Stderr, "\n")
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the password from the terminal: %w", err)
	}
	return password, nil
}

// restoreOnSignal turns the echo on again before a signal ends the process. It
// ends when signals is closed.
func restoreOnSignal(signals <-chan os.Signal, fd int, state *term.State) {
	if _, ok := <-signals; ok {
		term.Restore(fd, state)
		io.WriteString(os.Stderr, "\n")
		os.Exit(exitFailed)
	}
}

// readLine reads up to a newline, or CR and newline, or the end, and not a
// byte more: the rest of a pipe may be somebody else's.
func readLine(r io.Reader) ([]byte, error) {
	var line []byte
	var b [1]byte
	for len(line) <= passwordMax+1 {
		n, err := r.Read(b[:])
		if n == 1 {
			if b[0] == '\n' {
				return bytes.TrimSuffix(line, []byte("\r")), nil
			}
			line = append(line, b[0])
		}
		if errors.Is(err, io.EOF) {
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the password from standard input: %w", err)
		}
	}
	return nil, tooLong()
}
