//! A bucket of any number of objects that takes no memory to speak of: key and place of each are computed, and one bit
//! says whether it is gone. S3's own limit on deletes can be set. The stack that owns it is being deleted.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use s3_cleanup::{Cleanup, s3_client};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Most entries of one page.
const PAGE: usize = 1_000;

/// Objects in one folder of an account; folders of accounts in one of a type.
const PER_ACCOUNT: usize = 2_500;
const ACCOUNTS_PER_TYPE: usize = 20;

/// A text behind all that begins like it.
const LAST: char = '\u{10ffff}';

/// S3's limit on the keys that are deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Keys a second.
    pub(crate) rate: f64,
    /// Keys that may come at once.
    pub(crate) burst: f64,
}

#[derive(Debug)]
struct State {
    objects: usize,
    /// One bit for each object.
    gone: Vec<u64>,
    left: usize,
    limit: Option<Limit>,
    tokens: f64,
    counted: Instant,
    answers: Vec<Value>,
    refused: usize,
    deletes: usize,
}

/// The bucket, and the place that takes CloudFormation's answers.
#[derive(Clone, Debug)]
pub(crate) struct SyntheticS3 {
    state: Arc<Mutex<State>>,
    latency: Duration,
}

impl SyntheticS3 {
    /// A bucket of so many objects in which each request takes so long.
    pub(crate) fn new(objects: usize, latency: Duration, limit: Option<Limit>) -> Self {
        let state = State {
            objects,
            gone: vec![0; objects.div_ceil(64)],
            left: objects,
            limit,
            tokens: limit.map_or(0.0, |limit| limit.burst),
            counted: Instant::now(),
            answers: Vec::new(),
            refused: 0,
            deletes: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            latency,
        }
    }

    /// The provider, which finds the bucket and nothing else.
    pub(crate) fn cleanup(&self) -> Cleanup {
        let env = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "111122223333"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let env = BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let config = lambda_sdk::sdk_config(&env, self.connector()).unwrap();
        let cloudformation = aws_sdk_cloudformation::Client::new(&config);
        Cleanup::new(s3_client(&env, &config), cloudformation)
    }

    pub(crate) fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    /// How many objects there are.
    pub(crate) fn left(&self) -> usize {
        self.lock().left
    }

    /// How many `DeleteObjects` were sent, and how many of them were refused.
    pub(crate) fn deletes(&self) -> (usize, usize) {
        let state = self.lock();
        (state.deletes, state.refused)
    }

    /// All that CloudFormation was answered.
    pub(crate) fn answers(&self) -> Vec<Value> {
        self.lock().answers.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl HttpConnector for SyntheticS3 {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (status, body) = self.lock().answer(&request);
        let latency = self.latency;
        HttpConnectorFuture::new(async move {
            sleep(latency).await;
            Ok(HttpResponse::new(
                status.try_into().unwrap(),
                SdkBody::from(body),
            ))
        })
    }
}

impl State {
    fn answer(&mut self, request: &HttpRequest) -> (u16, String) {
        let body = request.body().bytes().unwrap_or_default();
        let uri = request.uri();
        match request.method() {
            "PUT" => {
                self.answers.push(serde_json::from_slice(body).unwrap());
                (200, String::new())
            }
            "POST" if uri.contains("cloudformation") => (
                200,
                "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName>\
                 <CreationTime>2026-01-15T12:00:00Z</CreationTime><StackStatus>DELETE_IN_PROGRESS</StackStatus>\
                 </member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
                    .to_owned(),
            ),
            "POST" => self.delete(std::str::from_utf8(body).unwrap()),
            _ if uri.contains("?tagging") => (
                200,
                "<Tagging><TagSet><Tag><Key>patch-reporting:empty-on-delete</Key><Value>true</Value></Tag></TagSet>\
                 </Tagging>"
                    .to_owned(),
            ),
            _ if uri.contains("uploads") => (
                200,
                "<ListMultipartUploadsResult/>".to_owned(),
            ),
            _ => {
                let parameter = |name: &str| {
                    let query = uri.split_once('?').unwrap().1;
                    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                    let value = pairs.find(|(key, _)| *key == name)?.1;
                    Some(
                        percent_encoding::percent_decode_str(value)
                            .decode_utf8()
                            .unwrap()
                            .into_owned(),
                    )
                };
                let prefix = parameter("prefix").unwrap_or_default();
                let marker = parameter("key-marker").unwrap_or_default();
                (200, self.list(&prefix, parameter("delimiter").is_some(), &marker))
            }
        }
    }

