//! An account's buckets behind a programmable HTTP client. What S3 refuses, this refuses: more than 1,000 keys in a
//! `DeleteObjects`, a body that is not XML 1.0 or has no checksum, a bucket of another owner. Versions are listed in
//! S3's order (by key, the newest first) and from a marker on even if the version that it names is gone.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use lambda_sdk::test_util::{FakeHttp, Reply, Sent};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The owner of all buckets that are not said to be another's.
pub(crate) const OWNER: &str = "111122223333";

/// Where CloudFormation takes answers.
pub(crate) const ANSWER_URL: &str = "https://cloudformation.example/answer?X-Amz-Signature=secret";

/// Most entries of one page.
const PAGE: usize = 1_000;

#[derive(Clone, Debug)]
struct Version {
    /// Grows with each version that is written; 0 is the `null` version.
    number: u64,
    is_delete_marker: bool,
}

impl Version {
    fn id(&self) -> String {
        match self.number {
            0 => "null".to_owned(),
            number => format!("v{number}"),
        }
    }
}

/// One bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    owner: String,
    /// By key; the newest first.
    versions: BTreeMap<String, Vec<Version>>,
    /// Pairs of key and upload id, in S3's order.
    uploads: Vec<(String, String)>,
    written: u64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            owner: OWNER.to_owned(),
            versions: BTreeMap::new(),
            uploads: Vec::new(),
            written: 0,
        }
    }
}

impl Bucket {
    /// Gives the bucket to another account.
    pub(crate) fn owned_by(mut self, account: &str) -> Self {
        account.clone_into(&mut self.owner);
        self
    }

    /// Writes a version of an object.
    pub(crate) fn put(&mut self, key: &str) {
        self.write(key, false);
    }

    /// Puts a delete marker on top of an object.
    pub(crate) fn mark_deleted(&mut self, key: &str) {
        self.write(key, true);
    }

    /// Writes an object as in a bucket whose versioning was never on.
    pub(crate) fn put_null(&mut self, key: &str) {
        let null = Version {
            number: 0,
            is_delete_marker: false,
        };
        self.versions.insert(key.to_owned(), vec![null]);
    }

    /// Begins an upload in parts.
    pub(crate) fn begin_upload(&mut self, key: &str, id: &str) {
        self.uploads.push((key.to_owned(), id.to_owned()));
        self.uploads.sort();
    }

    /// Ends all uploads of an object.
    pub(crate) fn end_upload(&mut self, key: &str) {
        self.uploads.retain(|(other, _)| other != key);
    }

