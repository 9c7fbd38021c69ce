//! The spans of a call.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use lasso_layers::call::observe::Report;
use lasso_layers::call::{Candidate, Progress, SpanId, Trace};
use lasso_layers::catalog::Provider;
use opentelemetry::trace::{self, SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::observe::{Recovery, StreamChange};

/// What the spans of one call have in common.
struct Builder<'a> {
    trace: &'a Trace,
    /// When the call was received.
    received: SystemTime,
    scope: InstrumentationScope,
}

/// One part of a call.
struct Part {
    id: SpanId,
    parent: Option<SpanId>,
    is_parent_remote: bool,
    kind: SpanKind,
    name: Cow<'static, str>,
    /// How long after the call was received it began.
    began: Duration,
    took: Duration,
    attributes: Vec<KeyValue>,
    status: Status,
}

/// All spans of a call that is over: the call's own first.
pub(super) fn of_call(report: &Report<'_>, trace: &Trace) -> Vec<SpanData> {
    let received = SystemTime::now().checked_sub(report.end_to_end()).unwrap_or(SystemTime::UNIX_EPOCH);
    let builder = Builder { trace, received, scope: scope() };
    let call = call(report, trace);
    let selection = selection(report, trace);
    let attempts = report.attempts().map(|(provider, candidate)| attempt(report, trace, provider, candidate));
    std::iter::once(call).chain(selection).chain(attempts).map(|part| builder.span(part)).collect()
}

/// The span of a stream that left its provider, from the loss until it went on.
pub(super) fn of_recovery(change: &StreamChange, recovery: Recovery, trace: &Trace) -> SpanData {
    let began = SystemTime::now().checked_sub(recovery.took).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut attributes = vec![
        KeyValue::new("lasso.profile", change.profile.to_string()),
        KeyValue::new("lasso.chain", change.chain.to_string()),
        KeyValue::new("lasso.topic", change.topic),
        KeyValue::new("lasso.filled_blocks", i64::try_from(recovery.filled_blocks).unwrap_or(i64::MAX)),
    ];
    attributes.extend(change.provider.as_ref().map(|id| KeyValue::new("lasso.provider", id.to_string())));
    Builder { trace, received: began, scope: scope() }.span(Part {
        id: trace.span(),
        parent: None,
        is_parent_remote: false,
        kind: SpanKind::Internal,
        name: "stream.failover".into(),
        began: Duration::ZERO,
        took: recovery.took,
        attributes,
        status: Status::Unset,
    })
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("lasso").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// By the conventions for JSON-RPC
/// ([semantic conventions](https://opentelemetry.io/docs/specs/semconv/rpc/json-rpc/)).
fn call(report: &Report<'_>, trace: &Trace) -> Part {
    let text =
        |name: &'static str, value: Option<&str>| value.map(|value| KeyValue::new(name, value.to_owned()));
    let method = report.method_name().into_owned();
    let mut attributes = vec![
        KeyValue::new("rpc.system", "jsonrpc"),
        KeyValue::new("rpc.jsonrpc.version", "2.0"),
        KeyValue::new("rpc.method", method.clone()),
        KeyValue::new("lasso.chain", report.chain().into_owned()),
        KeyValue::new("lasso.retries", i64::from(report.retries())),
        KeyValue::new("lasso.origin", if report.is_own() { "system" } else { "client" }),
    ];
    attributes.extend(
        [
            text("lasso.profile", report.profile().map(|profile| profile.slug.as_str())),
            text("lasso.strategy", report.strategy().map(|strategy| strategy.as_str())),
            text("lasso.transport", report.transport().map(|transport| transport.as_str())),
            text("lasso.provider", report.selected().map(|(provider, _)| provider.id.as_str())),
            text("lasso.selection_reason", report.selection_reason()),
            text("lasso.request_id", report.request_id().map(|id| id.as_str())),
        ]
        .into_iter()
        .flatten(),
    );
    let status = match report.error() {
        None => Status::Unset,
        Some((error, category)) => {
            attributes.push(KeyValue::new("rpc.jsonrpc.error_code", error.code));
            attributes.push(KeyValue::new("error.type", category.as_str()));
            Status::error(category.as_str())
        }
    };
    Part {
        id: trace.span(),
        parent: trace.parent(),
        is_parent_remote: trace.parent().is_some(),
        kind: if report.is_own() { SpanKind::Internal } else { SpanKind::Server },
        name: method.into(),
        began: Duration::ZERO,
        took: report.end_to_end(),
        attributes,
        status,
    }
}

fn selection(report: &Report<'_>, trace: &Trace) -> Option<Part> {
    let (began, took) = (report.selection_began()?, report.selection()?);
    let candidates = report.candidates()?.all();
    let usable = candidates.iter().filter(|candidate| candidate.excluded.is_none()).count();
    let count = |count: usize| Value::I64(i64::try_from(count).unwrap_or(i64::MAX));
    Some(Part {
        id: trace.selection(),
        parent: Some(trace.span()),
        is_parent_remote: false,
        kind: SpanKind::Internal,
        name: "select".into(),
        began,
        took,
        attributes: vec![
            KeyValue::new("lasso.candidates", count(candidates.len())),
            KeyValue::new("lasso.usable", count(usable)),
        ],
        status: Status::Unset,
    })
}

fn attempt(report: &Report<'_>, trace: &Trace, provider: &Provider, candidate: &Candidate) -> Part {
    let mut attributes = vec![
        KeyValue::new("rpc.system", "jsonrpc"),
        KeyValue::new("rpc.method", report.method_name().into_owned()),
        KeyValue::new("lasso.provider", provider.id.to_string()),
        KeyValue::new("lasso.transport", candidate.transport.as_str()),
    ];
    let status = match candidate.progress() {
        Progress::Failed(category) | Progress::Skipped(category) => {
            attributes.push(KeyValue::new("error.type", category.as_str()));
            Status::error(category.as_str())
        }
        _ => Status::Unset,
    };
    Part {
        id: trace.attempt(candidate.channel),
        parent: Some(trace.span()),
        is_parent_remote: false,
        kind: SpanKind::Client,
        name: "attempt".into(),
        began: candidate.began(),
        took: candidate.upstream(),
        attributes,
        status,
    }
}

impl Builder<'_> {
    fn span(&self, part: Part) -> SpanData {
        let start = self.received + part.began;
        let parent = part.parent.map_or(trace::SpanId::INVALID, trace::SpanId::from_bytes);
        SpanData {
            span_context: SpanContext::new(
                trace::TraceId::from_bytes(self.trace.id()),
                trace::SpanId::from_bytes(part.id),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: parent,
            parent_span_is_remote: part.is_parent_remote,
            span_kind: part.kind,
            name: part.name,
            start_time: start,
            end_time: start + part.took,
            attributes: part.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: part.status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}
