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
	connections    prometheus.Gauge
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
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "fastproxy", Name: "connections", Help: "Open client connections, without tunnels."}),
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
	m.registry.MustRegister(m.requests, m.duration, m.connections, m.tunnels, m.tunnelsTotal, m.tunnelBytes,
		m.upstreamErrors, m.refusedHeads, m.panics, m.logins, m.sessionsEnded,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch registers the figures that others keep.
func (m *metrics) watch(p *Proxy) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "fastproxy", Name: "session_streams",
		Help: "WebSockets and streaming answers that are bound to somebody's session."},
		func() float64 { return float64(p.registry.Streams()) }))
	lost := func(record, help string, n func() uint64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "fastproxy", Name: "log_lost_total",
			Help: help, ConstLabels: prometheus.Labels{"record": record}}, func() float64 { return float64(n()) }))
	}
	const help = "Records that were not written: the log was too slow, or could not be written."
	lost("access", help, func() uint64 { n, _ := p.log.Lost(); return n })
	lost("event", help, func() uint64 { _, n := p.log.Lost(); return n })
}

func (m *metrics) answered(x *exchange, d time.Duration) {
	kind := "refused"
	switch {
	case x.own:
		kind = "own"
	case x.carried:
		kind = x.route.kind.String()
	}
	m.requests.WithLabelValues(kind, strconv.Itoa(x.status)).Inc()
	m.duration.WithLabelValues(kind).Observe(d.Seconds())
}

func (m *metrics) tunnelOpened(k shiny.Kind) { m.tunnels.WithLabelValues(k.String()).Inc() }

func (m *metrics) tunnelClosed(k shiny.Kind, st relay.Stats) {
	m.tunnels.WithLabelValues(k.String()).Dec()
	m.tunnelsTotal.WithLabelValues(k.String(), string(st.ClosedBy)).Inc()
	m.tunnelBytes.WithLabelValues("from_client").Add(float64(st.ClientBytes))
	m.tunnelBytes.WithLabelValues("from_backend").Add(float64(st.BackendBytes))
}
