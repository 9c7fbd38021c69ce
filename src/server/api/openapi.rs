//! `GET /api/openapi.json`: what all pages answer, as an [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.1.html)
//! document.
//!
//! It is written by hand beside the code. That it is true is tested: answers of a running router are validated against
//! it, and no page is without its part of it.

/// The document.
pub(in crate::server) const DOCUMENT: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn it_is_of_this_version() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn every_page_of_the_site_is_in_it_and_no_other() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let described: BTreeSet<&str> =
            document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let described: BTreeSet<&str> = described
            .into_iter()
            .filter(|path| path.starts_with("/api/"))
            // What follows is a part of the path that the site takes out.
            .map(|path| path.split_inclusive("{").next().unwrap().trim_end_matches('{'))
            .collect();
        // The texts of the program that are paths of pages.
        let site = include_str!("../site.rs");
        let served: BTreeSet<&str> = site.split('"').filter(|text| text.starts_with("/api/")).collect();
        assert_eq!(described, served);
    }
}
