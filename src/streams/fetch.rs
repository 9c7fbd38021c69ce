//! Questions of streams, asked as calls of the router's own.
//!
//! They pass the layers that calls of clients pass, from the choice of the channel on: breakers, limits and
//! measurements hold for them too. No answer is believed that does not belong to the question.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Limited};
use lasso_layers::call::subscribe::{BloomBuilder, LogFilter, LogKey};
use lasso_layers::call::{Body, Call, Failure, Filter, Plan, Reply, Route, Subject, Verdict};
use lasso_layers::catalog::Channel;
use lasso_layers::wire::{RawJson, Request};
use smol_str::SmolStr;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::block::{BlockHash, Bloom, Header, Log, MAX_EVENT};
use super::coordinator::{BlockId, Unavailable};
use super::desk::{BlockQuestion, Desk, Target};

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How long it may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
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
    desk: Desk,
    target: Target,
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
    pub(super) fn new(desk: Desk, plan: &Plan, asked: &Asked) -> Option<Self> {
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
        let target = (channel.key, matches!(asked, Asked::AllBut(_)));
        Some(Self { desk, target, route, except })
    }

    /// A block, as a header; `None` where there is none yet.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one that is not about the block.
    pub(super) async fn block(&self, block: BlockId) -> Result<Option<Header>, Unavailable> {
        if block == BlockId::Latest {
            // What others asked a moment ago may be older than the subscription that this is asked for.
            return self.ask_for_block(block).await;
        }
        let (profile, target) = (self.route.profile.clone(), self.target);
        let question = BlockQuestion { profile, target, block };
        let answer = self.desk.block(question, || {
            let own = self.clone();
            async move { own.ask_for_block(block).await }.boxed()
        });
        answer.await
    }

    async fn ask_for_block(&self, block: BlockId) -> Result<Option<Header>, Unavailable> {
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
        if header.payload.len() > MAX_EVENT {
            return Err(Unavailable);
        }
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
            // A provider that does not have the block has no word on its logs either.
            None => self.block(BlockId::Hash(header.hash)).await?.ok_or(Unavailable)?.bloom,
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
        let line = self.desk.line(self.target);
        let _turn = timeout(PATIENCE, line.acquire_owned()).await.map_err(|_| Unavailable)?;
        let mut call = Call::new(self.route.clone(), request, Instant::now());
        if let Some(except) = &self.except {
            call.extensions.insert(except.clone());
        }
        let answer = async {
            match self.desk.calls().oneshot(call).await.map_err(|_| Unavailable)? {
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
    if log.bytes().len() > MAX_EVENT {
        return Err(Unavailable);
    }
    let log = Log::parse(&Bytes::copy_from_slice(log.bytes())).map_err(|_| Unavailable)?;
    (log.block == block && !log.removed).then_some(log).ok_or(Unavailable)
}

#[cfg(test)]
mod desk_tests;
#[cfg(test)]
mod tests;
