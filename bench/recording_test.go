package bench

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// samples are two real sessions, recorded on a real server by the recorder's
// rules.
var samples = []string{"testdata/recording-plain.log", "testdata/recording-sockjs.log"}

func TestTheSampleRecordingsAreRead(t *testing.T) {
	plain, err := ReadRecording(samples[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(plain.Events) != 31 || plain.TargetType != typePlain || plain.sockJS() || plain.Length() != 5168*time.Millisecond {
		t.Errorf("read %d events of %s in %v, SockJS %v", len(plain.Events), plain.TargetType, plain.Length(), plain.sockJS())
	}
	if e := plain.Events[0]; e.Line != 4 || e.Type != reqHome || e.Status != 200 || e.URL != "/" {
		t.Errorf("the first event is %+v", e)
	}
	post := plain.Events[24]
	if post.Type != reqPost || post.post != "testdata/recording-plain.log.post.0" || len(post.url.tokens) != 2 {
		t.Errorf("the upload is %+v", post)
	}
	sockjs, err := ReadRecording(samples[1])
	if err != nil {
		t.Fatal(err)
	}
	if !sockjs.sockJS() || sockjs.TargetType != typeServer {
		t.Errorf("read a recording of %s, SockJS %v", sockjs.TargetType, sockjs.sockJS())
	}
}

// edited writes a changed sample into a directory of its own, with its post
// file, and names it.
func edited(t *testing.T, sample string, change func(string) string) string {
	t.Helper()
	raw, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	post, err := os.ReadFile(sample + ".post.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(sample)+".post.0"), post, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "recording.log")
	if err := os.WriteFile(path, []byte(change(string(raw))), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestABadRecordingIsRefusedWithItsLineAndReason(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("the sample has no %q", old)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	for _, c := range []struct {
		what   string
		change func(string) string
		want   string
	}{
		{"a version of tomorrow", replace("# version: 1\n", "# version: 2\n"), `:1: version: found "2", want 1`},
		{"no version", replace("# version: 1\n", ""), `:3: found no property version`},
		{"no properties", replace("# version: 1\n# target_url: http://127.0.0.1:3838/\n# target_type: R/Shiny\n", ""), `:1: found no property version`},
		{"a property of another shape", replace("# version: 1\n", "#version 1\n"), `:1: found "#version 1", want a property`},
		{"an unknown server", replace("R/Shiny", "R/Glossy"), `:3: target_type: found "R/Glossy", want one of R/Shiny,`},
		{"broken JSON", replace(`"status":200,"url":"/"}`, `"status":200,"url":"/"`), `:4: found no JSON object of an event: unexpected EOF`},
		{"a line that is no object", replace(`{"type":"REQ_HOME"`, `[]{"type":"REQ_HOME"`), `:4: found no JSON object`},
		{"two objects a line", replace(`"status":200,"url":"/"}`, `"status":200,"url":"/"}{}`), `:4: found something after the event's JSON object`},
		{"an empty line", replace("\n{\"type\":\"REQ_GET\"", "\n\n{\"type\":\"REQ_GET\""), `:5: found an empty line`},
		{"an unknown event", replace("REQ_HOME", "REQ_AWAY"), `:4: type: found "REQ_AWAY", want one of REQ_HOME REQ_TOK`},
		{"a time of another shape", replace("2026-11-21T18:56:58.206Z", "yesterday"), `:4: begin: found "yesterday", want a time`},
		{"no status", replace(`"status":200,"url":"/"}`, `"url":"/"}`), `:4: REQ_HOME: found no "status"`},
		{"an impossible status", replace(`"status":200,"url":"/"}`, `"status":20,"url":"/"}`), `:4: status: found 20, want an HTTP status`},
		{"a URL of elsewhere", replace(`"url":"/jquery`, `"url":"http://elsewhere/jquery`), `:5: url: found "http://elsewhere/`},
		{"an unknown token", replace("/session/${SESSION}/upload", "/session/${SESION}/upload"), `:28: url: found unknown token ${SESION}, want one of WORKER`},
		{"an unknown token in a message", replace(`\"args\": [\"${UPLOAD_JOB_ID}\"`, `\"args\": [\"${JOB}\"`), `:29: message: found unknown token ${JOB}`},
		{"a token before its value is known", replace(`"url":"/jquery-3.6.0`, `"url":"/${SESSION}`), `:5: found ${SESSION}, want it only after`},
		{"a missing post file", replace("recording-plain.log.post.0", "recording-plain.log.post.1"), `:28: datafile: stat `},
		{"a post file of elsewhere", replace("recording-plain.log.post.0", "../recording-plain.log.post.0"), `:28: datafile: found "../recording-plain.log.post.0", want the bare name`},
		{"a post file that is a directory", replace("recording-plain.log.post.0", "."), `:28: datafile: found "."`},
		{"no end", replace(`{"type":"WS_CLOSE","begin":"2026-11-21T18:57:03.374Z"}`, ""), `want WS_CLOSE as the last event`},
		{"no open socket", replace(`{"type":"WS_OPEN"`, `{"type":"REQ_GET","status":200`), `found WS_SEND without an open socket`},
		{"a message that is no JSON", replace(`"message":"{\"config\"`, `"message":"\"config\"`), `:22: message: found not a JSON object`},
		{"a message that is never awaited", replace(`{\"config\":{`, `{\"busy\":1,\"config\":{`), `:22: message: found one that a replay passes over`},
		{"another file altogether", func(string) string { return "library(shiny)\n" }, `:1: found no property version`},
		{"nothing at all", func(string) string { return "" }, `found no property version`},
		{"properties only", func(s string) string { return s[:strings.Index(s, "{")] }, `found no event`},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := edited(t, samples[0], c.change)
			_, err := ReadRecording(path)
			var u *UsageError
			if !errors.As(err, &u) {
				t.Fatalf("error is %v, want a UsageError", err)
			}
			if !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("says\n%v\nwant %s…%s", err, path, c.want)
			}
		})
	}
}

func TestEveryFaultOfARecordingIsNamedUpToALimit(t *testing.T) {
	path := edited(t, samples[0], func(s string) string { return strings.ReplaceAll(s, `"status"`, `"state"`) })
	_, err := ReadRecording(path)
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxComplaints+1 || lines[0] != path+`:4: REQ_HOME: found no "status", want one` || lines[maxComplaints] != path+": and more" {
		t.Errorf("says\n%v", err)
	}
}

func TestARecordingOfBeforeVersion1IsRead(t *testing.T) {
	path := edited(t, samples[0], func(s string) string {
		return "# version: 0.1.0.9000\n# target: http://127.0.0.1:3838/\n" + s[strings.Index(s, "{"):]
	})
	r, err := ReadRecording(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.TargetType != typeUnknown || r.Events[0].Line != 3 {
		t.Errorf("read a recording of %s, first line %d", r.TargetType, r.Events[0].Line)
	}
}

func TestLineEndingsOfWindowsAreRead(t *testing.T) {
	path := edited(t, samples[0], func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") })
	r, err := ReadRecording(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.TargetType != typePlain || r.Events[30].Line != 34 {
		t.Errorf("read a recording of %q, last line %d", r.TargetType, r.Events[30].Line)
	}
}

func FuzzReadRecording(f *testing.F) {
	for _, sample := range samples {
		raw, err := os.ReadFile(sample)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("# version: 1\n# target_url: x\n# target_type: Unknown\n{}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := recordingParser{path: "fuzz.log", recording: &Recording{raw: raw}, learned: map[string]bool{}}
		p.read(raw)
		if len(p.complaints) > 0 {
			return
		}
		if n := len(p.recording.Events); n == 0 || p.recording.Events[n-1].Type != wsClose {
			t.Errorf("accepted a recording of %d events that does not end with WS_CLOSE", n)
		}
		for _, e := range p.recording.Events {
			if e.awaits() && e.want.ignored {
				t.Errorf("line %d waits for what never comes", e.Line)
			}
		}
	})
}
