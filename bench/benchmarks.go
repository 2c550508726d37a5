package bench

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// Benchmarks are figures that Go benchmarks printed: by the benchmark's name,
// then by unit, one for each time it was run.
type Benchmarks map[string]map[string][]float64

// ReadBenchmarks reads what go test -bench wrote. Lines of anything else are
// passed over; a file without any benchmark is an error.
func ReadBenchmarks(file string) (Benchmarks, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usage("benchmarks: %v", err)
	}
	defer f.Close()
	all := Benchmarks{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// BenchmarkName-2  1234  56.7 ns/op  0 B/op  0 allocs/op
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if at := strings.LastIndexByte(name, '-'); at >= 0 {
			if _, err := strconv.Atoi(name[at+1:]); err == nil {
				name = name[:at] // of the processors
			}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				break
			}
			if all[name] == nil {
				all[name] = map[string][]float64{}
			}
			all[name][fields[i+1]] = append(all[name][fields[i+1]], v)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, usage("benchmarks: %s: %v", file, err)
	}
	if len(all) == 0 {
		return nil, usage("benchmarks: found none in %s, want what go test -bench prints", file)
	}
	return all, nil
}
