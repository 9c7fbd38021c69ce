//! `GET /api/requests` and `GET /api/requests/ID`: what became of the latest calls, and why.
//!
//! The id is that of the response's `x-request-id`, of `x-lasso-request-id`, or of the metadata. The list, newest first:
//!
//! | Parameter | Means | Without it |
//! |---|---|---|
//! | `profile` | slug | every profile |
//! | `chain` | key, alias or decimal id | every chain |
//! | `provider` | the provider that answered, by id | every provider |
//! | `method` | the method | every method |
//! | `result` | `success`, `error` or `cancelled` | every one |
//! | `origin` | `client` or `system` | both |
//! | `limit` | how many, from 1 to 200 | 50 |
//!
//! The items of a batch have the id of the batch; `item` says which one the page is about, from 0.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use lasso_layers::call::observe::identifier;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::parameters::{BadParameter, Parameters};
use super::past::bad_request;
use super::{Api, page};
use crate::observe::{Decision, DecisionPage};

const MOST: u64 = 200;
const USUAL: u64 = 50;

/// Which decisions are wanted.
#[derive(Debug, Default)]
struct Wanted {
    profile: Option<String>,
    chain: Option<String>,
    /// The number of the chain, where the catalogue knows it.
    chain_id: Option<u64>,
    provider: Option<String>,
    method: Option<String>,
    result: Option<String>,
    origin: Option<String>,
}

impl Api {
    /// The latest decisions.
    pub(in crate::server) fn requests(&self, query: &str) -> (StatusCode, Bytes) {
        let (wanted, limit) = match self.wanted(query) {
            Ok(wanted) => wanted,
            Err(bad) => return bad_request(&bad),
        };
        let decisions = self.runtime.observed.decisions().newest();
        let found: Vec<_> = decisions.filter(|decision| wanted.is_met_by(decision)).take(limit).collect();
        let rows: Vec<&Decision> = found.iter().map(Arc::as_ref).collect();
        page(StatusCode::OK, &json!({ "requests": rows }))
    }

    /// One decision. `id` is as it stands in the path.
    pub(in crate::server) fn request(&self, id: &str, query: &str) -> (StatusCode, Bytes) {
        let item = Parameters::of(query).and_then(|mut parameters| {
            let item = number(&mut parameters, "item", "a whole number")?;
            parameters.end("`item`")?;
            Ok(item)
        });
        let item = match item {
            Ok(item) => item.unwrap_or(0),
            Err(bad) => return bad_request(&bad),
        };
        let given: Vec<u8> = percent_decode_str(id).collect();
        // Long ones are kept as their digest.
        let id = identifier(&given);
        let mut found = self.runtime.observed.decisions().of_request(&id);
        found.sort_by_key(|decision| decision.batch_index);
        let wanted = found.iter().find(|it| it.batch_index.unwrap_or(0) as u64 == item);
        let Some(decision) = wanted else {
            let error = "no such request among the latest ones";
            return page(StatusCode::NOT_FOUND, &json!({ "error": error, "request_id": id }));
        };
        let items = found.iter().filter(|decision| decision.batch_index.is_some()).map(Arc::as_ref);
        let body = serde_json::to_vec(&DecisionPage::of(decision, items.collect()));
        (StatusCode::OK, body.expect("the keys are strings and the numbers finite").into())
    }

    fn wanted(&self, query: &str) -> Result<(Wanted, usize), BadParameter> {
        let mut parameters = Parameters::of(query)?;
        let limit = number(&mut parameters, "limit", "a whole number from 1 to 200")?.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            return Err(bad("limit", "must be a whole number from 1 to 200"));
        }
        let mut take = |name| parameters.take(name).map(std::borrow::Cow::into_owned);
        let mut wanted = Wanted {
            profile: take("profile"),
            chain: take("chain"),
            chain_id: None,
            provider: take("provider"),
            method: take("method"),
            result: take("result"),
            origin: take("origin"),
        };
        parameters.end("`profile`, `chain`, `provider`, `method`, `result`, `origin` and `limit`")?;
        let is_among = |value: &Option<String>, words: &[&str]| {
            value.as_deref().is_none_or(|value| words.contains(&value))
        };
        if !is_among(&wanted.result, &["success", "error", "cancelled"]) {
            return Err(bad("result", "must be `success`, `error` or `cancelled`"));
        }
        if !is_among(&wanted.origin, &["client", "system"]) {
            return Err(bad("origin", "must be `client` or `system`"));
        }
        self.resolve(&mut wanted);
        Ok((wanted, usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    /// Looks names up that are not the ones decisions have.
    fn resolve(&self, wanted: &mut Wanted) {
        let catalog = self.runtime.live.load();
        if let Some((_, profile)) = wanted.profile.as_deref().and_then(|slug| catalog.profile(slug)) {
            wanted.profile = Some(profile.slug.to_string());
        }
        let profiles = catalog.profiles().iter();
        let mut profiles = profiles.filter(|it| wanted.profile.as_deref().is_none_or(|slug| it.slug == slug));
        let known = wanted.chain.as_deref();
        wanted.chain_id =
            known.and_then(|name| profiles.find_map(|it| it.chain(name))).map(|(_, it)| it.chain_id);
    }
}

impl Wanted {
    fn is_met_by(&self, decision: &Decision) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|it| it == value);
        let is_chain = match self.chain_id {
            Some(_) => decision.chain_id == self.chain_id,
            None => is(&self.chain, &decision.chain),
        };
        is_chain
            && is(&self.profile, &decision.profile)
            && is(&self.provider, decision.provider.as_deref().unwrap_or_default())
            && is(&self.method, &decision.method)
            && is(&self.result, decision.result.as_str())
            && is(&self.origin, decision.origin())
    }
}

fn number(parameters: &mut Parameters<'_>, name: &str, what: &str) -> Result<Option<u64>, BadParameter> {
    let Some(value) = parameters.take(name) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| bad(name, &format!("must be {what}")))
}

fn bad(name: &str, reason: &str) -> BadParameter {
    BadParameter { name: name.to_owned(), reason: reason.to_owned() }
}
