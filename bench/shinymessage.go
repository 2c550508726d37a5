package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// shinyMessage is what a replay keeps of a message from the server: enough to
// compare it and to learn from it. A plot of megabytes is gone once it is read.
type shinyMessage struct {
	literal string   // "o", SockJS's opening frame; "" for a JSON object
	keys    []string // top-level keys of the object, sorted
	ignored bool     // neither recorded nor awaited
	session string   // config.sessionId, if there is one
	job     string   // response.value.jobId, if there is one
	upload  string   // response.value.uploadUrl, if there is one
}

// closedBy is an end that the server announced, in a c[…] frame or on the
// multiplex channel.
type closedBy struct {
	code   int
	reason string
}

func (c *closedBy) Error() string {
	return fmt.Sprintf("the server closed the session: %d %s", c.code, clip(c.reason, 100))
}

// readMessage reads one text message of a WebSocket: bare JSON as plain Shiny
// sends it, or a SockJS frame. The error is a *closedBy for an announced end.
// text is borrowed.
func readMessage(text []byte) (shinyMessage, error) {
	switch {
	case string(text) == "h" || bytes.HasPrefix(text, []byte(`["ACK`)):
		return shinyMessage{ignored: true}, nil
	case string(text) == "o":
		return shinyMessage{literal: "o"}, nil
	case bytes.HasPrefix(text, []byte("c[")):
		return shinyMessage{}, readClose(text[1:])
	case bytes.HasPrefix(text, []byte("a[")):
		parts, err := readArray(text[1:])
		if err != nil {
			return shinyMessage{}, err
		}
		if len(parts) != 1 {
			return shinyMessage{}, fmt.Errorf("a frame of %d messages, want one", len(parts))
		}
		return readMultiplex(parts[0])
	}
	return readObject(text)
}

func readArray(text []byte) ([]string, error) {
	var parts []string
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, fmt.Errorf("not a JSON array of strings: %s", clip(string(text), 60))
	}
	return parts, nil
}

// readClose reads the [code,"reason"] of an announced end.
func readClose(text []byte) error {
	var c closedBy
	if json.Unmarshal(text, &[]any{&c.code, &c.reason}) != nil {
		return fmt.Errorf("not a SockJS close frame: %s", clip(string(text), 60))
	}
	return &c
}

// multiplexShape is a message inside a frame: numbered where the socket is
// robust, on a channel, of a kind.
var multiplexShape = regexp.MustCompile(`(?s)^(?:[0-9A-F*]+#)?([0-9]+)\|([omc])\|(.*)$`)

// readMultiplex reads a string that a SockJS frame carried.
func readMultiplex(text string) (shinyMessage, error) {
	if strings.HasPrefix(text, "ACK") {
		return shinyMessage{ignored: true}, nil
	}
	m := multiplexShape.FindStringSubmatch(text)
	if m == nil {
		return shinyMessage{}, fmt.Errorf("not a message of Shiny Server: %s", clip(text, 60))
	}
	channel, kind, payload := m[1], m[2], m[3]
	if channel != "0" {
		return shinyMessage{}, fmt.Errorf("a message on channel %s; of several apps in one page only the first can be played", clip(channel, 10))
	}
	switch kind {
	case "m":
		return readObject([]byte(payload))
	case "c":
		var c closedBy
		json.Unmarshal([]byte(payload), &struct {
			Code   *int
			Reason *string
		}{&c.code, &c.reason}) // an end is an end, whatever it says
		return shinyMessage{}, &c
	}
	return shinyMessage{}, fmt.Errorf("a message of kind %q from the server", kind)
}

// readObject reads Shiny's own JSON.
func readObject(text []byte) (shinyMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return shinyMessage{}, fmt.Errorf("not a JSON object: %s", clip(string(text), 60))
	}
	m := shinyMessage{keys: slices.Sorted(maps.Keys(object)), ignored: playedOver(object)}
	if raw, ok := object["config"]; ok {
		var config struct {
			SessionID string `json:"sessionId"`
		}
		if json.Unmarshal(raw, &config) == nil {
			m.session = config.SessionID
		}
	}
	if raw, ok := object["response"]; ok {
		var response struct {
			Value struct {
				JobID     string `json:"jobId"`
				UploadURL string `json:"uploadUrl"`
			}
		}
		if json.Unmarshal(raw, &response) == nil {
			m.job, m.upload = response.Value.JobID, response.Value.UploadURL
		}
	}
	return m, nil
}

// playedOver tells the messages of which there may be any number: what Shiny
// says about being busy, the reactive log, and updates of nothing.
func playedOver(object map[string]json.RawMessage) bool {
	for _, key := range []string{"busy", "progress", "recalculating"} {
		if _, ok := object[key]; ok {
			return true
		}
	}
	if raw, ok := object["custom"]; ok && len(object) == 1 {
		var custom map[string]json.RawMessage
		if json.Unmarshal(raw, &custom) == nil && len(custom) == 1 {
			_, reactlog := custom["reactlog"]
			return reactlog
		}
	}
	return len(object) == 3 && emptyList(object["errors"]) && emptyList(object["values"]) && emptyList(object["inputMessages"])
}

// emptyList is [] and not {}: Shiny says {"errors":{},…} when there was
// something to recalculate.
func emptyList(raw json.RawMessage) bool {
	var list []json.RawMessage
	return json.Unmarshal(raw, &list) == nil && list != nil && len(list) == 0
}

// matches is nil if got is what the recording has as want: of a JSON object
// only the top-level keys count.
func (want *shinyMessage) matches(got *shinyMessage) error {
	if want.literal != "" || got.literal != "" {
		if want.literal != got.literal {
			return fmt.Errorf("got %s, recorded is %s", got.text(), want.text())
		}
		return nil
	}
	if !slices.Equal(want.keys, got.keys) {
		return fmt.Errorf("got %s, recorded is %s", got.text(), want.text())
	}
	return nil
}

func (m *shinyMessage) text() string {
	if m.literal != "" {
		return fmt.Sprintf("%q", m.literal)
	}
	return "keys " + clip(strings.Join(m.keys, " "), 200)
}

// clip shortens foreign text for a message, and keeps it on one line.
func clip(s string, most int) string {
	cut := s
	if len(cut) > most {
		cut = strings.ToValidUTF8(cut[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, cut)
}
