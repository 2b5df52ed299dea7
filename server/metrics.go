package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"acquired/fsm"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
	"acquired/server/engine"
)

// metrics of a node. Labels are names of methods, commands and kinds: never
// what a caller chose.
type metrics struct {
	registry  *prometheus.Registry
	calls     *prometheus.HistogramVec
	commands  *prometheus.CounterVec
	batch     prometheus.Histogram
	bytes     prometheus.Histogram
	apply     prometheus.Histogram
	logWrites prometheus.Histogram
}

func newMetrics(n *Node) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "acquired_call_seconds", Help: "Time of gRPC calls by method and kind of answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, []string{"method", "kind"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "acquired_commands_total", Help: "Commands in applied log entries by name and kind of answer.",
		}, []string{"command", "kind"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "acquired_entry_commands", Help: "Commands in the log entries that this node proposed.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		bytes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "acquired_entry_bytes", Help: "Size of the log entries that this node proposed.",
			Buckets: prometheus.ExponentialBuckets(64, 4, 10),
		}),
		apply: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "acquired_apply_seconds", Help: "Time to apply a log entry.",
			Buckets: prometheus.ExponentialBuckets(0.00001, 4, 10),
		}),
		logWrites: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "acquired_log_write_seconds", Help: "Time to make log entries durable on this node.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
	}
	m.registry.MustRegister(m.calls, m.commands, m.batch, m.bytes, m.apply, m.logWrites,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.gauges(n)
	return m
}

func (m *metrics) gauges(n *Node) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("acquired_applied_index", "Newest log index that the state holds.", func() float64 {
		return float64(n.machine.Position().Index)
	})
	gauge("acquired_leader", "1 on the leader.", func() float64 {
		if n.isLeader() {
			return 1
		}
		return 0
	})
	gauge("acquired_term", "Current term.", func() float64 {
		r := n.raft.Load()
		if r == nil {
			return 0
		}
		return float64(r.CurrentTerm())
	})
	gauge("acquired_calls_in_progress", "Calls in progress.", func() float64 { return float64(len(n.calls)) })
	gauge("acquired_queued_commands", "Commands that wait for the log.", func() float64 { return float64(len(n.batcher.queue)) })
	gauge("acquired_holds_overdue_seconds", "How long the hold that was to expire first waits for its log entry.", func() float64 {
		return n.holdsOverdue().Seconds()
	})
	gauge("acquired_state_disk_bytes", "Size of the state on disk.", func() float64 {
		var size float64
		n.held.use(func(e *engine.Pebble) { size = float64(e.Metrics().DiskBytes) })
		return size
	})
}

func (m *metrics) called(method, kind string, took time.Duration) {
	m.calls.WithLabelValues(method, kind).Observe(took.Seconds())
}

func (m *metrics) proposed(entry *statev1.Entry, bytes int) {
	m.batch.Observe(float64(len(entry.Commands)))
	m.bytes.Observe(float64(bytes))
}

func (m *metrics) applied(results []fsm.Result, took time.Duration) {
	m.apply.Observe(took.Seconds())
	for _, r := range results {
		kind := "ok"
		if r.Err != nil {
			kind = string(fault.KindOf(r.Err))
		}
		m.commands.WithLabelValues(r.Command, kind).Inc()
	}
}

func (m *metrics) wrote(took time.Duration, entries, _ int) {
	if entries > 0 {
		m.logWrites.Observe(took.Seconds())
	}
}
