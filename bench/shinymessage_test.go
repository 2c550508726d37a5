package bench

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestMessagesAreReadInEveryShape(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`h`, "ignored"},
		{`a["ACK 1F"]`, "ignored"},
		{`["ACK 1F"]`, "ignored"},
		{`o`, `"o"`},
		{`{"config":{"sessionId":"5"}}`, "keys config session 5"},
		{`{"values":{},"errors":{},"inputMessages":[]}`, "keys errors inputMessages values"},
		{`{"errors":[],"values":[],"inputMessages":[]}`, "ignored"},
		{`{"errors":[],"values":[],"inputMessages":[1]}`, "keys errors inputMessages values"},
		{`{"errors":null,"values":null,"inputMessages":null}`, "keys errors inputMessages values"},
		{`{"busy":"busy"}`, "ignored"},
		{`{"progress":{},"values":{}}`, "ignored"},
		{`{"recalculating":{}}`, "ignored"},
		{`{"custom":{"reactlog":1}}`, "ignored"},
		{`{"custom":{"reactlog":1,"other":2}}`, "keys custom"},
		{`{"custom":{"reactlog":1},"values":{}}`, "keys custom values"},
		{`{"custom":"reactlog"}`, "keys custom"},
		{`a["F#0|m|{\"errors\":{},\"values\":{\"plot\":\"\u00fc\"}}"]`, "keys errors values"},
		{`a["0|m|{\"errors\":{}}"]`, "keys errors"},
		{`a["*#0|m|{\"errors\":{}}"]`, "keys errors"},
		{`a["0#0|m|{\"busy\":\"idle\"}"]`, "ignored"},
		{`a["7#0|m|{\"response\":{\"tag\":0,\"value\":{\"jobId\":\"j\",\"uploadUrl\":\"u\"}}}"]`, "keys response job j upload u"},
		{`{"response":{"tag":1,"value":null}}`, "keys response"},
		{`{}`, "keys "},
	} {
		m, err := readMessage([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		got := m.text()
		if m.ignored {
			got = "ignored"
		}
		for _, more := range []struct{ name, value string }{{"session", m.session}, {"job", m.job}, {"upload", m.upload}} {
			if more.value != "" {
				got += fmt.Sprintf(" %s %s", more.name, more.value)
			}
		}
		if got != c.want {
			t.Errorf("%s is read as %s, want %s", c.text, got, c.want)
		}
	}
}

func TestWhatIsNoMessageIsAnError(t *testing.T) {
	for _, text := range []string{``, `x`, `null`, `[]`, `"o"`, `a[]`, `a["1#0|m|{}","2#0|m|{}"]`, `a["0|o|"]`, `a["1|m|{}"]`, `a["CONTINUE 5"]`, `a["0|m|[]"]`, `a[1]`, `c[]x`} {
		if m, err := readMessage([]byte(text)); err == nil {
			t.Errorf("%s is read as %s, want an error", text, m.text())
		}
	}
}

func TestAnAnnouncedEndTellsItsCode(t *testing.T) {
	for text, want := range map[string]closedBy{
		`c[4705,"Your session could not be resumed on the server."]`: {4705, "Your session could not be resumed on the server."},
		`a["3#0|c|{\"code\":4503,\"reason\":\"gone\"}"]`:             {4503, "gone"},
		`a["3#0|c|"]`: {},
	} {
		_, err := readMessage([]byte(text))
		var c *closedBy
		if !errors.As(err, &c) || *c != want {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

func FuzzReadMessage(f *testing.F) {
	for _, text := range []string{`o`, `h`, `a["F#0|m|{\"errors\":{}}"]`, `c[4705,"no"]`, `{"custom":{"reactlog":[]}}`, `{"response":{"value":{"jobId":"x"}}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := readMessage([]byte(text))
		if err != nil && strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("the error has more than one line: %q", err)
		}
		if err == nil && m.matches(&m) != nil {
			t.Error("a message does not match itself")
		}
	})
}
