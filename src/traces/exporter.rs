//! The task that sends spans.

use std::fmt;
use std::io;
use std::pin::pin;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::time::{MissedTickBehavior, interval};

use super::{Spans, TracePolicy, Waiting};
use crate::upstream;

/// The most spans in one message.
const BATCH: usize = 512;

/// Why spans cannot be sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Something of TLS that the process needs failed.
    Tls(io::Error),
    /// The address of the collector is not one.
    Endpoint,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => write!(f, "cannot send traces: {error}"),
            // What is wrong with it is not said: the address may hold a key.
            Self::Endpoint => f.write_str("traces.endpoint: no valid http or https URL"),
        }
    }
}

impl std::error::Error for Error {}

/// Sends the spans that [`Spans`] made, again and again.
#[derive(Debug)]
pub struct Exporter {
    spans: Spans,
    exporter: opentelemetry_otlp::SpanExporter,
    policy: TracePolicy,
    /// Whether the last sending failed, so that the log says it once.
    is_failing: bool,
}

impl Exporter {
    /// A queue, and who empties it.
    ///
    /// # Errors
    ///
    /// If the policy has no usable address.
    pub fn new(policy: TracePolicy) -> Result<(Spans, Self), Error> {
        let client = HyperClient::new(connector()?, policy.timeout, None);
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(policy.endpoint.expose())
            .with_timeout(policy.timeout)
            .build()
            .map_err(|_| Error::Endpoint)?;
        let resource = Resource::builder_empty()
            .with_service_name(policy.service_name.clone())
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        exporter.set_resource(&resource);
        let spans = Spans::new(policy.max_queued, policy.sampling_rate);
        Ok((spans.clone(), Self { spans, exporter, policy, is_failing: false }))
    }

    /// Sends until told to stop, then what is left.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut ticks = interval(self.policy.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(stop);
        loop {
            // Both may be dropped and polled anew; the second is not polled after it is done.
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = &mut stop => true,
            };
            self.send().await;
            if is_last {
                break;
            }
        }
    }

    async fn send(&mut self) {
        let Waiting { mut spans, mut dropped } = self.spans.take();
        let mut failure = None;
        while !spans.is_empty() {
            let batch: Vec<SpanData> = spans.drain(..spans.len().min(BATCH)).collect();
            let count = batch.len();
            if let Err(error) = self.exporter.export(batch).await {
                // The rest would meet the same, and new ones are coming.
                dropped += (count + spans.len()) as u64;
                failure = Some(error);
                break;
            }
        }
        if dropped > 0 {
            // What the client says may name the address.
            tracing::debug!(event = "lasso.traces.dropped", spans = dropped, "spans were dropped");
        }
        if failure.is_some() != self.is_failing {
            self.is_failing = failure.is_some();
            match failure {
                Some(_) => tracing::warn!(
                    event = "lasso.traces.unavailable",
                    spans = dropped,
                    "the collector does not take spans; they are dropped until it does",
                ),
                None => tracing::info!(event = "lasso.traces.available", "the collector takes spans again"),
            }
        }
    }
}

fn connector() -> Result<HttpsConnector<HttpConnector>, Error> {
    let tls = upstream::client_config(Vec::new()).map_err(Error::Tls)?;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http))
}
