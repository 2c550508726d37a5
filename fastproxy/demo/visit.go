package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// visit is one R session: the inputs of one browser and the outputs made from
// them. Like R it does one thing at a time. It ends when its connection does.
type visit struct {
	// Set once.
	shiny *Shiny
	app   *app
	token string
	env   environ // session$request
	guest guest
	send  func(message []byte) // to the browser, in order; must not call back
	ctx   context.Context
	end   context.CancelFunc

	mu      sync.Mutex
	begun   bool // init came
	inputs  map[string]json.RawMessage
	uploads uploads
	ticks   int       // of the stream app
	points  []float64 // of the stream app
}

// newVisit opens a session and says so to the browser; nil after Close. The
// caller calls leave when the connection has ended.
func (s *Shiny) newVisit(a *app, env environ, send func([]byte)) *visit {
	v := &visit{
		shiny: s, app: a, token: newToken(), env: env, guest: env.guestOf(), send: send,
		inputs: map[string]json.RawMessage{},
	}
	v.ctx, v.end = context.WithCancel(s.ctx)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		v.end()
		return nil
	}
	s.visits[v.token] = v
	s.mu.Unlock()

	var user any
	if v.guest.Known {
		user = v.guest.User
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.say(map[string]any{"config": map[string]any{"workerId": "", "sessionId": v.token, "user": user}})
	return v
}

// leave ends the session. It may be called more than once and from anywhere.
func (v *visit) leave() {
	v.end()
	v.shiny.mu.Lock()
	delete(v.shiny.visits, v.token)
	v.shiny.mu.Unlock()
}

func (s *Shiny) visit(token string) (*visit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.visits[token]
	return v, ok
}

// say sends one message. The caller holds mu.
func (v *visit) say(message any) {
	body, err := json.Marshal(message)
	if err != nil {
		panic("demo: a message of our own is no JSON: " + err.Error())
	}
	v.send(body)
}

// message is what Shiny's client sends: values of inputs, or a call.
type message struct {
	Method string                     `json:"method"`
	Data   map[string]json.RawMessage `json:"data"`
	Args   []json.RawMessage          `json:"args"`
	Tag    *int64                     `json:"tag"`
}

const maxInputs = 500 // of one visit; a page has a few dozen

// receive takes one text message. An error means that the session must end, as
// R ends one that breaks the protocol.
func (v *visit) receive(raw []byte) error {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("demo: read message: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case m.Method == "init" && !v.begun:
		v.begun = true
		if _, err := v.set(m.Data); err != nil {
			return err
		}
		v.flush(v.app.outputs)
		v.startPace()
	case m.Method == "init" || !v.begun:
		return errors.New("demo: read message: want init first and once")
	case m.Method == "update":
		changed, err := v.set(m.Data)
		if err != nil {
			return err
		}
		v.flush(v.stale(changed))
	case m.Tag != nil:
		v.call(m)
	default:
		return errors.New("demo: read message: want a tag with a call")
	}
	return nil
}

// set takes over inputs and returns the names that were given. What follows the
// colon names R's type for the value ("late:shiny.number"), which JSON shows.
func (v *visit) set(data map[string]json.RawMessage) ([]string, error) {
	var names []string
	for name, value := range data {
		name, _, _ = strings.Cut(name, ":")
		v.inputs[name] = value
		names = append(names, name)
	}
	if len(v.inputs) > maxInputs {
		return nil, fmt.Errorf("demo: read message: more than %d inputs", maxInputs)
	}
	return names, nil
}

func (v *visit) stale(changed []string) []output {
	var stale []output
	for _, o := range v.app.outputs {
		if o.readsAny(changed) {
			stale = append(stale, o)
		}
	}
	return stale
}

// flush recalculates outputs and sends them, with the messages around them that
// make Shiny's page look busy. The caller holds mu.
func (v *visit) flush(stale []output) {
	if len(stale) == 0 {
		return
	}
	for _, o := range stale {
		v.say(map[string]any{"progress": map[string]any{"type": "binding", "message": map[string]any{"id": o.name}}})
	}
	v.say(map[string]any{"busy": "busy"})
	values, faults := map[string]any{}, map[string]any{}
	for _, o := range stale {
		v.say(map[string]any{"recalculating": map[string]any{"name": o.name, "status": "recalculating"}})
		switch made := o.render(v).(type) {
		case silent:
			faults[o.name] = map[string]any{"message": made, "call": nil, "type": []string{"shiny.silent.error", "validation"}}
		default:
			values[o.name] = made
		}
		v.say(map[string]any{"recalculating": map[string]any{"name": o.name, "status": "recalculated"}})
	}
	v.say(map[string]any{"busy": "idle"})
	v.say(map[string]any{"errors": faults, "values": values, "inputMessages": []any{}})
}

// startPace recalculates what the app wants recalculated by itself. The caller
// holds mu.
func (v *visit) startPace() {
	if v.app.pace != nil && v.shiny.enter() {
		go v.runPace()
	}
}

func (v *visit) runPace() {
	defer v.shiny.busy.Done()
	for {
		v.mu.Lock()
		wait, names := v.app.pace(v)
		var stale []output
		for _, o := range v.app.outputs {
			if slices.Contains(names, o.name) {
				stale = append(stale, o)
			}
		}
		v.flush(stale)
		v.mu.Unlock()
		select {
		case <-time.After(wait):
		case <-v.ctx.Done():
			return
		}
	}
}

// call answers a call: the two steps of an upload that are messages.
func (v *visit) call(m message) {
	var value any
	var err error
	switch m.Method {
	case "uploadInit":
		value, err = v.beginUpload(m.Args)
	case "uploadEnd":
		err = v.endUpload(m.Args)
	default:
		err = fmt.Errorf("unknown method %.40q", m.Method)
	}
	answer := map[string]any{"tag": *m.Tag, "value": value}
	if err != nil {
		answer = map[string]any{"tag": *m.Tag, "error": err.Error()}
	}
	v.say(map[string]any{"response": answer})
	if m.Method == "uploadEnd" && err == nil {
		v.flush(v.stale([]string{"up"}))
	}
}

// number is an input as a number within bounds. The caller holds mu.
func (v *visit) number(name string, otherwise, least, most float64) float64 {
	n := otherwise
	if json.Unmarshal(v.inputs[name], &n) != nil {
		return otherwise
	}
	return min(max(n, least), most)
}

// text is an input as a string. The caller holds mu.
func (v *visit) text(name, otherwise string) string {
	s := otherwise
	if json.Unmarshal(v.inputs[name], &s) != nil {
		return otherwise
	}
	return s
}
