package bench

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestReportIsDrawnByARealBrowserWithoutANetwork(t *testing.T) {
	r := writeReport(t, "hold.html", sampleResult())
	dom := browse(t, r, nil)
	if fault := attribute(dom, "data-faults"); fault != "" {
		t.Errorf("the page's script failed: %s", fault)
	}
	if n, want := attribute(dom, "data-drawn"), "10"; n != want {
		t.Errorf("%s charts were drawn, want %s", n, want)
	}
	for _, want := range []string{"<canvas", "<svg", "REQ_HOME 4", "8,993 of 9,000", "&lt;b&gt;busy&lt;/b&gt;"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the drawn page does not contain %q", want)
		}
	}
}

func TestReportOfARunThatFoundLittleIsDrawnToo(t *testing.T) {
	one := Percentiles{Count: 1, Min: 5, P50: 5, P99: 5, Max: 5, Histogram: []Bar{{From: 4, To: 6, Count: 1}}}
	for name, r := range map[string]*Result{
		"nothing": {Scenario: "chat", URL: "ws://h/"},
		"one of each": {Scenario: "chat", URL: "ws://h/", Ended: "interrupted", Series: []Point{{At: 1, Messages: 1, P50: 5, P99: 5}},
			Latency: map[string]Percentiles{"echo": one}, Targets: []TargetUse{{Command: "a", Series: []TargetPoint{{At: 1}, {At: 1}}}},
			Sessions: []SessionTrace{{Events: []TraceEvent{{Type: "REQ_HOME", Line: 3}}}, {}}},
		"no time at all": {Scenario: "http", URL: "http://h/", Series: []Point{{At: 1}, {At: 2}}, Sessions: []SessionTrace{{Failed: true}},
			Latency: map[string]Percentiles{"request": {Count: 1, Histogram: []Bar{{From: 0, To: 0.1, Count: 1}}}}},
	} {
		dom := browse(t, writeReport(t, "r.html", r), nil)
		if fault := attribute(dom, "data-faults"); fault != "" || attribute(dom, "data-drawn") == "" {
			t.Errorf("%s: the page's script failed: %s", name, fault)
		}
	}
}

func TestReportOfAComparisonShowsBarsWithoutAScript(t *testing.T) {
	file := writeReport(t, "compare.html", sampleComparison())
	dom := browse(t, file, nil)
	if fault := attribute(dom, "data-faults"); fault != "" {
		t.Errorf("the page's script failed: %s", fault)
	}
	if n := strings.Count(dom, `class="bar hue`); n != 11 {
		t.Errorf("found %d bars, want 11: 4 targets in 3 scenarios, one of them without a figure", n)
	}
	for _, want := range []string{"5 of 5 rounds do not count", "less is better", "round 5", "nginx/1.22.1",
		"0.72 [0.66–0.81]", `<span class="pill good">met</span>`, `<span class="pill bad">missed</span>`, `<span class="pill">stretch missed</span>`, "≤ 0.30 µs"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
}

// The pictures are for people: BENCH_PICTURES=dir go test -run Picture ./bench
func TestReportPictures(t *testing.T) {
	dir := os.Getenv("BENCH_PICTURES")
	if dir == "" {
		t.Skip("BENCH_PICTURES names no directory to draw into")
	}
	for name, file := range map[string]string{"hold": writeReport(t, "hold.html", sampleResult()), "compare": writeReport(t, "compare.html", sampleComparison())} {
		for scheme, preferred := range map[string]string{"light": "1", "dark": "0"} {
			for width, size := range map[string]string{"wide": "1280,3400", "phone": "420,5600"} {
				browse(t, file, []string{"--blink-settings=preferredColorScheme=" + preferred, "--window-size=" + size,
					"--screenshot=" + filepath.Join(dir, name+"-"+scheme+"-"+width+".png")})
			}
		}
	}
}

func writeReport(t *testing.T, name string, r any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	switch r := r.(type) {
	case *Result:
		err = r.WriteReport(f)
	case *Comparison:
		err = r.WriteReport(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// browse opens a file in Chromium and returns the page as its scripts left it.
// Its network is a proxy of ours that lets nothing through and must see nobody
// but Chromium asking its maker for updates and the time.
func browse(t *testing.T, file string, more []string) string {
	t.Helper()
	chromium := needChromium(t)
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	calls := make(chan string, 100)
	go func() {
		defer close(calls)
		for {
			c, err := proxy.Accept()
			if err != nil {
				return
			}
			request, err := bufio.NewReader(c).ReadString('\n')
			if err == nil && !regexp.MustCompile(`^\S+ (http://)?[a-z0-9-]+\.google(apis)?\.com[:/]`).MatchString(request) {
				calls <- request
			}
			c.Close()
		}
	}()
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--proxy-server=" + proxy.Addr().String(), "--proxy-bypass-list=<-loopback>",
		"--user-data-dir=" + t.TempDir(), "--dump-dom"}, more...)
	cmd := exec.Command(chromium, append(args, "file://"+file)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	proxy.Close()
	for request := range calls {
		t.Errorf("the page went to the network: %s", request)
	}
	return string(out)
}

// attribute reads one of the root element.
func attribute(dom, name string) string {
	m := regexp.MustCompile(`<html[^>]* ` + name + `="([^"]*)"`).FindStringSubmatch(dom)
	if m == nil {
		return ""
	}
	return m[1]
}

// lacking skips a test by name of what is missing, or fails it where CI=true.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing, and CI=true allows no skipping: `make tools` as root installs it", what)
	}
	t.Skipf("%s is missing: `make tools` as root installs it", what)
}

func needChromium(t *testing.T) string {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		lacking(t, "chromium")
	}
	return chromium
}
