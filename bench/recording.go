package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Recording is a session as shinyloadtest records it, version 1: a text file
// of "# key: value" lines, then one JSON object a line for each event; and
// beside it the bodies of POST requests, in files that events name. Once read
// it is never written, and many goroutines may use it.
type Recording struct {
	Path       string
	TargetURL  string // of the app it was recorded from
	TargetType string // one of targetTypes
	NeedsKey   bool   // it was recorded with a Posit Connect API key
	Events     []Event

	raw []byte // the file, for the copy among the results
}

// targetTypes are the servers that the recorder tells apart.
var targetTypes = []string{typePlain, typeServer, typeConnect, "shinyapps.io", typeUnknown}

const (
	typePlain   = "R/Shiny"
	typeServer  = "Shiny Server or Shiny Server Pro"
	typeConnect = "RStudio Server Connect"
	typeUnknown = "Unknown"
)

// Length is from the beginning of the first event to that of the last.
func (r *Recording) Length() time.Duration {
	return r.Events[len(r.Events)-1].Begin.Sub(r.Events[0].Begin)
}

// sockJS reports whether the recorded socket is one of SockJS.
func (r *Recording) sockJS() bool {
	i := slices.IndexFunc(r.Events, func(e Event) bool { return e.Type == wsOpen })
	return i >= 0 && strings.Contains(r.Events[i].URL, "/__sockjs__/")
}

// ReadRecording reads and checks a recording and that its post files are
// there. The error is a *UsageError that names file, line and reason of
// everything that is wrong, the first maxComplaints of it.
func ReadRecording(path string) (*Recording, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, usage("read recording: %v", err)
	}
	p := recordingParser{path: path, recording: &Recording{Path: path, raw: raw}, learned: map[string]bool{tokenRobust: true, tokenSockJS: true}}
	p.read(raw)
	if len(p.complaints) > 0 {
		return nil, &UsageError{Text: strings.Join(p.complaints, "\n")}
	}
	return p.recording, nil
}

// maxComplaints bounds what is said about one recording: somebody may have
// given another file by mistake.
const maxComplaints = 10

// recordingParser reads one recording.
type recordingParser struct {
	path       string
	line       int // from 1
	recording  *Recording
	learned    map[string]bool // tokens that have a value by now
	open       bool            // the socket is
	opened     bool            // it was, once
	complaints []string
}

func (p *recordingParser) complain(line int, format string, args ...any) {
	text := fmt.Sprintf("%s:%d: %s", p.path, line, fmt.Sprintf(format, args...))
	switch n := len(p.complaints); {
	case n < maxComplaints:
		p.complaints = append(p.complaints, text)
	case n == maxComplaints:
		p.complaints = append(p.complaints, p.path+": and more")
	}
}

func (p *recordingParser) read(raw []byte) {
	lines := bytes.Split(bytes.TrimRight(raw, "\r\n"), []byte("\n"))
	for i := range lines {
		lines[i] = bytes.TrimSuffix(lines[i], []byte("\r"))
	}
	head := slices.IndexFunc(lines, func(l []byte) bool { return !bytes.HasPrefix(l, []byte("#")) })
	if head < 0 {
		head = len(lines)
	}
	if !p.readProperties(lines[:head]) {
		return
	}
	for i, line := range lines[head:] {
		p.line = head + i + 1
		if bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		if e, err := readEvent(p.line, line); err != nil {
			p.complain(p.line, "%v", err)
		} else {
			p.add(e)
		}
	}
	events := p.recording.Events
	switch {
	case len(p.complaints) > 0:
	case len(events) == 0:
		p.complain(len(lines), "found no event, want at least one")
	case events[len(events)-1].Type != wsClose:
		p.complain(p.line, "found the end after %s, want WS_CLOSE as the last event; was the tab closed while recording?", events[len(events)-1].Type)
	}
}

var propertyShape = regexp.MustCompile(`^# (\w+): (.*)$`)

// readProperties reads the lines before the first event. Without them the rest
// says nothing: false.
func (p *recordingParser) readProperties(lines [][]byte) bool {
	properties, at := map[string]string{}, map[string]int{}
	for i, line := range lines {
		m := propertyShape.FindSubmatch(line)
		if m == nil {
			p.complain(i+1, "found %q, want a property as in “# version: 1”", clip(string(line), 60))
			return false
		}
		properties[string(m[1])], at[string(m[1])] = string(m[2]), i+1
	}
	if target, old := properties["target"]; old { // as recorders before version 1 wrote it
		properties["version"], properties["target_url"], properties["target_type"] = "1", target, typeUnknown
	}
	for _, name := range []string{"version", "target_url", "target_type"} {
		if _, ok := properties[name]; !ok {
			p.complain(len(lines)+1, "found no property %s, want “# %s: …” at the top of a recording", name, name)
			return false
		}
	}
	r := p.recording
	r.TargetURL, r.TargetType = properties["target_url"], properties["target_type"]
	r.NeedsKey = strings.EqualFold(properties["rscApiKeyRequired"], "true")
	if v := properties["version"]; v != "1" {
		p.complain(at["version"], "version: found %q, want 1", clip(v, 20))
		return false
	}
	if !slices.Contains(targetTypes, r.TargetType) {
		p.complain(at["target_type"], "target_type: found %q, want one of %s", clip(r.TargetType, 60), strings.Join(targetTypes, ", "))
		return false
	}
	return true
}

// add takes an event in, if it can follow those before it.
func (p *recordingParser) add(e Event) {
	if err := p.follows(&e); err != nil {
		p.complain(e.Line, "%v", err)
	}
	if e.Datafile != "" {
		if err := p.checkPostFile(&e); err != nil {
			p.complain(e.Line, "datafile: %v", err)
		}
	}
	p.recording.Events = append(p.recording.Events, e)
}

// follows keeps track of the socket and of the tokens that have been learned.
func (p *recordingParser) follows(e *Event) error {
	for _, t := range append(slices.Clone(e.url.tokens), e.say.tokens...) {
		if !p.learned[t] {
			return fmt.Errorf("found ${%s}, want it only after the event that tells its value", t)
		}
	}
	switch e.Type {
	case reqHome:
		p.learned[tokenWorker] = true // if the page names one
	case reqToken:
		p.learned[tokenToken] = true
	case wsOpen:
		if p.opened {
			return fmt.Errorf("found a second WS_OPEN, want one socket a recording")
		}
		p.open, p.opened = true, true
	case wsClose, wsSend, wsReceive, wsReceiveInit, wsReceiveUpload:
		if !p.open {
			return fmt.Errorf("found %s without an open socket, want WS_OPEN before it", e.Type)
		}
		p.open = e.Type != wsClose
		p.learned[tokenSession] = p.learned[tokenSession] || e.Type == wsReceiveInit
		if e.Type == wsReceiveUpload {
			p.learned[tokenUpload], p.learned[tokenUploadID] = true, true
		}
	}
	return nil
}

// checkPostFile finds the body of a POST. Its name must be a bare one: a
// recording from elsewhere reads no other files.
func (p *recordingParser) checkPostFile(e *Event) error {
	if e.Datafile != filepath.Base(e.Datafile) || strings.ContainsAny(e.Datafile, `/\`) || e.Datafile == ".." || e.Datafile == "." {
		return fmt.Errorf("found %q, want the bare name of a file beside the recording", clip(e.Datafile, 100))
	}
	e.post = filepath.Join(filepath.Dir(p.path), e.Datafile)
	info, err := os.Stat(e.post)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", e.post)
	}
	return nil
}
