package fastproxy

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fastproxy/fastproxy/session"
)

// opsHandler serves OPS_LISTEN: what monitoring asks. Nothing here names a
// person.
func (p *Proxy) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", p.readyz)
	return mux
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready    bool   `json:"ready"`
	Stopping bool   `json:"stopping,omitempty"`
	Issuer   string `json:"issuer,omitempty"` // "ok", or what is wrong
	Keys     string `json:"issuer_keys,omitempty"`
}

// readyz says whether people can sign in. Those who are signed in need no
// issuer, so a balancer that has no better server should keep sending them.
func (p *Proxy) readyz(w http.ResponseWriter, _ *http.Request) {
	v := p.readiness()
	w.Header().Set("Content-Type", "application/json")
	if !v.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(v)
}

func (p *Proxy) readiness() readiness {
	v := readiness{Ready: true}
	select {
	case <-p.stopping:
		v.Ready, v.Stopping = false, true
	default:
	}
	if p.provider != nil {
		v.Issuer, v.Keys = "ok", "ok"
		if err := p.provider.Ready(); err != nil {
			v.Ready, v.Issuer = v.Ready && p.passwd != nil, err.Error()
		}
		if !p.keys.Ready() {
			v.Ready, v.Keys = v.Ready && p.passwd != nil, "not fetched yet"
			if err := p.keys.LastError(); err != nil {
				v.Keys = err.Error()
			}
		}
	}
	return v
}

// controlHandler serves the control socket: profiles, and who is here. It is
// a socket of mode 0600 because R code shares the loopback.
func (p *Proxy) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /sessions", p.listSessions)
	mux.HandleFunc("DELETE /sessions/{id}", p.deleteSession)
	return mux
}

func (p *Proxy) listSessions(w http.ResponseWriter, _ *http.Request) {
	type one struct {
		ID       string `json:"id"`
		User     string `json:"user"`
		Login    string `json:"login"`
		Issued   string `json:"issued"`
		Expires  string `json:"expires"`
		LastSeen string `json:"last_seen"`
		Streams  int    `json:"streams"`
	}
	all := []one{}
	const layout = "2006-01-02T15:04:05Z"
	for _, v := range p.registry.Sessions() {
		all = append(all, one{v.ID.String(), v.Key.Subject, string(v.Key.Method), v.IssuedAt.UTC().Format(layout),
			v.Expires.UTC().Format(layout), v.LastSeen.UTC().Format(layout), v.Streams})
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(all)
}

func (p *Proxy) deleteSession(w http.ResponseWriter, r *http.Request) {
	id, err := session.ParseID(r.PathValue("id"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	live := p.store.Peek(id)
	if live == nil || live.Ended() {
		http.Error(w, "no such session in this process", http.StatusNotFound)
		return
	}
	n, err := p.registry.End(id, live.Expires(), session.WhyAdmin)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]int{"streams_closed": n})
}
