package bench

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"
)

// effort is how much of the machine was used up to a moment, in CPU seconds.
type effort struct {
	at   time.Time
	all  float64
	ours float64 // by fastbench and the plan's programs
}

// effort reads it; the zero effort where the system does not tell.
func (s *stage) effort() effort {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return effort{}
	}
	e := effort{at: time.Now(), all: busySeconds(string(text))}
	pids := []int{os.Getpid()}
	for _, p := range s.services {
		pids = append(pids, familyOf(p.cmd.Process.Pid)...)
	}
	for _, a := range s.actors {
		if a.process != nil {
			pids = append(pids, familyOf(a.process.cmd.Process.Pid)...)
		}
	}
	for _, pid := range pids {
		seconds, err := cpuOf(pid)
		if err == nil { // else it has just ended
			e.ours += seconds
		}
	}
	return e
}

// quietLook is how long others must have been quiet before a run begins.
const quietLook = 500 * time.Millisecond

// awaitQuiet waits until others leave the machine alone, or patience ends.
func (s *stage) awaitQuiet(ctx context.Context, live *Live) {
	if s.plan.Quiet == 0 {
		return
	}
	live.SetPhase("waiting for a quiet machine")
	for until := time.Now().Add(s.plan.Patience); time.Now().Before(until); {
		before := s.effort()
		select {
		case <-time.After(quietLook):
		case <-ctx.Done():
			return
		}
		if s.otherCores(before) <= s.plan.Quiet {
			return
		}
	}
}

// otherCores is how many cores others used since before, as far as the
// kernel's sampled clock tells.
func (s *stage) otherCores(before effort) float64 {
	after := s.effort()
	took := after.at.Sub(before.at).Seconds()
	if before.at.IsZero() || took <= 0 {
		return 0
	}
	return max(0, (after.all-before.all)-(after.ours-before.ours)) / took
}

// busySeconds adds up the columns of /proc/stat in which a core was not free:
// all but idle (4th) and waiting for a disk (5th). What a hypervisor took away
// (8th) counts; guests (from the 9th) are in the first already.
func busySeconds(stat string) float64 {
	const perSecond = 100 // USER_HZ, the same on every Linux that Go runs on
	first, _, _ := strings.Cut(stat, "\n")
	busy := 0.0
	for i, column := range strings.Fields(first) {
		if i < 1 || i == 4 || i == 5 || i > 8 {
			continue
		}
		ticks, err := strconv.ParseFloat(column, 64)
		if err != nil {
			return 0
		}
		busy += ticks / perSecond
	}
	return busy
}
