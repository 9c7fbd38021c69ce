use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use lasso_layers::edge::ingress::{RequestId, ResponseBody};

use super::assets::FILES;
use super::page;

/// What a browser may have to load in all, in bytes.
const WEIGHT: usize = 200 * 1024;

fn fetch(path: &str) -> Option<Response<ResponseBody>> {
    fetch_knowing(path, None)
}

fn fetch_knowing(path: &str, tags: Option<&str>) -> Option<Response<ResponseBody>> {
    let mut headers = HeaderMap::new();
    if let Some(tags) = tags {
        headers.insert(IF_NONE_MATCH, HeaderValue::from_str(tags).unwrap());
    }
    page(path, &headers, &RequestId::of(&HeaderMap::new()))
}

async fn text(response: Response<ResponseBody>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn files_below(folder: &Path, prefix: &str, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files_below(&entry.path(), &format!("{name}/"), into);
        } else {
            into.insert(name);
        }
    }
}

#[test]
fn every_file_of_the_folder_is_served() {
    let mut there = BTreeSet::new();
    files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/assets"), "", &mut there);
    assert!(there.remove("index.html"));
    let served: BTreeSet<_> = FILES.iter().map(|&(name, _)| name.to_owned()).collect();
    assert_eq!(served, there, "the list in assets.rs is not the folder");
}

#[test]
fn all_files_together_stay_light() {
    let weight: usize = FILES.iter().map(|(_, content)| content.len()).sum();
    assert!(weight < WEIGHT, "{weight} bytes");
}

#[tokio::test]
async fn the_shell_answers_for_every_profile() {
    for path in ["/dashboard", "/dashboard/", "/dashboard/default", "/dashboard/%C3%A4"] {
        let response = fetch(path).unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(text(response).await.starts_with("<!doctype html>"));
    }
}

#[test]
fn what_the_shell_asks_for_is_there() {
    let shell = include_str!("assets/index.html");
    let asked: Vec<_> = shell.split('"').filter(|part| part.starts_with("/dashboard/assets/")).collect();
    assert!(asked.len() > 5, "{asked:?}");
    for path in asked {
        assert_eq!(fetch(path).unwrap().status(), StatusCode::OK, "{path}");
    }
}

#[test]
fn each_kind_has_its_media_type_and_every_answer_the_policy() {
    for (path, status, kind) in [
        ("/dashboard", StatusCode::OK, "text/html; charset=utf-8"),
        ("/dashboard/assets/js/main.js", StatusCode::OK, "text/javascript; charset=utf-8"),
        ("/dashboard/assets/css/base.css", StatusCode::OK, "text/css; charset=utf-8"),
        ("/dashboard/assets/icon.svg", StatusCode::OK, "image/svg+xml"),
        ("/dashboard/assets/nothing.js", StatusCode::NOT_FOUND, "application/json; charset=utf-8"),
        ("/dashboard/assets/../mod.rs", StatusCode::NOT_FOUND, "application/json; charset=utf-8"),
        ("/dashboard/a/b", StatusCode::NOT_FOUND, "application/json; charset=utf-8"),
    ] {
        let response = fetch(path).unwrap();
        let headers = response.headers();
        assert_eq!((response.status(), headers[CONTENT_TYPE].to_str().unwrap()), (status, kind), "{path}");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
    }
}

#[test]
fn other_paths_are_left_alone() {
    for path in ["/", "/dashboards", "/api/dashboard", "/rpc/dashboard"] {
        assert!(fetch(path).is_none(), "{path}");
    }
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    let path = "/dashboard/assets/js/main.js";
    let first = fetch(path).unwrap();
    assert_eq!(first.headers()[CACHE_CONTROL], "no-cache");
    let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = fetch_knowing(path, Some(&known)).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(again.headers()[ETAG], tag);
        assert_eq!(text(again).await, "");
    }
    let other = fetch_knowing(path, Some("\"other\"")).unwrap();
    assert_eq!(other.status(), StatusCode::OK);
    assert!(!text(other).await.is_empty());
}
