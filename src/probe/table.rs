//! The report for people.

use std::fmt::{self, Display, Write};

use super::report::{
    ArchiveVerdict, Bound, BoundVerdict, Limits, Method, Methods, RateLimitVerdict, Recommendations, Report,
    Verdict, WebSocket,
};

const WIDTH: usize = 80;

/// Where the second column begins to be told apart from the first.
const NAME: usize = 40;

/// What stands at the beginning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Ok,
    Fail,
    Unknown,
    Info,
}

impl Mark {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Info => "info",
        }
    }

    const fn of(is_fine: bool) -> Self {
        if is_fine { Self::Ok } else { Self::Fail }
    }
}

/// Writes the report with one section for each probe that ran.
pub(super) fn table(report: &Report) -> String {
    let mut page = Page::default();
    page.head(report);
    if let Some(methods) = &report.methods {
        page.methods(methods);
    }
    if let Some(limits) = &report.limits {
        page.limits(limits);
    }
    if let Some(websocket) = &report.websocket {
        page.websocket(websocket);
    }
    page.recommendations(&report.recommendations);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, report: &Report) {
        self.rule();
        self.print(format_args!("ENDPOINT {}", report.url));
        self.rule();
        if let Some(error) = &report.http_error {
            self.line(Mark::Fail, &format!("HTTP: {error}"), "");
        }
        if let Some(node) = &report.node {
            let number = |number: Option<u64>| {
                number.map_or_else(|| "unknown".to_owned(), |number| number.to_string())
            };
            self.line(Mark::Info, "chain id", number(node.chain_id));
            self.line(Mark::Info, "height", number(node.height));
            self.line(Mark::Info, "client", node.client_version.as_deref().unwrap_or("unknown"));
        }
    }

    fn methods(&mut self, methods: &Methods) {
        self.section("METHOD SUPPORT");
        for of_category in methods.methods.chunk_by(|one, other| one.category == other.category) {
            let supported = of_category.iter().filter(|method| method.verdict == Verdict::Supported).count();
            let count = format!("{supported} of {}", of_category.len());
            self.print(format_args!("{} ({count})", of_category[0].category));
            for method in of_category {
                self.method(method);
            }
        }
    }

    fn method(&mut self, method: &Method) {
        let mark = match method.verdict {
            Verdict::Supported => Mark::Ok,
            Verdict::Unsupported => Mark::Fail,
            Verdict::Unknown | Verdict::Timeout => Mark::Unknown,
        };
        // How a supported method refuses to be called without arguments is of no interest.
        let note = method.note.as_deref().filter(|_| mark != Mark::Ok);
        let latency = method.latency_ms.map(|latency| format!("{latency:.1} ms"));
        self.line(mark, method.method, note.or(latency.as_deref()).unwrap_or_default());
    }

    fn limits(&mut self, limits: &Limits) {
        self.section("PROVIDER LIMITS");
        self.bound("eth_getLogs block range", "blocks", &limits.block_range);
        self.bound("eth_getLogs addresses", "addresses", &limits.address_count);
        self.bound("batch", "calls", &limits.batch);
        for param in &limits.block_params {
            let note = param.note.as_deref().unwrap_or_default();
            self.line(Mark::of(param.supported), &format!("block parameter {}", param.tag), note);
        }
        let archive = &limits.archive;
        let (mark, word) = match archive.verdict {
            ArchiveVerdict::Full => (Mark::Ok, "full"),
            ArchiveVerdict::Partial if archive.balance => (Mark::Unknown, "partial, without logs"),
            ArchiveVerdict::Partial => (Mark::Unknown, "partial, without state"),
            ArchiveVerdict::None => (Mark::Fail, "none"),
        };
        self.line(mark, &format!("archive at block {}", archive.block), word);
        if let Some(note) = &archive.note {
            self.line(Mark::Info, note, "");
        }
        if let Some(rate) = &limits.rate_limit {
            let (mark, word) = match rate.verdict {
                RateLimitVerdict::Limited => (Mark::Fail, "limited"),
                RateLimitVerdict::Inconclusive => (Mark::Unknown, "inconclusive"),
                RateLimitVerdict::Unlimited => (Mark::Ok, "unlimited"),
            };
            self.line(mark, "rate limit", format_args!("{word}, {} of {} ok", rate.ok, rate.requests));
        }
    }

    fn bound(&mut self, name: &str, unit: &str, bound: &Bound) {
        let most = bound.max.map_or_else(|| "none".to_owned(), |max| format!("{max} {unit}"));
        let (mark, text) = match bound.verdict {
            BoundVerdict::Unlimited => (Mark::Ok, format!("at least {most}")),
            BoundVerdict::Limited => (Mark::Info, format!("at most {most}")),
            BoundVerdict::Unsupported => (Mark::Fail, "not supported".to_owned()),
            BoundVerdict::Inconclusive => (Mark::Unknown, format!("inconclusive after {most}")),
        };
        self.line(mark, name, text);
        if let Some(note) = &bound.note {
            self.line(Mark::Info, note, "");
        }
    }

    fn websocket(&mut self, websocket: &WebSocket) {
        self.section("WEBSOCKET");
        match websocket.connect_ms {
            Some(connect) => self.line(Mark::Ok, "connected", format_args!("{connect:.1} ms")),
            None => self.line(Mark::Fail, "not connected", ""),
        }
        if let Some(error) = &websocket.error {
            self.line(Mark::Fail, error, "");
        }
        if let Some(latency) = websocket.latency_ms {
            self.line(Mark::Info, "latency", format_args!("{latency:.1} ms"));
        }
        for request in &websocket.requests {
            let latency = format!("{:.1} ms", request.latency_ms);
            self.line(Mark::of(request.ok), request.method, request.note.as_ref().unwrap_or(&latency));
        }
        for subscription in &websocket.subscriptions {
            let mark = match (subscription.subscribed, subscription.first_event_ms) {
                (false, _) => Mark::Fail,
                (true, Some(_)) => Mark::Ok,
                (true, None) => Mark::Info,
            };
            let event = subscription.first_event_ms.map(|waited| format!("event after {waited:.1} ms"));
            let text = subscription.note.as_ref().or(event.as_ref()).map_or("", String::as_str);
            self.line(mark, &format!("subscription {}", subscription.topic), text);
            if subscription.subscribed && !subscription.unsubscribed {
                self.line(Mark::Fail, "eth_unsubscribe did not end it", "");
            }
        }
    }

    fn recommendations(&mut self, advice: &Recommendations) {
        self.section("RECOMMENDATIONS");
        if let Some(range) = advice.max_block_range {
            self.line(Mark::Info, "suggested max_block_range", range);
        }
        if let Some(addresses) = advice.max_addresses {
            self.line(Mark::Info, "suggested max_addresses", addresses);
        }
        for category in &advice.unsupported_categories {
            self.line(Mark::Info, &format!("exclude category {category}"), "");
        }
        for method in &advice.unsupported_methods {
            self.line(Mark::Info, &format!("exclude method {method}"), "");
        }
        match &advice.yaml {
            Some(yaml) => {
                self.print(format_args!("\nFor the provider's entry in a profile:\n"));
                self.text.push_str(yaml);
            }
            None => self.line(Mark::Ok, "nothing needs to be declared", ""),
        }
    }

    fn section(&mut self, title: &str) {
        self.text.push('\n');
        self.rule();
        self.print(format_args!("{title}"));
        self.rule();
    }

    fn rule(&mut self) {
        self.print(format_args!("{}", "=".repeat(WIDTH)));
    }

    fn line(&mut self, mark: Mark, name: &str, text: impl Display) {
        let line = format!("  {:<8} {name:<NAME$} {text}", mark.as_str());
        let line = line.trim_end();
        // Notes of endpoints may be long; what matters of them stands at the beginning.
        match line.char_indices().nth(WIDTH) {
            Some(_) => {
                let kept: String = line.chars().take(WIDTH - 1).collect();
                self.print(format_args!("{kept}…"));
            }
            None => self.print(format_args!("{line}")),
        }
    }

    fn print(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes whatever is written to it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::catalogue::Level;
    use crate::probe::recommend::recommend;
    use crate::probe::report::{Archive, BlockParam, Node, RateLimit, Request, Subscription};

    fn report() -> Report {
        let method = |category, method, verdict, note: Option<&str>| Method {
            method,
            category,
            verdict,
            latency_ms: Some(1.25),
            note: note.map(str::to_owned),
        };
        let methods = Methods {
            level: Level::Full,
            methods: vec![
                method("core", "eth_chainId", Verdict::Supported, None),
                method("core", "eth_getBlockByHash", Verdict::Timeout, Some("no answer within 5 ms")),
                method("debug", "debug_traceCall", Verdict::Unsupported, Some("-32601: no such method")),
            ],
        };
        let limits = Limits {
            block_range: Bound {
                verdict: BoundVerdict::Limited,
                max: Some(990),
                note: Some("x".repeat(300)),
            },
            address_count: Bound { verdict: BoundVerdict::Unlimited, max: Some(100), note: None },
            batch: Bound { verdict: BoundVerdict::Unsupported, max: None, note: None },
            block_params: vec![BlockParam { tag: "safe", supported: false, note: Some("no".into()) }],
            archive: Archive {
                verdict: ArchiveVerdict::Partial,
                chain: "ethereum",
                block: 100,
                balance: true,
                logs: false,
                note: None,
            },
            rate_limit: Some(RateLimit {
                verdict: RateLimitVerdict::Limited,
                requests: 100,
                ok: 60,
                limited: 40,
                elapsed_ms: 5.0,
            }),
        };
        let websocket = WebSocket {
            connected: true,
            connect_ms: Some(3.0),
            latency_ms: Some(1.0),
            requests: vec![Request { method: "eth_chainId", ok: true, latency_ms: 1.0, note: None }],
            subscriptions: vec![Subscription {
                topic: "newHeads",
                subscribed: true,
                first_event_ms: Some(8.0),
                unsubscribed: true,
                note: None,
            }],
            ..WebSocket::default()
        };
        Report {
            url: "https://h/v2/0123***".into(),
            websocket_url: "wss://h/v2/0123***".into(),
            http_error: None,
            node: Some(Node { chain_id: Some(1), height: Some(7), client_version: None }),
            recommendations: recommend(Some(&methods), Some(&limits)),
            methods: Some(methods),
            limits: Some(limits),
            websocket: Some(websocket),
        }
    }

    #[test]
    fn the_table_has_four_sections_between_rules_of_eighty_columns() {
        let table = table(&report());
        let rule = "=".repeat(80);
        for section in ["METHOD SUPPORT", "PROVIDER LIMITS", "WEBSOCKET", "RECOMMENDATIONS"] {
            assert!(table.contains(&format!("\n{rule}\n{section}\n{rule}\n")), "{section}\n{table}");
        }
        for line in table.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn every_finding_has_its_mark() {
        let table = table(&report());
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = table.lines().map(words).collect();
        for line in [
            "ok eth_chainId 1.2 ms",
            "unknown eth_getBlockByHash no answer within 5 ms",
            "fail debug_traceCall -32601: no such method",
            "info eth_getLogs block range at most 990 blocks",
            "ok eth_getLogs addresses at least 100 addresses",
            "fail batch not supported",
            "fail block parameter safe no",
            "unknown archive at block 100 partial, without logs",
            "fail rate limit limited, 60 of 100 ok",
            "ok connected 3.0 ms",
            "ok subscription newHeads event after 8.0 ms",
            "info suggested max_block_range 990",
            "info exclude category debug",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line:?} is not in\n{table}");
        }
        assert!(table.contains("            max_block_range: 990\n"), "{table}");
    }

    #[test]
    fn what_did_not_run_has_no_section() {
        let report = Report {
            methods: None,
            limits: None,
            websocket: None,
            recommendations: Recommendations::default(),
            ..report()
        };
        let table = table(&report);
        assert!(!table.contains("METHOD SUPPORT") && !table.contains("WEBSOCKET"), "{table}");
        assert!(table.contains("nothing needs to be declared"), "{table}");
    }
}
