//! Questions of streams, asked as calls of the router's own.
//!
//! They pass the layers that calls of clients pass, from the choice of the channel on: breakers, limits and
//! measurements hold for them too. No answer is believed that does not belong to the question.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use lasso_layers::call::subscribe::{BloomBuilder, LogFilter, LogKey};
use lasso_layers::call::{Body, Call, Failure, Filter, Plan, Reply, Route, Subject, Verdict};
use lasso_layers::catalog::Channel;
use lasso_layers::wire::{RawJson, Request};
use smol_str::SmolStr;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::block::{BlockHash, Bloom, Header, Log};
use super::coordinator::{BlockId, Unavailable};

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes: logs of one block are far below it.
const MAX_BYTES: usize = 64 << 20;

/// The stack that questions go through.
pub(super) type Calls = BoxCloneSyncService<Call, Reply, Failure>;

/// Whoever is asked.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// The provider of this channel alone.
    Only(Arc<Channel>),
    /// Every provider but that of this channel.
    AllBut(Arc<Channel>),
}

/// Asks providers of one chain of one profile.
#[derive(Clone)]
pub(super) struct Fetcher {
    calls: Calls,
    route: Route,
    except: Option<Except>,
}

/// A provider that a call must not go to, in the call's extensions.
#[derive(Clone, Debug)]
struct Except(SmolStr);

/// [`Stage::Custom`](lasso_layers::call::Stage): keeps calls of streams from the provider that could not answer them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Others;

impl Filter for Others {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        match subject.call.extensions.get::<Except>() {
            Some(Except(id)) if *id == subject.provider.id => Verdict::exclude("asked_before"),
            _ => Verdict::Keep,
        }
    }
}

impl Fetcher {
    /// Asks one provider, or all others. Nothing if the provider is none of the chain any more.
    pub(super) fn new(calls: Calls, plan: &Plan, asked: &Asked) -> Option<Self> {
        let (Asked::Only(channel) | Asked::AllBut(channel)) = asked;
        let is_meant = |ws: &Arc<Channel>| ws.key == channel.key;
        let provider = plan.chain().providers.iter().find(|it| it.ws.as_ref().is_some_and(is_meant));
        let mut route = Route::to_chain(plan.chain().chain_id.to_string());
        route.profile = plan.profile().slug.clone();
        route.timeout = Some(LIMIT);
        let except = match asked {
            Asked::Only(_) => {
                route.provider = Some(provider?.id.clone());
                None
            }
            Asked::AllBut(_) => provider.map(|provider| Except(provider.id.clone())),
        };
        Some(Self { calls, route, except })
    }

