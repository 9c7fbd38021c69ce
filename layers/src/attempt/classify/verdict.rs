//! From an upstream's refusal to what the layers outside see.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use super::{Classifications, Path, classify, hints, phrases, rules, secrets, table};
use crate::attempt::Attempt;
use crate::call::{ErrorReply, Failure, HttpRefusal, Reply, StatusFailure, UpstreamFailure};
use crate::catalog::Category;
use crate::wire::{ErrorObject, code};

/// A classified refusal.
pub(super) struct Verdict {
    error: ErrorObject,
    category: Category,
    retry_after: Option<Duration>,
    http: Option<HttpRefusal>,
}

impl Verdict {
    /// Of a JSON-RPC error in a reply with a status of success.
    pub(super) fn of_error(reply: ErrorReply, attempt: &Attempt, counts: Option<Classifications>) -> Self {
        let ErrorReply { error, retry_after, category: _ } = reply;
        let (category, _) = examine(&error, attempt, counts);
        Self::new(error, category, retry_after)
    }

    /// Of an HTTP status other than success.
    pub(super) fn of_status(
        failure: StatusFailure,
        attempt: &Attempt,
        counts: Option<Classifications>,
    ) -> Self {
        let StatusFailure { status, retry_after, error, text } = failure;
        let said = error.as_ref().map_or(&text, |(_, message, _)| message);
        let http = Some(HttpRefusal { status, mentions_limit: hints::mentions_limit(said) });
        let Some((code, message, data)) = error else {
            return Self { http, ..Self::of_bare_status(status, retry_after, &text, attempt, counts) };
        };
        let error =
            ErrorObject { code: code.unwrap_or_else(|| default_code(status)), message: message.into(), data };
        let (category, path) = examine(&error, attempt, counts);
        let category = match path {
            Path::ProviderRule(_) => category,
            _ => with_status(status, category),
        };
        let mut verdict = Self::new(error, category, retry_after);
        if status == StatusCode::TOO_MANY_REQUESTS && category == Category::RateLimit {
            verdict.error.code = code::RATE_LIMITED;
        }
        Self { http, ..verdict }
    }

    /// Without a JSON-RPC error it was not a node that answered but something in front of it. The provider's rules come
    /// first here too: they see the code that is shown, and the text that is not.
    fn of_bare_status(
        status: StatusCode,
        retry_after: Option<Duration>,
        text: &str,
        attempt: &Attempt,
        counts: Option<Classifications>,
    ) -> Self {
        let retry_after = hints::retry_after(retry_after, Some(text.as_bytes()), text);
        let (category, error) = if status == StatusCode::TOO_MANY_REQUESTS {
            let mut error = ErrorObject::new(code::RATE_LIMITED, "Provider rate limit reached (HTTP 429)");
            if let Some(hint) = retry_after {
                error = error.with_data(format!("{{\"retry_after_ms\":{}}}", hint.as_millis()));
            }
            (Category::RateLimit, error)
        } else {
            let message = format!("Provider infrastructure error (HTTP {})", status.as_u16());
            let category = if is_unauthorised(status) { Category::AuthError } else { Category::ServerError };
            (category, ErrorObject::new(code::UPSTREAM_SERVER, message))
        };
        let rules = &attempt.provider().capabilities.error_rules;
        let (category, path) = match rules::first_match(rules, error.code, &phrases::folded(text)) {
            Some((index, category)) => (category, Path::ProviderRule(index)),
            None => (category, Path::CodeBased),
        };
        tell(&error, attempt, category, path, counts);
        Self { error, category, retry_after, http: None }
    }

    fn new(mut error: ErrorObject, category: Category, retry_after: Option<Duration>) -> Self {
        let retry_after = hints::retry_after(retry_after, error.data.as_deref(), &error.message);
        if error.code == table::TOO_MANY_REQUESTS {
            error.code = code::RATE_LIMITED;
        }
        Self { error, category, retry_after, http: None }
    }

    /// An answer stays one; of anything else a failure is made, for the layers outside to weigh.
    pub(super) fn into_outcome(self, attempt: &Attempt) -> Result<Reply, Failure> {
        let Self { mut error, category, retry_after, http } = self;
        secrets::hide(&mut error, &attempt.channel().endpoint);
        if category.is_answer() {
            return Ok(Reply::error(error, category));
        }
        let transport = attempt.transport();
        let failure = UpstreamFailure { error, category, retry_after, transport, http };
        Err(Failure::Upstream(Box::new(failure)))
    }
}

/// Classifies by the provider's rules and by what everybody writes.
fn examine(error: &ErrorObject, attempt: &Attempt, counts: Option<Classifications>) -> (Category, Path) {
    let provider = attempt.provider();
    let rules = &provider.capabilities.error_rules;
    let (category, path) = classify(error.code, &error.message, error.data.as_deref(), rules);
    tell(error, attempt, category, path, counts);
    (category, path)
}

/// What the status adds to the meaning of a JSON-RPC error that came with it.
fn with_status(status: StatusCode, category: Category) -> Category {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Category::RateLimit;
    }
    // Such a status says that our credentials are the trouble, whatever the error in the body is made of: what it is not
    // about is the client's request. Only a word about a rate limit stands, because providers refuse keys whose quota
    // is used up in this way; they will be fine again, and to open the breaker would only keep us from noticing.
    let is_refused = is_unauthorised(status) && category != Category::RateLimit;
    if is_refused { Category::AuthError } else { category }
}

/// The code of an error that has none.
fn default_code(status: StatusCode) -> i64 {
    if status == StatusCode::TOO_MANY_REQUESTS {
        code::RATE_LIMITED
    } else if status == StatusCode::REQUEST_TIMEOUT || status.is_server_error() {
        code::UPSTREAM_SERVER
    } else {
        code::UPSTREAM_CLIENT
    }
}

const fn is_unauthorised(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403)
}

/// Counts a classification, and has an event for it, for the collection of error samples. The event costs nothing while
/// nobody listens.
fn tell(
    error: &ErrorObject,
    attempt: &Attempt,
    category: Category,
    path: Path,
    counts: Option<Classifications>,
) {
    const MAX_SAMPLE: usize = 200;
    if let Some(counts) = counts {
        counts.record(attempt.provider().key, category, path);
    }
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let endpoint = &attempt.channel().endpoint;
    let mut shown = error.clone();
    secrets::hide(&mut shown, endpoint);
    let provider_id = &attempt.provider().id;
    tracing::debug!(
        event = "lasso.error_classification.classified",
        code = error.code,
        error_message = beginning(shown.message.as_bytes(), MAX_SAMPLE).as_ref(),
        data_sample = shown.data.as_ref().map(|data| beginning(data, MAX_SAMPLE)).as_deref(),
        %provider_id,
        category = category.as_str(),
        classification_path = path.as_str(),
        "upstream error classified",
    );
    if let Path::ProviderRule(rule_index) = path {
        tracing::debug!(
            event = "lasso.capabilities.error_rule_match",
            rule_index,
            %provider_id,
            category = category.as_str(),
            "an error rule of the provider applies",
        );
    }
}

/// At most `max` characters from the front.
fn beginning(text: &[u8], max: usize) -> Cow<'_, str> {
    const LONGEST_CHARACTER: usize = 4;
    let text = &text[..text.len().min(max * LONGEST_CHARACTER)];
    match String::from_utf8_lossy(text) {
        Cow::Borrowed(text) => {
            Cow::Borrowed(text.char_indices().nth(max).map_or(text, |(end, _)| &text[..end]))
        }
        Cow::Owned(text) => Cow::Owned(text.chars().take(max).collect()),
    }
}
