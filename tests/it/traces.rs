//! Traces, sent to a collector over a real connection and read as it reads them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lasso_rpc::config::Settings;
use lasso_rpc::sim::{Fault, Rule};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::streams::Net;
use crate::support::{LIMIT, WHO, World, ms, request, until};

/// A collector of traces that keeps what it is sent.
struct Collector {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<Span>,
    service: Option<String>,
    /// How many messages are refused from now on.
    refuses: usize,
    refused: usize,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let kept = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = kept.clone();
                let service = service_fn(move |request| Self::take(kept.clone(), request));
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { serving.await.unwrap_or_default() });
            }
        });
        Self { address, seen, task }
    }

    async fn take(
        seen: Arc<Mutex<Seen>>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        assert_eq!(request.uri().path(), "/v1/traces");
        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut seen = seen.lock().unwrap();
        let mut response = Response::new(Full::default());
        if seen.refuses > 0 {
            (seen.refuses, seen.refused) = (seen.refuses - 1, seen.refused + 1);
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return Ok(response);
        }
        for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
            let name =
                resource.resource.iter().flat_map(|it| &it.attributes).find(|it| it.key == "service.name");
            seen.service = name.and_then(|it| text(&it.value));
            seen.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        Ok(response)
    }

    fn endpoint(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    async fn wait_for(&self, spans: usize) -> Vec<Span> {
        until("the collector has the spans", || self.seen().spans.len() >= spans).await;
        self.seen().spans.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn text(value: &Option<opentelemetry_proto::tonic::common::v1::AnyValue>) -> Option<String> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    match value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("an attribute of an unexpected kind: {other:?}"),
    }
}

fn attributes(span: &Span) -> HashMap<&str, String> {
    span.attributes.iter().map(|it| (it.key.as_str(), text(&it.value).unwrap())).collect()
}