    /// A block, as a header; `None` where there is none yet.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one that is not about the block.
    pub(super) async fn block(&self, block: BlockId) -> Result<Option<Header>, Unavailable> {
        let (method, name) = match block {
            BlockId::Latest => ("eth_getBlockByNumber", "latest".to_owned()),
            BlockId::Number(number) => ("eth_getBlockByNumber", format!("{number:#x}")),
            BlockId::Hash(hash) => ("eth_getBlockByHash", hash.to_string()),
        };
        let result = self.ask(method, format!(r#"["{name}",false]"#)).await?;
        if &result[..] == b"null" {
            return Ok(None);
        }
        let header = Header::parse(&result).map_err(|_| Unavailable)?;
        let is_meant = match block {
            BlockId::Latest => true,
            BlockId::Number(number) => header.number == number,
            BlockId::Hash(hash) => header.hash == hash,
        };
        is_meant.then_some(Some(header)).ok_or(Unavailable)
    }

    /// The logs of a block that a filter admits.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one with logs of another block: the provider does not have this one.
    pub(super) async fn logs(&self, filter: &LogFilter, block: BlockHash) -> Result<Vec<Log>, Unavailable> {
        let params = filter.request(block);
        let params = String::from_utf8(params.to_vec()).map_err(|_| Unavailable)?;
        let result = self.ask("eth_getLogs", params).await?;
        elements(&result)?.map(|log| read(log, block)).collect()
    }

    /// As [`logs`](Self::logs), and whether they are proven to be all: all logs of the block are asked for, held against
    /// the block's bloom, and filtered here. Of a block without a bloom the provider's word is taken.
    ///
    /// # Errors
    ///
    /// As of [`logs`](Self::logs).
    pub(super) async fn all_logs(
        &self,
        filter: &LogFilter,
        header: &Header,
    ) -> Result<(Vec<Log>, bool), Unavailable> {
        let result = self.ask("eth_getLogs", format!(r#"[{{"blockHash":"{}"}}]"#, header.hash)).await?;
        // Pushed heads lack it more often than blocks do.
        let bloom = match &header.bloom {
            Some(bloom) => Some(bloom.clone()),
            None => self.block(BlockId::Hash(header.hash)).await?.and_then(|block| block.bloom),
        };
        let mut logs = Vec::new();
        let mut found = BloomBuilder::new();
        for element in elements(&result)? {
            let log = read(element, header.hash)?;
            let key = LogKey::read(element).ok_or(Unavailable)?;
            found.add(&key);
            if filter.matches(&key) {
                logs.push(log);
            }
        }
        Ok((logs, bloom.is_none_or(|bloom| explains(&found.finish(), &bloom))))
    }

    /// The result of a call.
    async fn ask(&self, method: &str, params: String) -> Result<Bytes, Unavailable> {
        let request = Request::new("1", method, &params).map_err(|_| Unavailable)?;
        let mut call = Call::new(self.route.clone(), request, Instant::now());
        if let Some(except) = &self.except {
            call.extensions.insert(except.clone());
        }
        let answer = async {
            match self.calls.clone().oneshot(call).await.map_err(|_| Unavailable)? {
                Reply::Result(Body::Full(body)) => Ok(body),
                Reply::Result(Body::Stream(body)) => {
                    let body = Limited::new(body, MAX_BYTES).collect().await.map_err(|_| Unavailable)?;
                    Ok(body.to_bytes())
                }
                _ => Err(Unavailable),
            }
        };
        // The call has its own deadline; a body that comes slowly has not.
        let body: Bytes = timeout(LIMIT, answer).await.map_err(|_| Unavailable)??;
        let reply = RawJson::parse(&body).map_err(|_| Unavailable)?;
        let result = reply.member("result").ok_or(Unavailable)?;
        Ok(body.slice_ref(result.bytes()))
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("route", &self.route)
            .field("except", &self.except)
            .finish_non_exhaustive()
    }
}

fn elements(result: &Bytes) -> Result<impl Iterator<Item = RawJson<'_>>, Unavailable> {
    let array = RawJson::parse(result).map_err(|_| Unavailable)?;
    array.is_array().then(|| array.elements()).ok_or(Unavailable)
}

/// Whether logs explain every bit of a block's bloom. They may explain more: some chains have logs of their own doing,
/// which they leave out of their blooms.
fn explains(found: &[u8; 256], bloom: &Bloom) -> bool {
    found.iter().zip(&bloom.0).all(|(found, bloom)| bloom & !found == 0)
}

/// Reads a log of a block. A copy: what is kept of a large answer must not keep all of it.
fn read(log: RawJson<'_>, block: BlockHash) -> Result<Log, Unavailable> {
    let log = Log::parse(&Bytes::copy_from_slice(log.bytes())).map_err(|_| Unavailable)?;
    (log.block == block && !log.removed).then_some(log).ok_or(Unavailable)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
    use lasso_layers::wire::result_body;
    use serde_json::{Value, json};
    use tower::service_fn;

    use super::*;
    use crate::sim::{SimChain, SimChainOptions, TOKEN_A};

    /// What was asked: the provider of the route and the one to be left out, the method and its parameters.
    type Question = (Option<SmolStr>, Option<SmolStr>, String, Value);

    fn plan() -> Plan {
        let mut chain = ChainSpec::new("ethereum", 1);
        for id in ["a", "b"] {
            let mut provider = ProviderSpec::http(id, format!("http://{id}.example"));
            provider.ws_url = Some(format!("ws://{id}.example"));
            chain = chain.provider(provider);
        }
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        Plan::new(live.snapshot(), "default", "1").unwrap()
    }

    fn channel(plan: &Plan, provider: usize) -> Arc<Channel> {
        plan.chain().providers[provider].ws.clone().unwrap()
    }

    /// Asks the first provider, which answers everything with this.
    fn answered(result: Value) -> Fetcher {
        asking(Asked::Only, move |_| result.clone()).0
    }

    fn asking(
        asked: impl FnOnce(Arc<Channel>) -> Asked,
        answer: impl Fn(&str) -> Value + Clone + Send + Sync + 'static,
    ) -> (Fetcher, Arc<Mutex<Vec<Question>>>) {
        let questions = Arc::<Mutex<Vec<Question>>>::default();
        let kept = questions.clone();
        let calls = service_fn(move |call: Call| {
            let method = call.request.method().into_owned();
            let except = call.extensions.get::<Except>().map(|except| except.0.clone());
            let params = serde_json::from_slice(call.request.params().raw().unwrap()).unwrap();
            let answer = answer(&method).to_string();
            kept.lock().unwrap().push((call.route.provider, except, method, params));
            async move { Ok(Reply::Result(Body::Full(result_body(Some(b"1"), answer.as_bytes())))) }
        });
        let plan = plan();
        let fetcher = Fetcher::new(BoxCloneSyncService::new(calls), &plan, &asked(channel(&plan, 0)));
        (fetcher.unwrap(), questions)
    }

    fn chain() -> SimChain {
        SimChain::new(1, SimChainOptions::default())
    }

    fn header(chain: &SimChain, number: u64) -> Header {
        Header::parse(&Bytes::from(chain.block(number).unwrap().to_string())).unwrap()
    }

    fn filter(filter: &Value) -> LogFilter {
        LogFilter::parse(RawJson::parse(filter.to_string().as_bytes()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_block_is_the_one_that_was_asked_for() {
        let (chain, other) = (chain(), header(&chain(), 901));
        let fetcher = answered(chain.block(900).unwrap());
        let hash = header(&chain, 900).hash;
        for block in [BlockId::Latest, BlockId::Number(900), BlockId::Hash(hash)] {
            assert_eq!(fetcher.block(block).await.unwrap().unwrap().hash, hash);
        }
        for block in [BlockId::Number(901), BlockId::Hash(other.hash)] {
            assert!(fetcher.block(block).await.is_err(), "{block:?}");
        }
        assert!(answered(Value::Null).block(BlockId::Latest).await.unwrap().is_none());
        assert!(answered(json!("0x1")).block(BlockId::Latest).await.is_err());
    }

    #[tokio::test]
    async fn who_is_asked_is_said_by_route_and_extension() {
        let (fetcher, questions) = asking(Asked::Only, |_| Value::Null);
        fetcher.block(BlockId::Number(26)).await.unwrap();
        let asked = questions.lock().unwrap().pop().unwrap();
        assert_eq!(asked, (Some("a".into()), None, "eth_getBlockByNumber".into(), json!(["0x1a", false])));
        let (fetcher, questions) = asking(Asked::AllBut, |_| Value::Null);
        fetcher.block(BlockId::Hash(BlockHash([0xab; 32]))).await.unwrap();
        let asked = questions.lock().unwrap().pop().unwrap();
        let hash = format!("0x{}", "ab".repeat(32));
        assert_eq!(asked, (None, Some("a".into()), "eth_getBlockByHash".into(), json!([hash, false])));
    }

    #[tokio::test]
    async fn logs_of_another_block_are_no_answer() {
        let chain = chain();
        let (right, wrong) = (header(&chain, 900).hash, header(&chain, 901).hash);
        let fetcher = answered(chain.logs(900, 900).into());
        let filter = filter(&json!({}));
        assert_eq!(fetcher.logs(&filter, right).await.unwrap().len(), 2);
        assert!(fetcher.logs(&filter, wrong).await.is_err());
        let mut removed = chain.logs(900, 900);
        removed[0]["removed"] = json!(true);
        assert!(answered(removed.into()).logs(&filter, right).await.is_err());
        assert!(answered(Value::Null).logs(&filter, right).await.is_err());
    }

    #[tokio::test]
    async fn the_filter_goes_with_the_question_unless_all_logs_are_wanted() {
        let chain = chain();
        let header = header(&chain, 900);
        let (fetcher, questions) = asking(Asked::Only, move |_| chain.logs(900, 900).into());
        let filter = filter(&json!({"address": TOKEN_A}));
        fetcher.logs(&filter, header.hash).await.unwrap();
        let (logs, is_complete) = fetcher.all_logs(&filter, &header).await.unwrap();
        assert_eq!((logs.len(), is_complete), (1, true), "filtered here");
        let params: Vec<_> = questions.lock().unwrap().drain(..).map(|question| question.3).collect();
        let hash = header.hash.to_string();
        assert_eq!(params, [json!([{"blockHash": hash, "address": TOKEN_A}]), json!([{"blockHash": hash}])]);
    }

    #[tokio::test]
    async fn logs_are_all_when_they_explain_the_bloom() {
        let chain = chain();
        let (header, any) = (header(&chain, 900), filter(&json!({})));
        let logs = chain.logs(900, 900);
        assert!(answered(logs.clone().into()).all_logs(&any, &header).await.unwrap().1);
        for fewer in [&logs[..1], &[]] {
            assert!(!answered(fewer.to_vec().into()).all_logs(&any, &header).await.unwrap().1);
        }
        // Chains have logs that their blooms leave out.
        let empty = Header { bloom: Some(Arc::new(Bloom([0; 256]))), ..header };
        assert!(answered(logs.into()).all_logs(&any, &empty).await.unwrap().1);
    }

    #[tokio::test]
    async fn a_head_without_a_bloom_has_that_of_its_block() {
        let chain = chain();
        let header = Header { bloom: None, ..header(&chain, 900) };
        let answer = move |method: &str| match method {
            "eth_getLogs" => json!([]),
            _ => chain.block(900).unwrap(),
        };
        let (fetcher, questions) = asking(Asked::Only, answer);
        assert!(!fetcher.all_logs(&filter(&json!({})), &header).await.unwrap().1);
        assert_eq!(questions.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_provider_that_left_is_not_asked_and_not_left_out() {
        let calls = service_fn(|_: Call| async { Ok(Reply::Result(Body::Full(Bytes::new()))) });
        let calls = BoxCloneSyncService::new(calls);
        let gone = channel(&plan(), 1);
        let mut chain = ChainSpec::new("ethereum", 1);
        chain.providers = vec![ProviderSpec::http("a", "http://a.example")];
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        let plan = Plan::new(live.snapshot(), "default", "1").unwrap();
        assert!(Fetcher::new(calls.clone(), &plan, &Asked::Only(gone.clone())).is_none());
        assert!(Fetcher::new(calls, &plan, &Asked::AllBut(gone)).unwrap().except.is_none());
    }
}
