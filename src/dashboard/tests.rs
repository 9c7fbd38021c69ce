use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt;
use lasso_layers::edge::ingress::{RequestId, ResponseBody};

use super::assets::FILES;
use super::page;

/// What a browser may have to load in all, in bytes.
const WEIGHT: usize = 128 * 1024;

fn fetch(path: &str) -> Option<Response<ResponseBody>> {
    page(path, &HeaderMap::new(), &RequestId::of(&HeaderMap::new()))
}

fn fetch_with(path: &str, name: HeaderName, value: &str) -> Response<ResponseBody> {
    let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
    page(path, &headers, &RequestId::of(&HeaderMap::new())).unwrap()
}

async fn bytes(response: Response<ResponseBody>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

async fn text(response: Response<ResponseBody>) -> String {
    String::from_utf8(bytes(response).await).unwrap()
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

#[tokio::test]
async fn all_files_together_stay_light() {
    let mut weight = 0;
    for (name, _) in FILES {
        weight +=
            bytes(fetch_with(&format!("/dashboard/assets/{name}"), ACCEPT_ENCODING, "gzip")).await.len();
    }
    assert!(weight < WEIGHT, "{weight} bytes");
}

#[tokio::test]
async fn who_takes_gzip_gets_the_same_packed() {
    let path = "/dashboard/assets/js/main.js";
    let plain = text(fetch(path).unwrap()).await;
    for takes in ["gzip", "br, GZIP", "deflate;q=0.5, gzip;q=0.1"] {
        let response = fetch_with(path, ACCEPT_ENCODING, takes);
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip", "{takes}");
        assert_eq!(response.headers()[VARY], "accept-encoding");
        let mut unpacked = String::new();
        GzDecoder::new(&*bytes(response).await).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain);
    }
    for takes in ["", "br", "identity", "gzip;q=0", "gzip; q=0.0"] {
        let response = fetch_with(path, ACCEPT_ENCODING, takes);
        assert!(!response.headers().contains_key(CONTENT_ENCODING), "{takes}");
        assert_eq!(text(response).await, plain);
    }
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
    let strong = tag.strip_prefix("W/").unwrap().to_owned();
    for known in [tag.clone(), strong, format!("\"other\", {tag}"), "*".to_owned()] {
        let again = fetch_with(path, IF_NONE_MATCH, &known);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(again.headers()[ETAG], tag);
        assert_eq!(text(again).await, "");
    }
    let other = fetch_with(path, IF_NONE_MATCH, "\"other\"");
    assert_eq!(other.status(), StatusCode::OK);
    assert!(!text(other).await.is_empty());
}
