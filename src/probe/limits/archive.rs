//! Whether an endpoint still has old blocks.

use super::LOGLESS;
use crate::probe::catalogue::Sample;
use crate::probe::chain::Chain;
use crate::probe::http::Http;
use crate::probe::report::{Archive, ArchiveVerdict};

/// Asks for the state of an old block of the chain and for its logs.
pub(super) async fn run(http: &Http, sample: &Sample, chain: Chain) -> Archive {
    let block = chain.old_block(sample.height);
    let balance = http.ask_patiently("eth_getBalance", &format!(r#"["{LOGLESS}","0x{block:x}"]"#)).await;
    let filter = format!(r#"[{{"fromBlock":"0x{block:x}","toBlock":"0x{block:x}"}}]"#);
    let logs = http.ask_patiently("eth_getLogs", &filter).await;
    let (balance, logs) = (balance.outcome, logs.outcome);
    Archive {
        verdict: verdict(balance.is_ok(), logs.is_ok()),
        chain: chain.name(),
        block,
        balance: balance.is_ok(),
        logs: logs.is_ok(),
        note: balance.and(logs).err().map_or_else(|| mistaken(sample, chain), |trouble| Some(trouble.text)),
    }
}

/// What to say when the endpoint serves another chain than the one that was named.
fn mistaken(sample: &Sample, chain: Chain) -> Option<String> {
    let served = Chain::of_id(sample.chain_id?).filter(|served| *served != chain)?;
    Some(format!("the endpoint serves {0}: --chain {0} asks for an old block of that", served.name()))
}

const fn verdict(balance: bool, logs: bool) -> ArchiveVerdict {
    match (balance, logs) {
        (true, true) => ArchiveVerdict::Full,
        (false, false) => ArchiveVerdict::None,
        _ => ArchiveVerdict::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_it_is_partial() {
        assert_eq!(verdict(true, true), ArchiveVerdict::Full);
        assert_eq!(verdict(true, false), ArchiveVerdict::Partial);
        assert_eq!(verdict(false, true), ArchiveVerdict::Partial);
        assert_eq!(verdict(false, false), ArchiveVerdict::None);
    }

    #[test]
    fn another_known_chain_is_noticed() {
        let mistaken = |id| mistaken(&Sample { chain_id: id, ..Sample::default() }, Chain::ETHEREUM);
        assert!(mistaken(Some(8_453)).unwrap().contains("--chain base "));
        assert_eq!([mistaken(Some(1)), mistaken(Some(31_337)), mistaken(None)], [None, None, None]);
    }
}
