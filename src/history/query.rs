//! Which part of the history is wanted.

use lasso_layers::catalog::Transport;

use super::snapshot::SeriesName;

/// The seconds of an hour.
pub(crate) const HOUR: u64 = 3_600;

/// Which part of the history is wanted, and how finely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The slug of one profile, which need not exist any more.
    pub profile: String,
    /// The key of one chain; every chain where there is none.
    pub chain: Option<String>,
    /// The series that are wanted of them.
    pub only: SeriesFilter,
    /// The first moment, in seconds since 1970. The span it lies in is read whole.
    pub from: u64,
    /// The moment after the last, in seconds since 1970. The span it lies in is read whole.
    pub to: u64,
    /// The length of the spans that are summed up, in seconds; one where it is shorter.
    pub step: u64,
}

/// Which series are wanted: those that have all that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesFilter {
    /// The id of one provider.
    pub provider: Option<String>,
    /// The name of one method.
    pub method: Option<String>,
    /// One protocol.
    pub transport: Option<Transport>,
}

impl SeriesFilter {
    pub(super) fn wants(&self, name: &SeriesName) -> bool {
        self.provider.as_ref().is_none_or(|provider| *provider == name.provider)
            && self.method.as_ref().is_none_or(|method| *method == name.method)
            && self.transport.is_none_or(|transport| transport == name.transport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_to_have_all_that_is_named() {
        let name = SeriesName {
            provider: "a".to_owned(),
            method: "eth_call".to_owned(),
            transport: Transport::Http,
        };
        let wants = |provider: Option<&str>, method: Option<&str>, transport| {
            let filter = SeriesFilter {
                provider: provider.map(ToOwned::to_owned),
                method: method.map(ToOwned::to_owned),
                transport,
            };
            filter.wants(&name)
        };
        assert!(wants(None, None, None));
        assert!(wants(Some("a"), Some("eth_call"), Some(Transport::Http)));
        assert!(!wants(Some("b"), Some("eth_call"), None));
        assert!(!wants(Some("a"), Some("eth_gasPrice"), None));
        assert!(!wants(Some("a"), None, Some(Transport::Ws)));
    }
}
