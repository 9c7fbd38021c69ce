//! Which methods an endpoint serves.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lasso_layers::catalog::{Category, Endpoint, MethodCategory};

use super::answer::{Answer, Kind, Trouble};
use super::catalogue::{Question, Sample};
use super::http::Http;
use super::options::Options;
use super::progress::Progress;
use super::report::{Method, Methods, Verdict, millis};
use super::socket::Line;

/// Asks every method of the level, several at a time. Those about subscriptions are asked over a WebSocket, because over
/// HTTP they exist nowhere.
pub(super) async fn run(
    http: &Http,
    ws: &Endpoint,
    sample: &Sample,
    options: &Options,
    progress: &Progress,
) -> Methods {
    let questions: Vec<Question> = options.level.questions().collect();
    let order: Vec<&str> = questions.iter().map(|question| question.method).collect();
    let (over_ws, over_http): (Vec<Question>, Vec<Question>) =
        questions.into_iter().partition(|question| question.category == MethodCategory::Subscriptions);
    let asking = over_http.into_iter().map(|question| async move {
        let answer = http.ask_patiently(question.method, &question.params(sample)).await;
        finding(question, &answer)
    });
    // In whatever order they come: one that is silent holds up no other.
    let mut answers = stream::iter(asking).buffer_unordered(options.concurrent);
    let mut methods = Vec::with_capacity(order.len());
    while let Some(method) = answers.next().await {
        methods.push(method);
        progress.say(&format!("methods: {} of {}", methods.len(), order.len()));
    }
    methods.extend(subscribing(over_ws, ws, sample, options).await);
    methods.sort_by_key(|method| order.iter().position(|name| *name == method.method));
    Methods { level: options.level, methods }
}

async fn subscribing(
    questions: Vec<Question>,
    ws: &Endpoint,
    sample: &Sample,
    options: &Options,
) -> Vec<Method> {
    if questions.is_empty() {
        return Vec::new();
    }
    let mut methods = Vec::new();
    match Line::open(ws, options.timeout).await {
        Ok(mut line) => {
            for question in questions {
                methods.push(finding(question, &line.ask(question.method, &question.params(sample)).await));
            }
            line.close().await;
        }
        // Perhaps there is one under another address.
        Err(trouble) => methods.extend(questions.into_iter().map(|question| Method {
            method: question.method,
            category: question.category.as_str(),
            verdict: Verdict::Unknown,
            latency_ms: None,
            note: Some(format!("no WebSocket: {}", trouble.text)),
        })),
    }
    methods
}

fn finding(question: Question, answer: &Answer) -> Method {
    Method {
        method: question.method,
        category: question.category.as_str(),
        verdict: verdict(&answer.outcome),
        latency_ms: Some(millis(answer.latency)),
        note: answer.outcome.as_ref().err().map(|trouble| trouble.text.clone()),
    }
}

/// What an answer says about a method.
fn verdict(outcome: &Result<Bytes, Trouble>) -> Verdict {
    let Err(trouble) = outcome else { return Verdict::Supported };
    match trouble.kind {
        Kind::TooLong => Verdict::Supported,
        Kind::Timeout => Verdict::Timeout,
        Kind::Refused { code: -32602, category } if category != Category::CapabilityViolation => {
            Verdict::Supported
        }
        Kind::Refused { code: -32601, .. } => Verdict::Unsupported,
        Kind::Refused { category, .. } => match category {
            // Who finds fault with the arguments, the block or the execution knows the method.
            Category::InvalidParams | Category::BlockNotAvailable | Category::ExecutionRevert => {
                Verdict::Supported
            }
            // Nothing was asked for that could be too old or too much, so it is the method that is not covered.
            Category::MethodNotFound | Category::MethodError | Category::CapabilityViolation => {
                Verdict::Unsupported
            }
            _ => Verdict::Unknown,
        },
        Kind::Status(_) | Kind::Broken | Kind::Invalid => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::probe::target::Target;

    fn refused(code: i64, message: &str) -> Verdict {
        let endpoint = Target::read("http://h").unwrap().http;
        verdict(&Err(Trouble::refused(StatusCode::OK, code, message, None, &endpoint)))
    }

    #[test]
    fn a_result_or_invalid_params_mean_supported() {
        assert_eq!(verdict(&Ok(Bytes::from_static(b"null"))), Verdict::Supported);
        assert_eq!(verdict(&Err(Trouble::new(Kind::TooLong, ""))), Verdict::Supported);
        assert_eq!(refused(-32602, "missing value for required argument 0"), Verdict::Supported);
        assert_eq!(refused(-32602, "whatever"), Verdict::Supported);
        assert_eq!(refused(-32000, "invalid argument 0: hex string without 0x prefix"), Verdict::Supported);
        assert_eq!(refused(-32000, "header not found"), Verdict::Supported);
        assert_eq!(refused(3, "execution reverted"), Verdict::Supported);
    }

    #[test]
    fn an_unknown_method_is_unsupported_in_whatever_words() {
        assert_eq!(refused(-32601, "the method x does not exist/is not available"), Verdict::Unsupported);
        assert_eq!(refused(-32601, ""), Verdict::Unsupported);
        assert_eq!(refused(-32000, "Method not available on the free tier"), Verdict::Unsupported);
        assert_eq!(refused(-32603, "trace not supported"), Verdict::Unsupported);
        assert_eq!(refused(-32602, "debug not available"), Verdict::Unsupported);
        assert_eq!(refused(4200, "no"), Verdict::Unsupported);
    }

    #[test]
    fn everything_else_says_nothing() {
        assert_eq!(refused(-32005, "rate limit"), Verdict::Unknown);
        assert_eq!(refused(-32000, "something odd"), Verdict::Unknown);
        assert_eq!(refused(-32603, "internal error"), Verdict::Unknown);
        for kind in [Kind::Broken, Kind::Invalid, Kind::Status(StatusCode::BAD_GATEWAY)] {
            assert_eq!(verdict(&Err(Trouble::new(kind, ""))), Verdict::Unknown);
        }
        assert_eq!(verdict(&Err(Trouble::timeout(Duration::from_secs(1)))), Verdict::Timeout);
    }
}
