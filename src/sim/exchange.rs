//! One HTTP request body or WebSocket message on its way through a node: read, planned, answered.

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;

use super::chain::SimChain;
use super::fault::Fault;
use super::ledger::{Gauge, Held, Ledger, Origin, Transport};
use super::line::Lines;
use super::methods::{Oracle, SimLimits};
use super::params::RpcError;
use super::rpc::{Call, Item, Message, faulty_reply, reply};
use super::script::{Plan, Script};
use super::shock::Shocks;
use super::subscriptions::Subscriptions;

/// Everything the connections of a node share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) chain: SimChain,
    pub(crate) limits: SimLimits,
    pub(crate) script: Script,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) lines: Lines,
    pub(crate) shocks: Shocks,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    message: Message,
    /// One per item.
    plans: Vec<Plan>,
    /// What the items mean for the whole.
    pub(crate) plan: Plan,
    in_flight: Held,
}

// === impl Core ===

impl Core {
    /// Counts the calls in `bytes` and decides what happens to them.
    ///
    /// # Errors
    ///
    /// The reply to bytes that are no message.
    pub(crate) fn read(
        &self,
        transport: Transport,
        origin: &Origin,
        bytes: &[u8],
    ) -> Result<Exchange, String> {
        let message = Message::parse(bytes).map_err(|error| reply(None, &Err(error)))?;
        let in_flight = self.ledger.hold(Gauge::InFlight);
        let batch = match &message {
            Message::Single(_) => None,
            Message::Batch(items) => Some(items.len()),
        };
        let plan_item = |item: &Item| match item {
            Item::Invalid { .. } => Plan::default(),
            Item::Call(call) => {
                self.ledger.call(transport, origin, call, batch);
                self.script.plan(transport, &call.method, call.params.as_deref().map(RawValue::get))
            }
        };
        let plans: Vec<Plan> = message.items().iter().map(plan_item).collect();
        let mut plan = Plan::default();
        plans.iter().for_each(|item| plan.join(item));
        Ok(Exchange { message, plans, plan, in_flight })
    }

    fn outcome(
        &self,
        call: &Call,
        plan: &Plan,
        subscriptions: Option<&mut Subscriptions>,
    ) -> Result<String, RpcError> {
        let params = call.params.as_deref();
        let result = match (subscriptions, call.method.as_str()) {
            (Some(open), "eth_subscribe") => {
                open.subscribe(&self.chain, self.script.standing_lag(), params).map(|id| json!(id))
            }
            (Some(open), "eth_unsubscribe") => open.unsubscribe(params).map(|()| json!(true)),
            _ => {
                let chain_id = plan.chain_id.unwrap_or_else(|| self.chain.chain_id());
                let view = self.chain.view(plan.lag);
                let limits = &self.limits;
                let oracle = Oracle { name: &self.name, chain: &self.chain, limits, view, chain_id };
                oracle.answer(&call.method, params)
            }
        };
        result.map(|result| result.to_string())
    }
}

// === impl Exchange ===

impl Exchange {
    /// The messages to answer with: over HTTP the first of them is the body. None when nothing asks for a reply.
    pub(crate) fn replies(&self, core: &Core, mut subscriptions: Option<&mut Subscriptions>) -> Vec<String> {
        let mut replies = Vec::new();
        for (item, plan) in self.message.items().iter().zip(&self.plans) {
            let one = match item {
                Item::Invalid { id } => {
                    Some(reply(id.as_deref(), &Err(RpcError::new(-32600, "invalid request"))))
                }
                Item::Call(call) => {
                    let outcome = self.outcome(core, call, plan, subscriptions.as_deref_mut());
                    call.id.as_deref().and_then(|id| faulty_reply(plan.answer.as_ref(), Some(id), outcome))
                }
            };
            if matches!(plan.answer, Some(Fault::Repeat)) {
                replies.extend(one.clone());
            }
            replies.extend(one);
        }
        if matches!(self.message, Message::Single(_)) || replies.is_empty() {
            return replies;
        }
        if matches!(self.plan.delivery, Some(Fault::ReverseBatch)) {
            replies.reverse();
        }
        vec![format!("[{}]", replies.join(","))]
    }

    /// The id for a fault that makes up a reply of its own: that of the first call.
    pub(crate) fn raw_id(&self) -> Option<&RawValue> {
        self.message.items().iter().find_map(|item| match item {
            Item::Call(call) => call.id.as_deref(),
            Item::Invalid { .. } => None,
        })
    }

    /// The same as text.
    pub(crate) fn id(&self) -> &str {
        self.raw_id().map_or("null", RawValue::get)
    }

    /// Keeps only the count, for a body that goes on being sent.
    pub(crate) fn into_held(self) -> Held {
        self.in_flight
    }

    fn outcome(
        &self,
        core: &Core,
        call: &Call,
        plan: &Plan,
        subscriptions: Option<&mut Subscriptions>,
    ) -> Result<String, RpcError> {
        // A call that is answered with something made up has no effect either.
        match &plan.answer {
            Some(Fault::RpcError { .. } | Fault::Result(_) | Fault::NullResult | Fault::ResultAndError) => {
                Ok("null".to_owned())
            }
            _ => core.outcome(call, plan, subscriptions),
        }
    }
}
