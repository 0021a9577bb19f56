//! A request on the wire, understood.

use std::collections::BTreeMap;

use lambda_sdk::test_util::Sent;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::ANSWER_URL;

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The operation's name in the API.
    pub(crate) operation: &'static str,
    /// The bucket in the host or, failing that, in the path.
    pub(crate) bucket: String,
    /// The object's key; empty if the call is not for one.
    pub(crate) key: String,
    /// The decoded parameters.
    pub(crate) query: BTreeMap<String, String>,
    /// Key and version id of each object of a `DeleteObjects`.
    pub(crate) objects: Vec<(String, String)>,
}

impl Call {
    /// Reads what was sent.
    pub(crate) fn new(sent: &Sent) -> Self {
        let decode = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .expect("UTF-8")
                .into_owned()
        };
        let (_, rest) = sent.uri.split_once("://").expect("a URL");
        let (host, path_and_query) = rest.split_once('/').unwrap_or((rest, ""));
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        let query: BTreeMap<_, _> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        let (bucket, key) = match host.split_once(".s3.") {
            Some((bucket, _)) => (bucket, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        let operation = match (sent.method.as_str(), key.is_empty()) {
            ("POST", true) if sent.body.starts_with("Action=DescribeStacks&") => "DescribeStacks",
            ("GET", true) if query.contains_key("tagging") => "GetBucketTagging",
            ("GET", true) if query.contains_key("versions") => "ListObjectVersions",
            ("GET", true) if query.contains_key("uploads") => "ListMultipartUploads",
            ("POST", true) if query.contains_key("delete") => "DeleteObjects",
            ("DELETE", false) if query.contains_key("uploadId") => "AbortMultipartUpload",
            ("DELETE", false) => "DeleteObject",
            ("PUT", _) if sent.uri.starts_with(ANSWER_URL) => "answer",
            _ => panic!("unexpected request: {} {}", sent.method, sent.uri),
        };
        Self {
            operation,
            bucket: bucket.to_owned(),
            key: decode(key),
            query,
            objects: objects(&sent.body),
        }
    }
}

fn objects(body: &str) -> Vec<(String, String)> {
    let element = |object: &str, name: &str| {
        let (_, rest) = object.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(unescape(text))
    };
    let objects = body.split("<Object>").skip(1).map(|object| {
        let key = element(object, "Key").expect("a key");
        (
            key,
            element(object, "VersionId").expect("a version: without one a delete marker is added"),
        )
    });
    objects.collect()
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, rest) = part.split_once(';').expect("an entity");
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            code => {
                let code = code.strip_prefix("#x").expect("a character reference");
                u32::from_str_radix(code, 16)
                    .ok()
                    .and_then(char::from_u32)
                    .expect("a character")
            }
        });
        plain.push_str(rest);
    }
    plain
}

/// Encodes as S3 does for `encoding-type=url`: like a form, but slashes are kept.
pub(super) fn encode(key: &str) -> String {
    let encoded = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
    encoded.replace("%2F", "/").replace("%20", "+")
}

pub(super) fn is_xml(body: &str) -> bool {
    !body.contains(|c: char| {
        c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}')
    })
}
