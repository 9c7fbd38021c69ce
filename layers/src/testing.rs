//! Ready-made catalogues, calls and attempts for tests of layers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::attempt::Attempt;
use crate::call::{Body, Call, Candidate, Plan, Reply, Route};
use crate::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
use crate::wire::Request;

/// A chain `ethereum` with id 1 and these providers, by id, in this order and with priorities from 1, each with
/// an HTTP address of its own.
///
/// # Panics
///
/// If the ids do not make a valid chain.
#[must_use]
pub fn chain(providers: &[&str]) -> ChainSpec {
    (1..).zip(providers).fold(ChainSpec::new("ethereum", 1), |chain, (priority, id)| {
        chain.provider(ProviderSpec::http(*id, format!("http://{id}.example")).priority(priority))
    })
}

/// A catalogue with a `default` profile that holds this chain.
///
/// # Panics
///
/// If the chain is not valid.
#[must_use]
pub fn live(chain: ChainSpec) -> Live {
    Live::new(vec![ProfileSpec::new("default").chain(chain)]).expect("the chain is valid")
}

/// A call to the chain `ethereum` of the default profile, with id 1, that arrives now.
///
/// # Panics
///
/// If `params` is not JSON.
#[must_use]
pub fn call(method: &str, params: &str) -> Call {
    let request = Request::new("1", method, params).expect("the parameters are JSON");
    Call::new(Route::to_chain("ethereum"), request, Instant::now())
}

/// Resolves the call's route, as `ProfileLayer` does, with a deadline `timeout` after its arrival.
///
/// # Panics
///
/// If the catalogue has no such route.
#[must_use]
pub fn planned(live: &Live, mut call: Call, timeout: Duration) -> Call {
    let plan = Plan::new(live.snapshot(), &call.route.profile, &call.route.chain).expect("the route exists");
    call.deadline = call.received + timeout;
    call.journal().set_plan(plan);
    call
}

/// Puts every channel of the chain on the call's shortlist, in configured order and with nothing against it.
///
/// # Panics
///
/// If the call has no plan.
#[must_use]
pub fn listed(mut call: Call) -> Call {
    let plan = call.plan().expect("the call is planned");
    let providers = (0_u16..).zip(&plan.chain().providers);
    let list = providers.flat_map(|(at, provider)| {
        provider
            .channels()
            .map(move |channel| Candidate::new(at, channel.key, channel.instance, channel.transport))
    });
    call.shortlist = Some(list.collect());
    call
}

/// An attempt of a planned call on the candidate at `index`, with the call's deadline.
///
/// # Panics
///
/// If the call has no plan or the chain no such channel.
#[must_use]
pub fn attempt(call: Call, index: usize) -> Attempt {
    let mut call = listed(call);
    call.candidates();
    let deadline = call.deadline;
    Attempt::new(Arc::new(call), index, deadline, 0)
}

/// A successful reply to a call with id 1.
#[must_use]
pub fn reply(result: &str) -> Reply {
    Reply::Result(Body::Full(Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#))))
}
