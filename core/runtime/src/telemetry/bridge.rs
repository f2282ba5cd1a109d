//! One metric, two readers: what is recorded goes to Prometheus and to OpenTelemetry.

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::PrometheusRecorder;
use opentelemetry::{KeyValue, metrics as otel};
use std::collections::HashMap;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// The recorder that feeds both.
pub(super) struct Bridge {
    prometheus: PrometheusRecorder,
    meter: otel::Meter,
    counters: Known<Counter>,
    gauges: Known<Gauge>,
    histograms: Known<Histogram>,
}

/// What was registered: every use of a metric asks for it again by its key.
type Known<T> = Mutex<HashMap<Key, T>>;

impl Bridge {
    pub(super) fn new(prometheus: PrometheusRecorder, meter: otel::Meter) -> Self {
        let (counters, gauges, histograms) = Default::default();
        Self { prometheus, meter, counters, gauges, histograms }
    }
}

fn known<T: Clone>(all: &Known<T>, key: &Key, register: impl FnOnce() -> T) -> T {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = all.get(key) {
        return found.clone();
    }
    let new = register();
    all.insert(key.clone(), new.clone());
    new
}

fn attributes(key: &Key) -> Vec<KeyValue> {
    key.labels().map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned())).collect()
}

impl Recorder for Bridge {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        known(&self.counters, key, || {
            let first = self.prometheus.register_counter(key, metadata);
            let second = self.meter.u64_counter(key.name().to_owned()).build();
            Counter::from_arc(Arc::new(Both { first, second, attributes: attributes(key), at: AtomicU64::new(0) }))
        })
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        known(&self.gauges, key, || {
            let first = self.prometheus.register_gauge(key, metadata);
            let second = self.meter.f64_gauge(key.name().to_owned()).build();
            Gauge::from_arc(Arc::new(Both { first, second, attributes: attributes(key), at: Mutex::new(0.0) }))
        })
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        known(&self.histograms, key, || {
            let first = self.prometheus.register_histogram(key, metadata);
            let second = self.meter.f64_histogram(key.name().to_owned()).build();
            Histogram::from_arc(Arc::new(Both { first, second, attributes: attributes(key), at: () }))
        })
    }
}

/// A metric at both readers; `at` is where it stands, for the kinds that need to know.
struct Both<A, B, V> {
    first: A,
    second: B,
    attributes: Vec<KeyValue>,
    at: V,
}

impl CounterFn for Both<Counter, otel::Counter<u64>, AtomicU64> {
    fn increment(&self, value: u64) {
        self.first.increment(value);
        self.at.fetch_add(value, Ordering::Relaxed);
        self.second.add(value, &self.attributes);
    }

    fn absolute(&self, value: u64) {
        self.first.absolute(value);
        let before = self.at.fetch_max(value, Ordering::Relaxed);
        self.second.add(value.saturating_sub(before), &self.attributes);
    }
}

impl Both<Gauge, otel::Gauge<f64>, Mutex<f64>> {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        *at = change(*at);
        self.first.set(*at);
        self.second.record(*at, &self.attributes);
    }
}

impl GaugeFn for Both<Gauge, otel::Gauge<f64>, Mutex<f64>> {
    fn increment(&self, value: f64) {
        self.change(|at| at + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|at| at - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Both<Histogram, otel::Histogram<f64>, ()> {
    fn record(&self, value: f64) {
        self.first.record(value);
        self.second.record(value, &self.attributes);
    }
}
