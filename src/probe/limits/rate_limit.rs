//! Whether an endpoint minds many requests at once.

use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::probe::http::Http;
use crate::probe::report::{RateLimit, RateLimitVerdict, millis};

/// Requests in all.
const REQUESTS: usize = 100;

/// Requests at a time.
const PARALLEL: usize = 50;

/// Asks the cheapest question there is, again and again.
pub(crate) async fn run(http: &Http) -> RateLimit {
    let start = Instant::now();
    let asking = (0..REQUESTS).map(|_| http.ask("eth_chainId", "[]"));
    let answers: Vec<_> = stream::iter(asking).buffer_unordered(PARALLEL).collect().await;
    let ok = answers.iter().filter(|answer| answer.outcome.is_ok()).count();
    let limited = answers.iter().filter_map(|answer| answer.outcome.as_ref().err());
    let limited = limited.filter(|trouble| trouble.is_rate_limit()).count();
    RateLimit {
        verdict: verdict(REQUESTS, ok, limited),
        requests: REQUESTS,
        ok,
        limited,
        elapsed_ms: millis(start.elapsed()),
    }
}

/// A single refusal for the sake of a limit shows that there is one; many failures for other reasons show nothing.
const fn verdict(requests: usize, ok: usize, limited: usize) -> RateLimitVerdict {
    if limited > 0 {
        RateLimitVerdict::Limited
    } else if ok * 100 < requests * 95 {
        RateLimitVerdict::Inconclusive
    } else {
        RateLimitVerdict::Unlimited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_by_what_came_back() {
        assert_eq!(verdict(100, 100, 0), RateLimitVerdict::Unlimited);
        assert_eq!(verdict(100, 95, 0), RateLimitVerdict::Unlimited);
        assert_eq!(verdict(100, 94, 0), RateLimitVerdict::Inconclusive);
        assert_eq!(verdict(100, 99, 1), RateLimitVerdict::Limited);
        assert_eq!(verdict(100, 0, 1), RateLimitVerdict::Limited);
    }
}
