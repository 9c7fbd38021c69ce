//! The keys of one chain.

use std::time::Duration;

use lasso_layers::catalog::{ChainSpec, Continuity, Topology, TopologySize};

use super::super::field::{Field, Fields};
use super::super::problem::Report;
use super::{IGNORED_KEYS, provider};

/// Reads one chain. One whose id cannot be used has the id 0, so that the rest of it is still checked.
pub(super) fn read(
    field: &Field<'_>,
    key: &str,
    profile: &str,
    report: &mut Report<'_>,
) -> Option<ChainSpec> {
    let Some(mut fields) = field.fields(report) else {
        if field.node.is_null() {
            field.error(
                report,
                "invalid_chain_id",
                "found no `chain_id`; allowed is a whole number of at least 1",
            );
        }
        return None;
    };
    let id = chain_id(&mut fields, report);
    let mut chain = ChainSpec::new(key, id.unwrap_or(0));
    if let Some(name) = fields.take(&["name"]).and_then(|field| field.text(report)) {
        chain.name = match name.trim() {
            "" => format!("Chain {}", chain.chain_id),
            name => name.to_owned(),
        };
    }
    if let Some(aliases) = fields.take(&["url_aliases", "aliases"]) {
        chain.url_aliases =
            aliases.items().iter().filter_map(|item| alias(item, chain.chain_id, report)).collect();
    }
    let block_time = fields.take(&["block_time_ms"]).and_then(|field| field.int(report, 0, u64::MAX));
    chain.block_time = block_time.filter(|millis| *millis > 0).map(Duration::from_millis);

    selection(&mut fields, &mut chain, report);
    let websocket = fields.take(&["websocket"]).and_then(|field| field.fields(report));
    let failover = fields.take(&["failover"]).and_then(|field| field.fields(report));
    let monitoring = fields.take(&["monitoring"]).and_then(|field| field.fields(report));
    streams(websocket, failover, monitoring, &mut chain, report);
    if let Some(topology) = fields.take(&["ui-topology"]) {
        chain.settings.topology = self::topology(&topology, report);
    }
    if let Some(providers) = fields.take(&["providers"]) {
        let providers = providers.list(report).into_iter().enumerate();
        chain.providers = providers
            .map(|(index, provider)| provider::read(&provider, index, (profile, key), report))
            .collect();
    }
    fields.warn_unknown(report, &IGNORED_KEYS);
    Some(chain)
}

