//! The files of the pages, as they were when the program was built.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;

/// One file.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) content: &'static [u8],
    /// The same as gzip (RFC 1952).
    pub(super) packed: Bytes,
    /// The media type.
    pub(super) kind: &'static str,
    /// An entity tag: other content has another one. Weak, because both forms carry it (RFC 9110 section 8.8.1).
    pub(super) tag: HeaderValue,
}

impl Asset {
    fn new(name: &str, content: &'static [u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let tag = format!("W/\"{:016x}\"", hasher.finish());
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(content).expect("a vector takes whatever is written");
        Self {
            content,
            packed: packer.finish().expect("a vector takes whatever is written").into(),
            kind: kind(name),
            tag: HeaderValue::try_from(tag).expect("hexadecimal digits in quotes are a header value"),
        }
    }

    /// Is its entity tag in this value of `If-None-Match`? The comparison is weak (RFC 9110 section 13.1.2).
    pub(super) fn is_among(&self, tags: &HeaderValue) -> bool {
        let (Ok(tags), Ok(own)) = (tags.to_str(), self.tag.to_str()) else { return false };
        tags.split(',').map(str::trim).any(|tag| tag == "*" || opaque(tag) == opaque(own))
    }
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// The page that loads the others.
pub(super) static SHELL: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("index.html", include_bytes!("assets/index.html")));

/// The file of that name, such as `js/main.js`. The first call packs them all, which takes some milliseconds.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    static ASSETS: LazyLock<HashMap<&str, Asset>> =
        LazyLock::new(|| FILES.iter().map(|&(name, content)| (name, Asset::new(name, content))).collect());
    ASSETS.get(name)
}

macro_rules! files {
    ($($name:literal)*) => {
        /// All files by name. A test holds this list against the folder.
        pub(super) static FILES: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!("assets/", $name)) as &[u8])),*];
    };
}

files! {
    "css/base.css"
    "css/charts.css"
    "css/decisions.css"
    "css/details.css"
    "css/frame.css"
    "css/metrics.css"
    "css/parts.css"
    "css/streams.css"
    "css/system.css"
    "css/tester.css"
    "css/tokens.css"
    "css/topology.css"
    "icon.svg"
    "js/charts/bar.js"
    "js/charts/line.js"
    "js/charts/plot.js"
    "js/charts/scale.js"
    "js/charts/spark.js"
    "js/charts/timeline.js"
    "js/dom.js"
    "js/format.js"
    "js/frame.js"
    "js/icons.js"
    "js/live.js"
    "js/main.js"
    "js/overview/activity.js"
    "js/overview/breaker.js"
    "js/overview/canvas.js"
    "js/overview/chain.js"
    "js/overview/details.js"
    "js/overview/endpoints.js"
    "js/overview/flow.js"
    "js/overview/layout.js"
    "js/overview/parts.js"
    "js/overview/provider.js"
    "js/overview/regions.js"
    "js/overview/summary.js"
    "js/overview/topology.js"
    "js/profiles.js"
    "js/router.js"
    "js/status.js"
    "js/store.js"
    "js/theme.js"
    "js/views/decisions-dry-run.js"
    "js/views/decisions-request.js"
    "js/views/decisions.js"
    "js/views/explanation.js"
    "js/views/metrics-breakers.js"
    "js/views/metrics-latency.js"
    "js/views/metrics-methods.js"
    "js/views/metrics-providers.js"
    "js/views/metrics.js"
    "js/views/overview.js"
    "js/views/parts.js"
    "js/views/streams.js"
    "js/views/system.js"
    "js/views/tester-run.js"
    "js/views/tester.js"
}
