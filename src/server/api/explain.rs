//! `GET /api/explain`: where a call would go, and why.
//!
//! | Parameter | Means | Without it |
//! |---|---|---|
//! | `chain` | name, alias or id of the chain | an error |
//! | `method` | the method | an error |
//! | `params` | its parameters as JSON text | `[]` |
//! | `profile` | the profile | the default one |
//! | `strategy`, `transport`, `provider` | what a call's own query and headers can choose | as for a call |
//!
//! A call is made and goes through the real stack as a dry run: nothing is sent, claimed, logged or counted, and no
//! client pays for it. Where chance has a say in the order, this is one draw.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use lasso_layers::call::observe::Explanation;
use lasso_layers::call::{Call, Failure, Origin, Plan, Reply, Route, Scope};
use lasso_layers::catalog::{DEFAULT_PROFILE, Transport};
use lasso_layers::edge::profile;
use lasso_layers::wire::Request;
use serde_json::json;
use tokio::time::Instant;
use tower::{Service, ServiceExt};

/// Explains a call: status and page.
///
/// Cancel safe: nothing is left behind.
pub(in crate::server) async fn explain<S>(stack: S, call: Result<Call, String>) -> (StatusCode, Bytes)
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    let call = match call {
        Ok(call) => call,
        Err(problem) => return refusal(StatusCode::BAD_REQUEST, &problem),
    };
    let (request, journal) = (call.request.clone(), call.journal().clone());
    let method = request.method();
    let outcome = stack.oneshot(call).await.map_err(Into::into);
    match (Explanation::of(&method, &journal), outcome) {
        (Some(explanation), _) => {
            let page = serde_json::to_vec(&explanation).expect("the keys are strings");
            (StatusCode::OK, page.into())
        }
        (None, Ok(_)) => (StatusCode::OK, answered_here(&method, journal.plan())),
        (None, Err(failure)) => refused(&method, &failure),
    }
}

/// The call that the query of this page describes, or what is wrong with the query.
pub(in crate::server) fn call_of(uri: &Uri, headers: &HeaderMap) -> Result<Call, String> {
    let query = uri.query().unwrap_or_default();
    let value = |name: &str| {
        // The last one counts, as it does for a call.
        let found = profile::query_pairs(query).filter(|(known, _)| known == name).last();
        found.map(|(_, value)| value).filter(|value| !value.trim().is_empty())
    };
    let needed = |name: &str| value(name).ok_or_else(|| format!("the parameter '{name}' is missing"));
    let route = Route {
        profile: value("profile").unwrap_or(Cow::Borrowed(DEFAULT_PROFILE)).into(),
        provider: value("provider").map(Into::into),
        ..Route::to_chain(needed("chain")?)
    };
    let route = profile::choose(route, uri, headers).route;
    let params = value("params").unwrap_or(Cow::Borrowed("[]"));
    let request = Request::new("1", &needed("method")?, &params)
        .map_err(|syntax| format!("the parameter 'params' is {syntax}"))?;
    let mut call = Call::new(route, request, Instant::now());
    // Nobody pays for it, and it is judged like a client's call over HTTP.
    call.origin = Origin { transport: Some(Transport::Http), ..Origin::default() };
    call.dry_run = true;
    call.explain = true;
    Ok(call)
}

/// The page for a call that no provider is needed for.
fn answered_here(method: &str, plan: Option<&Plan>) -> Bytes {
    let page = json!({
        "profile": plan.map(|plan| plan.profile().slug.as_str()),
        "chain": plan.map(|plan| plan.chain().key.as_str()),
        "chain_id": plan.map(|plan| plan.chain().chain_id),
        "method": method,
        "answered_locally": true,
        "candidates": [],
    });
    Bytes::from(page.to_string())
}

/// The page for a call that is refused before any provider is considered.
fn refused(method: &str, failure: &Failure) -> (StatusCode, Bytes) {
    let message = &failure.error().message;
    match failure {
        Failure::Rejected(rejection) if rejection.status.is_client_error() => {
            refusal(rejection.status, message)
        }
        // A refusal of one call says nothing about the request it comes in, and need not name the method.
        Failure::Rejected(rejection) if rejection.scope == Scope::Call => {
            refusal(StatusCode::BAD_REQUEST, &format!("{method}: {message}"))
        }
        _ => refusal(StatusCode::INTERNAL_SERVER_ERROR, message),
    }
}

fn refusal(status: StatusCode, problem: &str) -> (StatusCode, Bytes) {
    (status, Bytes::from(json!({ "error": problem }).to_string()))
}