    fn list(&self, prefix: &str, by_folder: bool, marker: &str) -> String {
        let end = self.place(&format!("{prefix}{LAST}"));
        let mut index = self.place(prefix).max(self.place(&format!("{marker}\0")));
        let (mut entries, mut count, mut last) = (String::new(), 0, String::new());
        loop {
            index = self.next_left(index).min(end);
            if index == end || count == PAGE {
                break;
            }
            let key = key(index);
            let folder = by_folder
                .then(|| key[prefix.len()..].find('/'))
                .flatten()
                .map(|length| &key[..=prefix.len() + length]);
            let Some(folder) = folder else {
                count += 1;
                let _ = write!(
                    entries,
                    "<Version><Key>{key}</Key><VersionId>3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrH</VersionId></Version>"
                );
                index += 1;
                last = key;
                continue;
            };
            index = self.place(&format!("{folder}{LAST}"));
            // A folder that begins before the marker is not named again, though it may go on behind it.
            if folder <= marker {
                continue;
            }
            count += 1;
            let _ = write!(
                entries,
                "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
            );
            folder.clone_into(&mut last);
        }
        let is_truncated = index < end;
        let next = if is_truncated {
            format!("<NextKeyMarker>{last}</NextKeyMarker>")
        } else {
            String::new()
        };
        format!(
            "<ListVersionsResult><IsTruncated>{is_truncated}</IsTruncated>{next}{entries}</ListVersionsResult>"
        )
    }

    fn delete(&mut self, body: &str) -> (u16, String) {
        let keys: Vec<_> = body
            .split("<Key>")
            .skip(1)
            .map(|rest| rest.split_once('<').unwrap().0)
            .collect();
        self.deletes += 1;
        if !self.takes(keys.len()) {
            self.refused += 1;
            // S3 refuses this operation inside of a 200.
            return (
                200,
                "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
                    .to_owned(),
            );
        }
        for key in keys {
            let index = self.place(key);
            let (word, bit) = (index / 64, 1 << (index % 64));
            assert_eq!(self.gone[word] & bit, 0, "{key} is deleted twice");
            self.gone[word] |= bit;
            self.left -= 1;
        }
        (200, "<DeleteResult></DeleteResult>".to_owned())
    }

    fn takes(&mut self, keys: usize) -> bool {
        let Some(limit) = self.limit else {
            return true;
        };
        let keys = f64::from(u32::try_from(keys).unwrap());
        let gained = self.counted.elapsed().as_secs_f64() * limit.rate;
        self.counted = Instant::now();
        self.tokens = (self.tokens + gained).min(limit.burst);
        let takes = self.tokens >= keys;
        if takes {
            self.tokens -= keys;
        }
        takes
    }

    /// The first object from `index` on that is not gone.
    fn next_left(&self, mut index: usize) -> usize {
        while index < self.objects {
            let ahead = self.gone[index / 64] >> (index % 64);
            let skip = (!ahead).trailing_zeros() as usize;
            if skip < 64 - index % 64 {
                return index + skip;
            }
            index = (index / 64 + 1) * 64;
        }
        self.objects
    }

    /// The first object whose key is not before `text`.
    fn place(&self, text: &str) -> usize {
        let (mut low, mut high) = (0, self.objects);
        while low < high {
            let middle = usize::midpoint(low, high);
            if *key(middle) < *text {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// The key of an object, in the order of the objects and in the layout of a resource data sync.
fn key(index: usize) -> String {
    let (account, object) = (index / PER_ACCOUNT, index % PER_ACCOUNT);
    let (kind, account) = (account / ACCOUNTS_PER_TYPE, account % ACCOUNTS_PER_TYPE);
    format!(
        "ResourceDataSync/AWS:Type{kind:04}/accountid={account:012}/region=us-east-1/\
         resourcetype=ManagedInstanceInventory/i-{object:017x}.json"
    )
}
