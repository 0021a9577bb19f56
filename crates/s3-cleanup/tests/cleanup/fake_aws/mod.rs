//! An account's buckets and its one stack behind a programmable HTTP client. What S3 refuses, this refuses: more than 1,000 keys in a
//! `DeleteObjects`, a body that is not XML 1.0 or has no checksum, a bucket of another owner. Versions are listed in
//! S3's order (by key, the newest first) and from a marker on even if the version that it names is gone.

mod bucket;
mod call;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use lambda_sdk::test_util::{FakeHttp, Reply, Sent};

pub(crate) use bucket::Bucket;
pub(crate) use call::Call;

/// The owner of all buckets that are not said to be another's.
pub(crate) const OWNER: &str = "111122223333";

/// Where CloudFormation takes answers.
pub(crate) const ANSWER_URL: &str = "https://cloudformation.example/answer?X-Amz-Signature=5ecre7";

/// Most entries of one page.
const PAGE: usize = 1_000;

/// An error as S3 tells it.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::status(
        status,
        format!(
            "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"
        ),
    )
}

/// An error as CloudFormation tells it.
pub(crate) fn query_error(status: u16, code: &str, message: &str) -> Reply {
    Reply::Response(
        status,
        vec![("x-amzn-requestid", "11111111-2222-3333".to_owned())],
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             </ErrorResponse>"
        ),
    )
}

/// Why S3 refuses to delete one version of a `DeleteObjects`: code and message.
pub(crate) type KeyError = (&'static str, &'static str);

type Buckets = Arc<Mutex<BTreeMap<String, Bucket>>>;

/// The buckets and the stack, and what is known of the requests for them.
#[derive(Clone, Debug)]
pub(crate) struct FakeAws {
    buckets: Buckets,
    stack_status: Arc<Mutex<String>>,
    /// The other side of the HTTP client.
    pub(crate) http: FakeHttp,
}

impl FakeAws {
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
        let stack_status = Arc::new(Mutex::new("DELETE_IN_PROGRESS".to_owned()));
        let (shared, status) = (Arc::clone(&buckets), Arc::clone(&stack_status));
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
            if call.operation == "DescribeStacks" {
                return describe_stacks(&status.lock().unwrap());
            }
            let Some(bucket) = buckets.get_mut(&call.bucket) else {
                return error(404, "NoSuchBucket", "The specified bucket does not exist");
            };
            if sent.headers.get("x-amz-expected-bucket-owner") != Some(&bucket.owner) {
                return error(403, "AccessDenied", "Access Denied");
            }
            match call.operation {
                "GetBucketTagging" => bucket.tagging(),
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
                _ => bucket.abort(&call),
            }
        });
        Self {
            buckets,
            stack_status,
            http,
        }
    }

    /// Puts the stack into this status.
    pub(crate) fn in_status(self, status: &str) -> Self {
        status.clone_into(&mut self.stack_status.lock().unwrap());
        self
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

fn describe_stacks(status: &str) -> Reply {
    Reply::ok(format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
         <Stacks><member><StackName>patch-reporting</StackName><CreationTime>2026-01-15T12:00:00Z</CreationTime>\
         <StackStatus>{status}</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    ))
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
    if call.objects.is_empty() || call.objects.len() > PAGE || !call::is_xml(&sent.body) {
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