fn traced(collector: &Collector) -> impl FnOnce(&mut Settings) + use<> {
    let endpoint = collector.endpoint();
    move |settings| {
        settings.traces.endpoint = Some(endpoint.into());
        settings.traces.interval = ms(10);
    }
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_call_that_fails_over_is_a_span_with_its_choice_and_each_attempt() {
    let collector = Collector::start().await;
    let world = World::with(&["a", "b"], traced(&collector), |_| {}).await;
    world.behave("a", Fault::status(StatusCode::INTERNAL_SERVER_ERROR));
    let reply =
        world.proxy.post_with("/rpc/ethereum", &[("traceparent", PARENT)], request(WHO, &json!([]))).await;
    assert_eq!(reply.who(), "b");

    let spans = collector.wait_for(4).await;
    assert_eq!(collector.seen().service.as_deref(), Some("lasso"));
    let [call, selection, first, second] = spans.as_slice() else { panic!("{spans:#?}") };
    assert!(spans.iter().all(|span| hex(&span.trace_id) == "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(hex(&call.parent_span_id), "00f067aa0ba902b7");
    assert_eq!((call.name.as_str(), call.kind()), (WHO, SpanKind::Server));
    for part in [selection, first, second] {
        assert_eq!(part.parent_span_id, call.span_id);
        assert!(call.start_time_unix_nano <= part.start_time_unix_nano);
        assert!(part.end_time_unix_nano <= call.end_time_unix_nano);
    }
    assert!(first.end_time_unix_nano <= second.start_time_unix_nano, "one after the other");
    assert_eq!(selection.name, "select");
    let call = attributes(call);
    assert_eq!((call["lasso.provider"].as_str(), call["lasso.retries"].as_str()), ("b", "1"));
    assert_eq!(call["lasso.chain"], "ethereum");
    let [first, second] = [attributes(first), attributes(second)];
    assert_eq!((first["lasso.provider"].as_str(), first["error.type"].as_str()), ("a", "server_error"));
    assert_eq!(second["lasso.provider"], "b");
    assert!(!second.contains_key("error.type"));
}

#[tokio::test]
async fn providers_are_told_the_span_of_their_attempt_where_that_is_wanted() {
    let collector = Collector::start().await;
    let tweak = traced(&collector);
    let world = World::with(
        &["a"],
        |settings| {
            tweak(settings);
            settings.traces.propagate = true;
        },
        |_| {},
    )
    .await;
    let headers = [("traceparent", PARENT), ("tracestate", "vendor=1")];
    world.proxy.post_with("/rpc/ethereum", &headers, request(WHO, &json!([]))).await;
    let spans = collector.wait_for(3).await;
    let attempt = spans.iter().find(|span| span.name == "attempt").unwrap();
    let seen = world.node("a").seen().pop().unwrap();
    let told = seen.headers["traceparent"].to_str().unwrap();
    assert_eq!(told, format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&attempt.span_id)));
    assert_eq!(seen.headers["tracestate"], "vendor=1");
}

#[tokio::test]
async fn providers_are_told_nothing_by_default() {
    let collector = Collector::start().await;
    let world = World::with(&["a"], traced(&collector), |_| {}).await;
    world.proxy.post_with("/rpc/ethereum", &[("traceparent", PARENT)], request(WHO, &json!([]))).await;
    collector.wait_for(3).await;
    assert!(!world.node("a").seen().pop().unwrap().headers.contains_key("traceparent"));
}

#[tokio::test]
async fn the_client_decides_whether_its_trace_is_recorded() {
    let collector = Collector::start().await;
    let world = World::with(&["a"], traced(&collector), |_| {}).await;
    let unsampled = PARENT.replace("-01", "-00");
    world.proxy.post_with("/rpc/ethereum", &[("traceparent", &unsampled)], request(WHO, &json!([]))).await;
    world.who().await;
    let spans = collector.wait_for(3).await;
    assert!(spans.iter().all(|span| hex(&span.trace_id) != "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!(spans.len(), 3);
}

#[tokio::test]
async fn the_items_of_a_batch_are_spans_of_one_trace() {
    let collector = Collector::start().await;
    let world = World::with(&["a"], traced(&collector), |_| {}).await;
    let body = format!("[{},{}]", request(WHO, &json!([])), request("eth_gasPrice", &json!([])));
    world.proxy.post_with("/rpc/ethereum", &[("traceparent", PARENT)], body).await;
    let spans = collector.wait_for(6).await;
    let mut ids: Vec<_> = spans.iter().map(|span| &span.span_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6, "every span has an id of its own");
    assert_eq!(spans.iter().filter(|span| hex(&span.parent_span_id) == "00f067aa0ba902b7").count(), 2);
}

#[tokio::test]
async fn a_stream_that_leaves_its_provider_is_a_span_and_so_is_what_it_asks() {
    let collector = Collector::start().await;
    let net = Net::with(&["a", "b"], traced(&collector), |_| {}).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    net.chain.mine(1);
    viewer.heads(1).await;
    net.node("b").behave([Rule::method("eth_subscribe", Fault::latency(ms(100)))]);
    net.node("a").stop().await;
    assert!(net.node("b").wait_for_method("eth_subscribe", 1, LIMIT).await);
    net.chain.mine(2);
    viewer.heads(2).await;

    let named = |name: &str| collector.seen().spans.iter().find(|span| span.name == name).cloned();
    until("the failover is told", || named("stream.failover").is_some()).await;
    let failover = named("stream.failover").unwrap();
    let said = attributes(&failover);
    assert_eq!((said["lasso.provider"].as_str(), said["lasso.topic"].as_str()), ("b", "newHeads"));
    assert_eq!(said["lasso.filled_blocks"], "2");
    assert!(failover.start_time_unix_nano < failover.end_time_unix_nano);
    let is_own = |span: &Span| attributes(span).get("lasso.origin").is_some_and(|origin| origin == "system");
    assert!(collector.seen().spans.iter().any(|span| is_own(span) && span.name.starts_with("eth_getBlock")));
}

#[tokio::test]
async fn what_is_left_is_sent_at_the_end() {
    let collector = Collector::start().await;
    let tweak = traced(&collector);
    let mut world = World::with(
        &["a"],
        |settings| {
            tweak(settings);
            settings.traces.interval = Duration::from_secs(3_600);
        },
        |_| {},
    )
    .await;
    world.who().await;
    world.proxy.stop();
    world.proxy.ended().await;
    assert_eq!(collector.seen().spans.len(), 3);
}

#[tokio::test]
async fn a_collector_that_refuses_costs_its_spans_and_nothing_else() {
    let collector = Collector::start().await;
    collector.seen().refuses = 1;
    let world = World::with(&["a"], traced(&collector), |_| {}).await;
    assert_eq!(world.who().await, "a");
    until("the collector has refused", || collector.seen().refused == 1).await;
    assert_eq!(world.who().await, "a");
    assert_eq!(collector.wait_for(3).await.len(), 3);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
