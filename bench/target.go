package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// processUse is what a process and its descendants use at a moment.
type processUse struct {
	processes int
	cpu       float64 // seconds, user and system, of ended descendants too
	pss       int64   // 0 when it may not be read
	fds       int     // likewise
}

// process is one that was asked for with --pid or --pid-file.
type process struct {
	pid   int
	file  string // read again when pid is gone; "": none
	use   TargetUse
	spent float64 // CPU of those before it, which were restarted
	first float64 // CPU at the first look
	began float64 // cpu() when the measured time began
	last  processUse
}

// processes are watched together. One goroutine at a time.
type processes []*process

// watchProcesses begins to watch. A process that is not there is a
// *UsageError.
func watchProcesses(t *Target) (processes, error) {
	var all processes
	for _, pid := range t.Pids {
		all = append(all, &process{pid: pid})
	}
	for _, file := range t.PidFiles {
		pid, err := readPidFile(file)
		if err != nil {
			return nil, usage("pid file: %v", err)
		}
		all = append(all, &process{pid: pid, file: file})
	}
	for _, p := range all {
		now, err := useOf(p.pid)
		if err != nil {
			return nil, usage("process %d: %v", p.pid, err)
		}
		p.first, p.last = now.cpu, now
		p.use = TargetUse{Pid: p.pid, Command: commandOf(p.pid), PSSStart: now.pss, FDsStart: now.fds}
		if now.pss == 0 {
			p.use.Error = "its memory may not be read: run fastbench as its user or as root"
		}
	}
	return all, nil
}

func readPidFile(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("%s: found %q, want a process id", file, clip(strings.TrimSpace(string(text)), 40))
	}
	return pid, nil
}

// look samples all, at so many seconds of the run, and returns the CPU that
// all together have used since they are watched.
func (all processes) look(at float64) (cpu float64) {
	for _, p := range all {
		p.look(at)
		cpu += p.cpu()
	}
	return cpu
}

func (p *process) look(at float64) {
	now, err := useOf(p.pid)
	if err != nil {
		if now, err = p.successor(); err != nil {
			return
		}
	}
	p.last = now
	p.use.Processes = now.processes
	p.use.Series = append(p.use.Series, TargetPoint{At: at, PSS: now.pss, CPUSeconds: p.cpu(), FDs: now.fds})
}

// successor looks for the process that took the place of one that is gone.
func (p *process) successor() (processUse, error) {
	gone := fmt.Sprintf("process %d is gone", p.pid)
	if p.file == "" {
		p.use.Error = gone
		return processUse{}, errors.New(gone)
	}
	pid, err := readPidFile(p.file)
	if err != nil || pid == p.pid {
		p.use.Error = gone
		return processUse{}, errors.New(gone)
	}
	now, err := useOf(pid)
	if err != nil {
		return now, err
	}
	p.use.Error = fmt.Sprintf("restarted: process %d became %d", p.pid, pid)
	p.spent += p.last.cpu - p.first
	p.pid, p.first = pid, 0
	return now, nil
}

// cpu is what it and its predecessors used since it is watched.
func (p *process) cpu() float64 { return p.spent + p.last.cpu - p.first }

// useOf reads a process and its descendants.
func useOf(pid int) (processUse, error) {
	var sum processUse
	for _, one := range familyOf(pid) {
		cpu, err := cpuOf(one)
		if err != nil {
			if one == pid {
				return sum, err
			}
			continue // ended between two reads
		}
		sum.processes++
		sum.cpu += cpu
		sum.pss += pssOf(one)
		sum.fds += filesOf(one)
	}
	return sum, nil
}

// filesAllowed is how many files a process and its descendants may have open
// together; false: it is not to be known.
func filesAllowed(pid int) (n int, ok bool) {
	for _, one := range familyOf(pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/limits", one))
		_, rest, _ := strings.Cut(string(text), "Max open files")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return 0, false
		}
		limit, err := strconv.Atoi(fields[0])
		if err != nil { // unlimited
			return 0, false
		}
		n += limit
	}
	return n, true
}

// familyOf lists a process and its descendants.
func familyOf(pid int) []int {
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", family[i]))
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			for _, field := range strings.Fields(string(text)) {
				if child, err := strconv.Atoi(field); err == nil && !slices.Contains(family, child) {
					family = append(family, child)
				}
			}
		}
	}
	return family
}

// cpuOf reads the CPU seconds of a process and of its ended children.
func cpuOf(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errors.New("there is none")
	}
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything; proc(5) counts from 1 and
	// utime, stime, cutime, cstime are 14 to 17.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 15 {
		return 0, errors.New("its stat is not readable")
	}
	if fields[0] == "Z" {
		return 0, errors.New("it has ended")
	}
	var ticks int64
	for _, field := range fields[11:15] {
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return float64(ticks) / 100, nil // USER_HZ is 100 on every Linux Go runs on
}

// pssOf reads the memory of a process, shared pages divided by who shares them.
func pssOf(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// filesOf counts open descriptors. Listing the directory makes the kernel keep
// 1.6 KB for each of them for a while, so where the size of the directory is
// their number (Linux 6.2), that is asked.
func filesOf(pid int) int {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	if info, err := os.Stat(dir); err == nil && info.Size() > 0 {
		return int(info.Size())
	}
	names, _ := os.ReadDir(dir)
	return len(names)
}

func commandOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}
