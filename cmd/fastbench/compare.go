package main

import (
	"context"
	"os"

	"fastproxy/bench"
)

type compareCommand struct {
	outputFlags `embed:""`

	File     string   `arg:"" name:"PLAN" help:"YAML: targets and scenarios."`
	Rounds   int      `placeholder:"N" help:"Instead of the plan's."`
	Target   []string `sep:"none" placeholder:"NAME" help:"Only these of the plan's targets; the first is the one that others are compared to. May be given several times."`
	Scenario []string `sep:"none" placeholder:"NAME" help:"Only these of the plan's scenarios. May be given several times."`
	Table    string   `placeholder:"FILE.md" help:"Write the tables too."`
	Bench    string   `name:"benchmarks" placeholder:"FILE" help:"What go test -bench printed, for the plan's gates."`
}

func (c *compareCommand) run(ctx context.Context) int {
	if err := c.check(c.Table); err != nil {
		return failed(err)
	}
	plan, err := bench.ReadPlan(c.File)
	if err != nil {
		return failed(err)
	}
	options := bench.CompareOptions{Plan: plan, Rounds: c.Rounds, Targets: c.Target, Scenarios: c.Scenario}
	if c.Bench != "" {
		if options.Benchmarks, err = bench.ReadBenchmarks(c.Bench); err != nil {
			return failed(err)
		}
	}
	live := &bench.Live{}
	show := c.show("compare", live)
	options.Note = show.note
	result, err := bench.Compare(ctx, options, live)
	show.Stop()
	if err != nil {
		return failed(err)
	}
	code := exitOK
	if err := result.WriteTables(os.Stdout); err != nil {
		code = failed(err)
	}
	if err := writeFile(c.Table, result.WriteTables); err != nil {
		code = failed(err)
	}
	return max(code, c.finish(result))
}