    /// The keys of all versions and delete markers, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self
            .versions
            .iter()
            .flat_map(|(key, versions)| vec![key.clone(); versions.len()]);
        keys.collect()
    }

    /// How many incomplete uploads there are.
    pub(crate) fn uploads(&self) -> usize {
        self.uploads.len()
    }

    fn write(&mut self, key: &str, is_delete_marker: bool) {
        self.written += 1;
        let version = Version {
            number: self.written,
            is_delete_marker,
        };
        self.versions
            .entry(key.to_owned())
            .or_default()
            .insert(0, version);
    }

    fn remove(&mut self, key: &str, version_id: &str) {
        if let Some(versions) = self.versions.get_mut(key) {
            versions.retain(|version| version.id() != version_id);
            if versions.is_empty() {
                self.versions.remove(key);
            }
        }
    }

    fn list(&self, call: &Call) -> Reply {
        let parameter = |name| call.query.get(name).cloned().unwrap_or_default();
        assert_eq!(
            parameter("encoding-type"),
            "url",
            "keys that XML can't carry would break the page"
        );
        let (prefix, delimiter, key_marker) = (
            parameter("prefix"),
            parameter("delimiter"),
            parameter("key-marker"),
        );
        let version_marker = match parameter("version-id-marker").as_str() {
            "" => None,
            "null" => Some(0),
            id => Some(id[1..].parse::<u64>().expect("an id of ours")),
        };

        let (mut entries, mut count, mut last_folder) = (String::new(), 0, String::new());
        let (mut next_key, mut next_version) = (String::new(), String::new());
        for (key, versions) in self
            .versions
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
        {
            let below = &key[prefix.len()..];
            let folder = (!delimiter.is_empty())
                .then(|| below.find(&delimiter))
                .flatten();
            if let Some(end) = folder {
                let folder = &key[..prefix.len() + end + delimiter.len()];
                if *key <= key_marker
                    || folder <= key_marker.as_str() && key_marker == folder
                    || last_folder == folder
                {
                    continue;
                }
                if count == PAGE {
                    return truncated(&entries, &next_key, &next_version);
                }
                count += 1;
                folder.clone_into(&mut last_folder);
                folder.clone_into(&mut next_key);
                next_version.clear();
                let _ = write!(
                    entries,
                    "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>",
                    encode(folder)
                );
                continue;
            }
            for version in versions {
                let is_behind_marker = match version_marker {
                    Some(number) if *key == key_marker => version.number < number,
                    _ => *key > key_marker,
                };
                if !is_behind_marker {
                    continue;
                }
                if count == PAGE {
                    return truncated(&entries, &next_key, &next_version);
                }
                count += 1;
                key.clone_into(&mut next_key);
                next_version = version.id();
                let element = if version.is_delete_marker {
                    "DeleteMarker"
                } else {
                    "Version"
                };
                let _ = write!(
                    entries,
                    "<{element}><Key>{}</Key><VersionId>{next_version}</VersionId></{element}>",
                    encode(key)
                );
            }
        }
        Reply::ok(format!(
            "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{entries}\
             </ListVersionsResult>"
        ))
    }

    fn list_uploads(&self, call: &Call) -> Reply {
        let parameter = |name| call.query.get(name).cloned().unwrap_or_default();
        let marker = (parameter("key-marker"), parameter("upload-id-marker"));
        let behind: Vec<_> = self
            .uploads
            .iter()
            .filter(|upload| **upload > marker)
            .collect();
        let mut entries = String::new();
        for (key, id) in behind.iter().take(PAGE) {
            let _ = write!(
                entries,
                "<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>",
                encode(key)
            );
        }
        let is_truncated = behind.len() > PAGE;
        if is_truncated {
            let (key, id) = behind[PAGE - 1];
            let _ = write!(
                entries,
                "<NextKeyMarker>{}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>",
                encode(key)
            );
        }
        Reply::ok(format!(
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>{is_truncated}</IsTruncated>\
             {entries}</ListMultipartUploadsResult>"
        ))
    }
}

fn truncated(entries: &str, next_key: &str, next_version: &str) -> Reply {
    let version = match next_version {
        "" => String::new(),
        id => format!("<NextVersionIdMarker>{id}</NextVersionIdMarker>"),
    };
    Reply::ok(format!(
        "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>{entries}\
         <NextKeyMarker>{}</NextKeyMarker>{version}</ListVersionsResult>",
        encode(next_key)
    ))
}

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
            ("GET", true) if query.contains_key("versions") => "ListObjectVersions",
            ("GET", true) if query.contains_key("uploads") => "ListMultipartUploads",
            ("POST", true) if query.contains_key("delete") => "DeleteObjects",
            ("DELETE", false) if query.contains_key("uploadId") => "AbortMultipartUpload",
            ("DELETE", false) => "DeleteObject",
            ("PUT", _) if sent.uri == ANSWER_URL => "answer",
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
fn encode(key: &str) -> String {
    let encoded = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
    encoded.replace("%2F", "/").replace("%20", "+")
}

fn is_xml(body: &str) -> bool {
    !body.contains(|c: char| {
        c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}')
    })
}

/// An error as S3 tells it.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::status(
        status,
        format!(
            "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"
        ),
    )
}

/// Why S3 refuses to delete one version of a `DeleteObjects`: code and message.
pub(crate) type KeyError = (&'static str, &'static str);

type Buckets = Arc<Mutex<BTreeMap<String, Bucket>>>;

/// The buckets, and what is known of the requests for them.
#[derive(Clone, Debug)]
pub(crate) struct FakeS3 {
    buckets: Buckets,
    /// The other side of the HTTP client.
    pub(crate) http: FakeHttp,
}

