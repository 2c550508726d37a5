package fastproxy

import (
	"strconv"
	"time"

	// Prometheus's own client: the field's standard, maintained.
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"fastproxy/fastproxy/relay"
	"fastproxy/fastproxy/shiny"
)

// metrics are what OPS_LISTEN shows at /metrics. No label holds anything that
// a visitor can choose.
type metrics struct {
	registry *prometheus.Registry

	requests       *prometheus.CounterVec
	duration       *prometheus.HistogramVec
	engine         *prometheus.CounterVec
	tunnels        *prometheus.GaugeVec
	tunnelsTotal   *prometheus.CounterVec
	tunnelBytes    *prometheus.CounterVec
	upstreamErrors *prometheus.CounterVec
	refusedHeads   prometheus.Counter
	panics         prometheus.Counter
	logins         *prometheus.CounterVec
	sessionsEnded  *prometheus.CounterVec
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "fastproxy", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("http_requests_total", "Requests answered.", "kind", "code"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "fastproxy", Name: "http_request_duration_seconds",
			Help: "From a request's head to the end of its answer.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}, []string{"kind"}),
		engine: counter("engine_requests_total", "Requests that Shiny answered, upgrades included, by who carried them: an event loop, or a worker goroutine.", "engine"),
		tunnels: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "fastproxy", Name: "tunnels",
			Help: "Open WebSockets."}, []string{"kind"}),
		tunnelsTotal:   counter("tunnels_closed_total", "WebSockets that ended.", "kind", "closed_by"),
		tunnelBytes:    counter("tunnel_bytes_total", "Bytes of WebSockets that ended.", "direction"),
		upstreamErrors: counter("upstream_errors_total", "Requests that Shiny did not answer.", "reason"),
		refusedHeads:   prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fastproxy", Name: "refused_heads_total", Help: "Request heads refused as malformed."}),
		panics:         prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fastproxy", Name: "panics_total", Help: "Requests that met a fault of ours."}),
		logins:         counter("logins_total", "Sign-ins.", "login", "outcome"),
		sessionsEnded:  counter("sessions_ended_total", "Sessions that were ended, or ran out while streams were open.", "reason"),
	}
	m.registry.MustRegister(m.requests, m.duration, m.engine, m.tunnels, m.tunnelsTotal, m.tunnelBytes,
		m.upstreamErrors, m.refusedHeads, m.panics, m.logins, m.sessionsEnded,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch registers the figures that others keep.
func (m *metrics) watch(p *Proxy) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fastproxy", Name: "session_streams",
		Help: "WebSockets and streaming answers that are bound to somebody's session."},
		func() float64 { return float64(p.registry.Streams()) }))
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fastproxy", Name: "connections",
		Help: "Open client connections, without tunnels."}, func() float64 { return float64(p.openConnections()) }))
	p.room.register(m.registry)
	lost := func(record, help string, n func() uint64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "fastproxy", Name: "log_lost_total",
			Help: help, ConstLabels: prometheus.Labels{"record": record}}, func() float64 { return float64(n()) }))
	}
	const help = "Records that were not written: the log was too slow, or could not be written."
	lost("access", help, func() uint64 { n, _ := p.log.Lost(); return n })
	lost("event", help, func() uint64 { _, n := p.log.Lost(); return n })
}

// answered counts a request that a worker answered.
func (m *metrics) answered(x *exchange, d time.Duration) {
	kind := "refused"
	switch {
	case x.own:
		kind = "own"
	case x.carried:
		kind = x.route.kind.String()
	}
	if x.carried {
		m.engine.WithLabelValues("worker").Inc()
	}
	m.requests.WithLabelValues(kind, strconv.Itoa(x.status)).Inc()
	m.duration.WithLabelValues(kind).Observe(d.Seconds())
}

// answerCounts are the counters of one lane's answers, looked up once: by
// label that costs three times what counting does. The lane owns them.
type answerCounts struct {
	engine    prometheus.Counter
	requests  map[answerKey]prometheus.Counter
	durations map[shiny.Kind]prometheus.Observer
}

type answerKey struct {
	kind   shiny.Kind
	status int
}

func (m *metrics) newAnswerCounts() answerCounts {
	return answerCounts{m.engine.WithLabelValues("loop"), make(map[answerKey]prometheus.Counter), make(map[shiny.Kind]prometheus.Observer)}
}

// answered counts a request that was answered on the lane.
func (c *answerCounts) answered(m *metrics, kind shiny.Kind, status int, d time.Duration) {
	key := answerKey{kind, status}
	n, known := c.requests[key]
	if !known {
		n = m.requests.WithLabelValues(kind.String(), strconv.Itoa(status))
		c.requests[key] = n
	}
	took, known := c.durations[kind]
	if !known {
		took = m.duration.WithLabelValues(kind.String())
		c.durations[kind] = took
	}
	c.engine.Inc()
	n.Inc()
	took.Observe(d.Seconds())
}

func (m *metrics) tunnelOpened(k shiny.Kind) { m.tunnels.WithLabelValues(k.String()).Inc() }

func (m *metrics) tunnelClosed(k shiny.Kind, st relay.Stats) {
	m.tunnels.WithLabelValues(k.String()).Dec()
	m.tunnelsTotal.WithLabelValues(k.String(), string(st.ClosedBy)).Inc()
	m.tunnelBytes.WithLabelValues("from_client").Add(float64(st.ClientBytes))
	m.tunnelBytes.WithLabelValues("from_backend").Add(float64(st.BackendBytes))
}
