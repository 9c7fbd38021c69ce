//! The table: its lines, its columns, and which of them fit.

use std::iter;

use super::message::{Chain, Provider};
use super::model::Model;
use super::words::{NOTHING, Tone, known, millis, percent, rate, readable, tone};

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Row<'a> {
    Chain(&'a Chain),
    Provider(&'a Provider),
}

impl<'a> Row<'a> {
    /// What no two lines have in common.
    pub(super) fn key(self) -> &'a str {
        match self {
            Self::Chain(chain) => &chain.key,
            Self::Provider(provider) => &provider.key,
        }
    }

    /// How its status is to be taken.
    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Chain(chain) => tone(&chain.status),
            Self::Provider(provider) => tone(&provider.status),
        }
    }
}

/// Each chain, and beneath it its providers.
pub(super) fn rows<'a>(model: &'a Model) -> Vec<Row<'a>> {
    let of_chain = |chain: &'a Chain| {
        iter::once(Row::Chain(chain)).chain(model.providers_of(&chain.key).map(Row::Provider))
    };
    model.chains.iter().flat_map(of_chain).collect()
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Status,
    Height,
    Lag,
    P50,
    P95,
    Success,
    Rate,
    Share,
    Breakers,
}

/// The least width of the first column, which has all that the others leave.
const NAME: u16 = 16;

impl Column {
    pub(super) const ALL: [Self; 10] = [
        Self::Name,
        Self::Status,
        Self::Height,
        Self::Lag,
        Self::P50,
        Self::P95,
        Self::Success,
        Self::Rate,
        Self::Share,
        Self::Breakers,
    ];

    /// Those that are left out where there is no room, the first one first.
    const DISPENSABLE: [Self; 8] = [
        Self::Breakers,
        Self::Share,
        Self::P50,
        Self::Rate,
        Self::Lag,
        Self::Success,
        Self::P95,
        Self::Height,
    ];

    /// As many columns as fit, with a blank between any two.
    pub(super) fn fitting(width: u16) -> Vec<Self> {
        let mut columns = Self::ALL.to_vec();
        let needed =
            |columns: &[Self]| columns.iter().map(|column| column.width() + 1).sum::<u16>().saturating_sub(1);
        for dispensable in Self::DISPENSABLE {
            if needed(&columns) <= width {
                break;
            }
            columns.retain(|column| *column != dispensable);
        }
        columns
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Name => "CHAIN/PROVIDER",
            Self::Status => "STATUS",
            Self::Height => "HEIGHT",
            Self::Lag => "LAG",
            Self::P50 => "P50 MS",
            Self::P95 => "P95 MS",
            Self::Success => "OK %",
            Self::Rate => "RPS",
            Self::Share => "SHARE %",
            Self::Breakers => "BREAKERS",
        }
    }

    pub(super) const fn width(self) -> u16 {
        match self {
            Self::Name => NAME,
            Self::Status => 16,
            Self::Height => 10,
            Self::Lag => 4,
            Self::P50 | Self::P95 | Self::Rate | Self::Share => 7,
            Self::Success => 5,
            Self::Breakers => 28,
        }
    }

    /// Whether it holds numbers.
    pub(super) const fn is_numeric(self) -> bool {
        !matches!(self, Self::Name | Self::Status | Self::Breakers)
    }

    /// What it says of a line.
    pub(super) fn text(self, row: Row<'_>) -> String {
        match row {
            Row::Chain(chain) => self.of_chain(chain),
            Row::Provider(provider) => self.of_provider(provider),
        }
    }

    fn of_chain(self, chain: &Chain) -> String {
        match self {
            Self::Name => chain.key.to_string(),
            Self::Status => format!("{} {}/{}", readable(&chain.status), chain.connected, chain.total),
            Self::Height => known(chain.height, |height| height.to_string()),
            Self::P50 => known(chain.p50_ms, millis),
            Self::P95 => known(chain.p95_ms, millis),
            Self::Success => known(chain.success_rate, percent),
            Self::Rate => rate(chain.rps),
            Self::Lag | Self::Share | Self::Breakers => String::new(),
        }
    }

    fn of_provider(self, provider: &Provider) -> String {
        match self {
            Self::Name => format!("  {}", provider.id),
            Self::Status => readable(&provider.status),
            Self::Height => known(provider.height, |height| height.to_string()),
            Self::Lag => known(provider.lag, |lag| lag.to_string()),
            Self::P50 => known(provider.p50_ms, millis),
            Self::P95 => known(provider.p95_ms, millis),
            Self::Success => known(provider.success_rate, percent),
            Self::Rate => rate(provider.rps),
            Self::Share => known(provider.traffic_share, percent),
            Self::Breakers => breakers(provider),
        }
    }
}

/// Those that are not closed, or that all are.
fn breakers(provider: &Provider) -> String {
    let all = || provider.breakers.iter();
    let apart = all().filter(|(_, breaker)| breaker.state != "closed");
    let apart: Vec<_> = apart.map(|(name, breaker)| format!("{name} {}", readable(&breaker.state))).collect();
    match all().count() {
        0 => NOTHING.to_owned(),
        _ if apart.is_empty() => "closed".to_owned(),
        _ => apart.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::model;

    #[test]
    fn providers_are_beneath_their_chains() {
        let model = model();
        let keys: Vec<_> = rows(&model).into_iter().map(Row::key).collect();
        assert_eq!(
            keys,
            ["ethereum", "ethereum/quick", "ethereum/steady", "ethereum/far", "base", "base/only"]
        );
    }

    #[test]
    fn columns_are_left_out_until_the_others_fit() {
        use Column::{Breakers, Height, Name, P50, Share, Status};
        assert_eq!(Column::fitting(120), Column::ALL);
        let at_80 = Column::fitting(80);
        assert!(!at_80.contains(&Breakers) && !at_80.contains(&Share) && at_80.contains(&P50), "{at_80:?}");
        assert_eq!(Column::fitting(45), [Name, Status, Height]);
        assert_eq!(Column::fitting(3), [Name, Status]);
    }

    #[test]
    fn breakers_that_are_not_closed_are_named() {
        let text = |json| breakers(&serde_json::from_str(json).unwrap());
        assert_eq!(text(r#"{"breakers":{"http":{"state":"closed"},"ws":{"state":"closed"}}}"#), "closed");
        assert_eq!(text(r#"{"breakers":{"http":{"state":"closed"},"ws":{"state":"open"}}}"#), "ws open");
        let both = text(r#"{"breakers":{"http":{"state":"open"},"ws":{"state":"half_open"}}}"#);
        assert_eq!(both, "http open, ws half open");
        assert_eq!(text("{}"), "-");
    }
}
