//! The router on a port of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use lasso_layers::attempt::breaker::BreakerStatus;
use lasso_layers::catalog::{Channel, Live, ProfileSpec, Strategy};
use lasso_rpc::config::Settings;
use lasso_rpc::history::{History, HistoryPolicy};
use lasso_rpc::router::Router;
use lasso_rpc::runtime::Runtime;
#[cfg(feature = "otlp")]
use lasso_rpc::{config::settings::Secret, traces::TracePolicy};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{Client, LIMIT, Reply, Socket, request};

/// A serving router. Dropping it ends it at once.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Serves these profiles.
    ///
    /// Unless `tweak` says otherwise, providers are ranked by priority and every call has far more time than a
    /// healthy node needs even on a busy machine. Nothing is probed: state comes from traffic alone. Nothing is written
    /// to a history. Links to WebSocket upstreams are made at once.
    pub(crate) async fn start(profiles: Vec<ProfileSpec>, tweak: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.routing.default_strategy = Strategy::Priority;
        settings.probe.enabled = false;
        settings.block_sync.enabled = false;
        settings.timeouts.default = Duration::from_secs(60);
        settings.timeouts.methods.clear();
        settings.history.enabled = false;
        settings.upstream_websocket.connect_jitter = Duration::ZERO;
        tweak(&mut settings);
        let live = Live::new(profiles).expect("the profiles are valid");
        let mut router = Router::new(live, &settings).expect("a router can be made");
        if settings.history.enabled {
            router = router.history(History::new(history(&settings)));
        }
        #[cfg(feature = "otlp")]
        if let Some(endpoint) = &settings.traces.endpoint {
            let policy = traces(&settings, endpoint);
            router = router.traces(policy).expect("the collector has an address");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = router.runtime().clone();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(router.serve(listener, async { stopped.await.unwrap_or_default() }));
        Self { address, runtime, client: Client::new(), stop: Some(stop), task }
    }

    /// Tells the router to end.
    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("it is told once").send(()).expect("it serves");
    }

    /// Waits until the router has ended.
    pub(crate) async fn ended(&mut self) {
        timeout(LIMIT, &mut self.task).await.expect("it ends in time").expect("it does not panic");
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Calls a method of the chain `ethereum` of the default profile.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Reply {
        self.call_at("/rpc/ethereum", method, params).await
    }

    pub(crate) async fn call_at(&self, path: &str, method: &str, params: Value) -> Reply {
        self.post(path, request(method, &params)).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<bytes::Bytes>) -> Reply {
        self.post_with(path, &[], body).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<bytes::Bytes>,
    ) -> Reply {
        let response = self.client.open(&self.url(path), headers, body).await;
        Reply::read(response.expect("the router answers")).await
    }

    /// Fetches a page.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let response = self.client.fetch(Method::GET, &self.url(path)).await;
        Reply::read(response.expect("the router answers")).await
    }

    /// Connects a WebSocket to the chain `ethereum` of the default profile.
    pub(crate) async fn socket(&self) -> Socket {
        self.socket_at("/ws/rpc/ethereum").await
    }

    pub(crate) async fn socket_at(&self, path: &str) -> Socket {
        Socket::connect(self.address, path).await
    }

    /// Starts a call on a connection of its own; aborting the task hangs up.
    pub(crate) fn spawn_call(&self, path: &str, method: &str) -> JoinHandle<Reply> {
        let (url, body) = (self.url(path), request(method, &Value::Array(Vec::new())));
        tokio::spawn(async move {
            let response = Client::new().open(&url, &[], body).await;
            Reply::read(response.expect("the router answers")).await
        })
    }

    /// The HTTP channel of a provider of the chain `ethereum`.
    pub(crate) fn channel_in(&self, profile: &str, provider: &str) -> Arc<Channel> {
        let catalog = self.runtime.live.snapshot();
        let (_, profile) = catalog.profile(profile).expect("the profile exists");
        let (_, chain) = profile.chain("ethereum").expect("the chain exists");
        let (_, provider) = chain.provider(provider).expect("the provider exists");
        provider.http.clone().expect("the provider speaks HTTP")
    }

    pub(crate) fn channel(&self, provider: &str) -> Arc<Channel> {
        self.channel_in("default", provider)
    }

    pub(crate) fn breaker(&self, provider: &str) -> BreakerStatus {
        self.runtime.breakers.status(self.channel(provider).key, Instant::now())
    }

    /// For how long a provider is to get fewer requests.
    pub(crate) fn limited(&self, provider: &str) -> Option<Duration> {
        self.runtime.paces.remaining(self.channel(provider).key, Instant::now())
    }

    pub(crate) fn open_breaker(&self, provider: &str) {
        self.runtime.breakers.open(&self.channel(provider), Instant::now());
    }
}

fn history(settings: &Settings) -> HistoryPolicy {
    HistoryPolicy {
        folder: (&settings.history.dir).into(),
        interval: settings.history.interval,
        retention: settings.history.retention,
        max_bytes: settings.history.max_bytes,
    }
}

#[cfg(feature = "otlp")]
fn traces(settings: &Settings, endpoint: &Secret) -> TracePolicy {
    TracePolicy {
        endpoint: endpoint.clone(),
        service_name: settings.traces.service_name.clone(),
        interval: settings.traces.interval,
        timeout: settings.traces.timeout,
        max_queued: settings.traces.max_queued,
        sampling_rate: settings.traces.sampling_rate,
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