impl FakeS3 {
    /// Buckets that do what they are told.
    pub(crate) fn new<const N: usize>(buckets: [(&str, Bucket); N]) -> Self {
        Self::with_faults(buckets, |_, _| None, |_, _| None)
    }

    /// Buckets of which `before` sees each call first, may change them, and may answer in their place; and of which
    /// `refuse` may refuse a key of a `DeleteObjects`, by the number of such calls before.
    pub(crate) fn with_faults<const N: usize>(
        buckets: [(&str, Bucket); N],
        mut before: impl FnMut(&Call, &mut BTreeMap<String, Bucket>) -> Option<Reply> + Send + 'static,
        mut refuse: impl FnMut(&str, usize) -> Option<KeyError> + Send + 'static,
    ) -> Self {
        let buckets: Buckets = Arc::new(Mutex::new(
            buckets
                .map(|(name, bucket)| (name.to_owned(), bucket))
                .into(),
        ));
        let shared = Arc::clone(&buckets);
        let mut deletes = 0;
        let http = FakeHttp::new(move |sent| {
            let call = Call::new(sent);
            let mut buckets = shared.lock().expect("not poisoned");
            if let Some(reply) = before(&call, &mut buckets) {
                return reply;
            }
            if call.operation == "answer" {
                return Reply::ok("");
            }
            let Some(bucket) = buckets.get_mut(&call.bucket) else {
                return error(404, "NoSuchBucket", "The specified bucket does not exist");
            };
            if sent.headers.get("x-amz-expected-bucket-owner") != Some(&bucket.owner) {
                return error(403, "AccessDenied", "Access Denied");
            }
            match call.operation {
                "ListObjectVersions" => bucket.list(&call),
                "ListMultipartUploads" => bucket.list_uploads(&call),
                "DeleteObjects" => {
                    deletes += 1;
                    delete_objects(bucket, sent, &call, |key| refuse(key, deletes - 1))
                }
                "DeleteObject" => {
                    bucket.remove(&call.key, &call.query["versionId"]);
                    Reply::status(204, "")
                }
                _ => {
                    let upload = (call.key.clone(), call.query["uploadId"].clone());
                    if !bucket.uploads.contains(&upload) {
                        return error(
                            404,
                            "NoSuchUpload",
                            "The specified multipart upload does not exist.",
                        );
                    }
                    bucket.uploads.retain(|other| *other != upload);
                    Reply::status(204, "")
                }
            }
        });
        Self { buckets, http }
    }

    /// The bucket as it is now.
    pub(crate) fn bucket(&self, name: &str) -> Bucket {
        self.lock()[name].clone()
    }

    /// The calls that were made, retries included.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.http.sent().iter().map(Call::new).collect()
    }

    /// The calls of one operation.
    pub(crate) fn calls_of(&self, operation: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.operation == operation);
        calls
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().expect("not poisoned")
    }
}

fn delete_objects(
    bucket: &mut Bucket,
    sent: &Sent,
    call: &Call,
    mut refuse: impl FnMut(&str) -> Option<KeyError>,
) -> Reply {
    let has_checksum = sent
        .headers
        .keys()
        .any(|name| name.starts_with("x-amz-checksum-") || name == "content-md5");
    if !has_checksum {
        return error(
            400,
            "InvalidRequest",
            "Missing required header for this request: Content-MD5",
        );
    }
    if call.objects.is_empty() || call.objects.len() > PAGE || !is_xml(&sent.body) {
        return error(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate",
        );
    }
    assert!(
        sent.body.contains("<Quiet>true</Quiet>"),
        "a verbose answer repeats every key"
    );
    let mut errors = String::new();
    for (key, version_id) in &call.objects {
        match refuse(key) {
            None => bucket.remove(key, version_id),
            Some((code, message)) => {
                let escaped = key
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('\n', "&#xA;");
                let _ = write!(
                    errors,
                    "<Error><Key>{escaped}</Key><VersionId>{version_id}</VersionId><Code>{code}</Code>\
                     <Message>{message}</Message></Error>"
                );
            }
        }
    }
    Reply::ok(format!("<DeleteResult>{errors}</DeleteResult>"))
}
