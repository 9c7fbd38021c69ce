//! What polls have to say to operators.

use lasso_layers::call::Failure;
use lasso_layers::catalog::Channel;

use super::super::ask::told;
use super::lag::LagChange;
use super::poll::News;

/// An event about an instance.
macro_rules! event {
    ($level:ident, $name:literal, $channel:expr, $text:literal $(, $field:ident = $value:expr)*) => {
        tracing::$level!(
            event = $name,
            instance_id = %$channel.instance_id,
            provider_id = %$channel.known_as,
            chain_id = $channel.chain_id,
            $($field = $value,)*
            $text,
        )
    };
}

/// Writes down that polls fail, keep failing, or are answered again.
pub(super) fn polls(channel: &Channel, news: News, failure: Option<&Failure>) {
    let category = failure.map(|failure| failure.category().as_str());
    let message = failure.map(told);
    match news {
        News::Degraded => event!(
            warn,
            "lasso.block_sync.degraded",
            channel,
            "upstream fails to tell its height",
            error_category = category,
            error_message = message
        ),
        News::Unhealthy => event!(
            warn,
            "lasso.block_sync.unhealthy",
            channel,
            "upstream does not tell its height",
            error_category = category,
            error_message = message
        ),
        News::Recovered(failures) => event!(
            info,
            "lasso.block_sync.recovered",
            channel,
            "upstream tells its height again",
            failures = failures
        ),
    }
}

/// Writes down that an instance fell behind, or is back.
pub(super) fn lag(channel: &Channel, change: LagChange, threshold: u64) {
    match change {
        LagChange::Behind(blocks) => event!(
            warn,
            "lasso.block_sync.lagging",
            channel,
            "upstream is behind the others",
            blocks_behind = blocks,
            threshold_blocks = threshold
        ),
        LagChange::CaughtUp => event!(
            info,
            "lasso.block_sync.caught_up",
            channel,
            "upstream is no longer behind the others",
            threshold_blocks = threshold
        ),
    }
}
