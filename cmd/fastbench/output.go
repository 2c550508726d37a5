package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/term" // the Go team's own; knows a terminal on every system

	"fastproxy/bench"
)

// outputFlags say where figures go, beside the terminal.
type outputFlags struct {
	JSON   string `name:"json" placeholder:"FILE" help:"Write everything that was measured."`
	Report string `placeholder:"FILE.html" help:"Write a page with charts; it needs no network."`
	Quiet  bool   `short:"q" help:"Show nothing while it runs."`
}

// outcome is what a run comes to.
type outcome interface {
	WriteJSON(io.Writer) error
	WriteReport(io.Writer) error
	Err() error
}

// play runs a scenario, showing it while it goes on, and writes what it found.
func (o *outputFlags) play(ctx context.Context, title string, scenario func(ctx context.Context, live *bench.Live) (*bench.Result, error)) int {
	if err := o.check(); err != nil {
		return failed(err)
	}
	live := &bench.Live{}
	show := o.show(title, live)
	result, err := scenario(ctx, live)
	show.Stop()
	if err != nil {
		return failed(err)
	}
	if err := result.WriteSummary(os.Stdout); err != nil {
		return failed(err)
	}
	return o.finish(result)
}

// finish writes the files and gives the exit code.
func (o *outputFlags) finish(result outcome) int {
	code := exitOK
	if err := result.Err(); err != nil {
		code = failed(err)
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{o.JSON, result.WriteJSON}, {o.Report, result.WriteReport}} {
		if err := writeFile(f.name, f.write); err != nil {
			code = failed(err)
		}
	}
	return code
}

// check makes sure before any load that the files can be written after it.
func (o *outputFlags) check(more ...string) error {
	for _, name := range append(more, o.JSON, o.Report) {
		if name == "" {
			continue
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return &bench.UsageError{Text: "write results: " + err.Error()}
		}
		f.Close()
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// shown is a progress line, or none.
type shown struct{ progress *bench.Progress }

func (o *outputFlags) show(title string, live *bench.Live) shown {
	if o.Quiet {
		return shown{}
	}
	return shown{bench.StartProgress(os.Stderr, columns(), title, live)}
}

// note writes a line above the progress line.
func (s shown) note(line string) {
	if s.progress != nil {
		s.progress.Note(line)
	}
}

func (s shown) Stop() {
	if s.progress != nil {
		s.progress.Stop()
	}
}

// columns tells the width of standard error's terminal; nil: it is none.
func columns() func() int {
	fd := int(os.Stderr.Fd())
	if !term.IsTerminal(fd) {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(fd)
		if err != nil {
			return 80
		}
		return width
	}
}