fn chain_id(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<u64> {
    let field = fields.take_nullable(&["chain_id"]);
    let id = field.as_ref().and_then(|field| u64::try_from(field.node.as_int()?).ok()).filter(|id| *id > 0);
    if id.is_none() {
        let allowed = "allowed is a whole number of at least 1, without quotes";
        match field {
            Some(field) => {
                field.error(report, "invalid_chain_id", format!("found {}; {allowed}", field.shown()))
            }
            None => fields.field.error(report, "invalid_chain_id", format!("found no `chain_id`; {allowed}")),
        }
    }
    id
}

fn alias(field: &Field<'_>, chain_id: u64, report: &mut Report<'_>) -> Option<String> {
    let alias = field.node.as_string();
    if alias.is_none() {
        field.error(
            report,
            "invalid_chain_alias",
            format!(
                "found {} as an alias of chain {chain_id}; allowed is a string, in quotes if it looks like a number",
                field.shown()
            ),
        );
    }
    alias.map(str::to_owned)
}

fn selection(fields: &mut Fields<'_>, chain: &mut ChainSpec, report: &mut Report<'_>) {
    let Some(mut selection) = fields.take(&["selection"]).and_then(|field| field.fields(report)) else {
        return;
    };
    chain.settings.max_lag_blocks =
        selection.take(&["max_lag_blocks"]).and_then(|field| field.int(report, 0, u64::MAX));
    if let Some(blocks) =
        selection.take(&["archival_threshold"]).and_then(|field| field.int(report, 0, u64::MAX))
    {
        chain.settings.archival_threshold = blocks;
    }
    selection.warn_unknown(report, &[]);
}

/// What is watched and how streams move. Older files keep parts of `websocket` in `monitoring` and in a
/// `failover` block of the chain.
fn streams(
    websocket: Option<Fields<'_>>,
    failover: Option<Fields<'_>>,
    monitoring: Option<Fields<'_>>,
    chain: &mut ChainSpec,
    report: &mut Report<'_>,
) {
    if let Some(mut monitoring) = monitoring {
        set_millis(&mut chain.settings.probe_interval, &mut monitoring, &["probe_interval_ms"], report);
        let alert = monitoring.take(&["lag_alert_threshold_blocks", "lag_threshold_blocks"]);
        if let Some(blocks) = alert.and_then(|field| field.int(report, 0, u64::MAX)) {
            chain.settings.lag_alert_threshold_blocks = blocks;
        }
        // Read first, so that the same setting at its present place wins.
        set_millis(
            &mut chain.settings.new_heads_timeout,
            &mut monitoring,
            &["new_heads_staleness_threshold_ms"],
            report,
        );
        if websocket.is_none() {
            set_bool(&mut chain.settings.subscribe_new_heads, &mut monitoring, report);
        }
        monitoring.warn_unknown(report, &[]);
    }
    if let Some(failover) = failover {
        self::failover(failover, chain, report);
    }
    if let Some(mut websocket) = websocket {
        set_bool(&mut chain.settings.subscribe_new_heads, &mut websocket, report);
        set_millis(&mut chain.settings.new_heads_timeout, &mut websocket, &["new_heads_timeout_ms"], report);
        if let Some(failover) = websocket.take(&["failover"]).and_then(|field| field.fields(report)) {
            self::failover(failover, chain, report);
        }
        websocket.warn_unknown(report, &[]);
    }
}

fn failover(mut fields: Fields<'_>, chain: &mut ChainSpec, report: &mut Report<'_>) {
    if let Some(blocks) =
        fields.take(&["max_backfill_blocks"]).and_then(|field| field.int(report, 0, u64::MAX))
    {
        chain.settings.max_backfill_blocks = blocks;
    }
    set_millis(
        &mut chain.settings.backfill_timeout,
        &mut fields,
        &["backfill_timeout_ms", "backfill_timeout"],
        report,
    );
    if let Some(field) = fields.take(&["policy"]) {
        match field.node.as_text() {
            Some("strict") => chain.settings.continuity = Continuity::Strict,
            Some("best_effort") => chain.settings.continuity = Continuity::BestEffort,
            _ => field.refuse(report, "`strict` or `best_effort`"),
        }
    }
    fields.warn_unknown(report, &["enabled"]);
}

fn topology(field: &Field<'_>, report: &mut Report<'_>) -> Topology {
    let mut topology = Topology::default();
    let Some(mut fields) = field.fields(report) else { return topology };
    if let Some(color) = fields.take(&["color"]).and_then(|field| field.text(report)) {
        topology.color = color.to_owned();
    }
    if let Some(size) = fields.take(&["size"]) {
        match size.node.as_text() {
            Some("sm") => topology.size = TopologySize::Sm,
            Some("md") => topology.size = TopologySize::Md,
            Some("lg") => topology.size = TopologySize::Lg,
            Some("xl") => topology.size = TopologySize::Xl,
            _ => size.warn(
                report,
                "ignored_value",
                format!("found {}, which counts as `md`; allowed are `sm`, `md`, `lg`, `xl`", size.shown()),
            ),
        }
    }
    fields.warn_unknown(report, &[]);
    topology
}

fn set_millis(into: &mut Duration, fields: &mut Fields<'_>, names: &[&'static str], report: &mut Report<'_>) {
    if let Some(millis) = fields.take(names).and_then(|field| field.int(report, 1, u64::MAX)) {
        *into = Duration::from_millis(millis);
    }
}

fn set_bool(into: &mut bool, fields: &mut Fields<'_>, report: &mut Report<'_>) {
    if let Some(value) = fields.take(&["subscribe_new_heads"]).and_then(|field| field.bool(report)) {
        *into = value;
    }
}
