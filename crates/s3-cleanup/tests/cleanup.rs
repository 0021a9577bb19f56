//! Requests of CloudFormation in, requests to S3 out: the real SDK client over a programmable HTTP client.

mod fake_s3;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use cfn_response::{Deadline, Request, RequestType, Responder, ResponseUrl, Success};
use lambda_runtime::{Context, LambdaEvent};
use lambda_sdk::test_util::Reply;
use s3_cleanup::{Cleanup, s3_client};
use serde_json::{Value, json};

use fake_s3::{Bucket, FakeS3, OWNER, error};

const STACK_ID: &str = "arn:aws:cloudformation:us-east-1:111122223333:stack/patch-reporting/51af3dc0-da77-11e4-872e-1234567db123";
const PHYSICAL_ID: &str = "patch-reporting/51af3dc0-da77-11e4-872e-1234567db123/S3Cleanup";

fn request(request_type: RequestType, buckets: &[&str]) -> Request {
    let Value::Object(properties) = json!({
        "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:cleanup",
        "ServiceTimeout": "1000",
        "BucketNames": buckets,
    }) else {
        unreachable!("an object")
    };
    Request {
        request_type,
        stack_id: STACK_ID.to_owned(),
        request_id: "afd8d7c5-9376-4013-8b3b-307517b8719e".to_owned(),
        resource_type: "Custom::S3BucketCleanupFunction".to_owned(),
        logical_resource_id: "S3Cleanup".to_owned(),
        physical_resource_id: (request_type != RequestType::Create).then(|| PHYSICAL_ID.to_owned()),
        old_properties: (request_type == RequestType::Update).then(|| properties.clone()),
        properties,
        response_url: ResponseUrl::parse("https://example.com/answer?X-Amz-Signature=secret")
            .expect("a URL"),
    }
}

fn env(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let env = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", OWNER),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let variables = env.iter().chain(more);
    variables
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Carries a request out and returns, of a failure, what CloudFormation is told.
async fn handle(
    connector: SharedHttpConnector,
    request: Request,
    time: Duration,
) -> Result<Success, String> {
    let client = s3_client(&env(&[]), connector).expect("a good environment");
    let handled = Cleanup::new(client)
        .handle(request, Deadline::after(time))
        .await;
    handled.map_err(|failure| failure.error().to_string())
}

/// Deletes the resource.
async fn delete(s3: &FakeS3, buckets: &[&str]) -> Result<Success, String> {
    let request = request(RequestType::Delete, buckets);
    handle(s3.http.connector(), request, Duration::from_secs(800)).await
}

fn filled<'k>(keys: impl IntoIterator<Item = &'k str>) -> Bucket {
    let mut bucket = Bucket::default();
    for key in keys {
        bucket.put(key);
    }
    bucket
}

fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}{number:06}.json"))
        .collect()
}

#[tokio::test]
async fn create_and_update_touch_nothing() {
    for request_type in [RequestType::Create, RequestType::Update] {
        let s3 = FakeS3::new([("live-bucket", filled(["a"]))]);
        let request = request(request_type, &["live-bucket"]);
        let success = handle(s3.http.connector(), request, Duration::from_mins(1))
            .await
            .expect("done");
        assert_eq!(success.physical_resource_id, PHYSICAL_ID);
        assert_eq!(s3.http.sent(), [], "{request_type:?}");
    }
}

#[tokio::test]
async fn the_physical_id_stays_whatever_the_properties_say_and_wherever_it_came_from() {
    let s3 = FakeS3::new([]);
    for physical_id in [
        PHYSICAL_ID,
        "2026/01/15/[$LATEST]0123456789abcdef0123456789abcdef",
    ] {
        for request_type in [RequestType::Update, RequestType::Delete] {
            let mut request = request(request_type, &["renamed-bucket"]);
            request.physical_resource_id = Some(physical_id.to_owned());
            let success = handle(s3.http.connector(), request, Duration::from_mins(1))
                .await
                .expect("done");
            assert_eq!(
                success.physical_resource_id, physical_id,
                "{request_type:?}"
            );
        }
    }
}

#[tokio::test]
async fn bad_properties_and_a_bad_stack_fail_without_a_request() {
    let s3 = FakeS3::new([("live-bucket", filled(["a"]))]);
    for request_type in [
        RequestType::Create,
        RequestType::Update,
        RequestType::Delete,
    ] {
        let mut bad_name = request(request_type, &["live-bucket", "Not_A_Bucket"]);
        let reason = handle(
            s3.http.connector(),
            bad_name.clone(),
            Duration::from_mins(1),
        )
        .await;
        assert_eq!(
            reason.expect_err("a bad name"),
            r#"read property BucketNames: "Not_A_Bucket" is no name of a bucket"#
        );
        bad_name.properties.clear();
        let reason = handle(s3.http.connector(), bad_name, Duration::from_mins(1)).await;
        assert_eq!(
            reason.expect_err("no property"),
            "read property BucketNames: it is missing"
        );

        let mut bad_stack = request(request_type, &["live-bucket"]);
        bad_stack.stack_id = "arn:aws:sns:us-east-1:111122223333:topic".to_owned();
        let reason = handle(s3.http.connector(), bad_stack, Duration::from_mins(1)).await;
        assert_eq!(
            reason.expect_err("no stack"),
            r#"find the account in the stack id "arn:aws:sns:us-east-1:111122223333:topic""#
        );
    }
    assert_eq!(s3.http.sent(), []);
}

#[tokio::test]
async fn every_version_and_delete_marker_of_each_bucket_goes() {
    let mut versioned = Bucket::default();
    for round in 0..3 {
        for key in numbered("ResourceDataSync/AWS:Tag/accountid=210987654321/", 700) {
            versioned.put(&key);
            if round == 1 {
                versioned.mark_deleted(&key);
            }
        }
    }
    let mut unversioned = Bucket::default();
    for key in numbered("", 20) {
        unversioned.put_null(&key);
    }
    let s3 = FakeS3::new([
        ("versioned", versioned),
        ("unversioned", unversioned),
        ("empty", Bucket::default()),
    ]);

    let success = delete(&s3, &["versioned", "unversioned", "empty"])
        .await
        .expect("emptied");

    assert_eq!(success.physical_resource_id, PHYSICAL_ID);
    for name in ["versioned", "unversioned", "empty"] {
        assert_eq!(s3.bucket(name).keys(), Vec::<String>::new(), "{name}");
    }
    let sent = s3.http.sent();
    let owners: BTreeSet<_> = sent
        .iter()
        .map(|sent| &sent.headers["x-amz-expected-bucket-owner"])
        .collect();
    assert_eq!(
        owners,
        BTreeSet::from([&OWNER.to_owned()]),
        "each request states the owner"
    );
    let deleted: Vec<_> = s3
        .calls_of("DeleteObjects")
        .iter()
        .map(|call| call.objects.len())
        .collect();
    assert_eq!(deleted, [1_000, 1_000, 800, 20]);
}

#[tokio::test]
async fn keys_of_any_characters_are_deleted_under_their_own_name() {
    let in_xml = [
        "a b",
        "a+b",
        "100%",
        "%2B",
        "ü/ö",
        "&<>\"'",
        "line\nbreak",
        "cr\r",
        "tab\t",
        "//",
        "a/../b",
        ".",
        "..",
        "日本",
        "🦀",
        "trailing/",
        "AWS:Tag/accountid=1/x",
        "?query#fragment",
        "\u{85}\u{2028}",
    ];
    let not_in_xml = ["bell\u{7}", "nul-free \u{1}+%/é", "\u{ffff}"];
    let s3 = FakeS3::new([("bucket", filled(in_xml.into_iter().chain(not_in_xml)))]);

    delete(&s3, &["bucket"]).await.expect("emptied");

    assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());
    let together = &s3.calls_of("DeleteObjects")[0].objects;
    let together: BTreeSet<_> = together.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(together, BTreeSet::from(in_xml));
    let singly = s3.calls_of("DeleteObject");
    let singly: BTreeSet<_> = singly.iter().map(|call| call.key.as_str()).collect();
    assert_eq!(singly, BTreeSet::from(not_in_xml));
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_success() {
    let s3 = FakeS3::new([("other", filled(["a"]))]);
    delete(&s3, &["gone", "other"]).await.expect("emptied");
    assert_eq!(s3.bucket("other").keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_that_goes_in_the_middle_is_success() {
    for at in [
        "ListObjectVersions",
        "DeleteObjects",
        "DeleteObject",
        "AbortMultipartUpload",
    ] {
        let mut bucket = filled(["a", "bell\u{7}"]);
        bucket.begin_upload("u", "1");
        let s3 = FakeS3::with_faults(
            [("bucket", bucket)],
            move |call, buckets| {
                if call.operation == at {
                    buckets.remove("bucket");
                }
                None
            },
            |_, _| None,
        );
        delete(&s3, &["bucket"])
            .await
            .unwrap_or_else(|reason| panic!("{at}: {reason}"));
        assert_eq!(s3.calls().last().map(|call| call.operation), Some(at));
    }
}

#[tokio::test]
async fn a_bucket_of_another_account_is_left_alone_and_named() {
    let s3 = FakeS3::new([
        ("foreign", filled(["a"]).owned_by("999999999999")),
        ("own", filled(["b"])),
    ]);
    let reason = delete(&s3, &["foreign", "own"])
        .await
        .expect_err("not ours");
    assert_eq!(
        reason,
        "empty bucket foreign (0 versions deleted): ListMultipartUploads: AccessDenied: Access Denied (status 403)"
    );
    assert_eq!(s3.bucket("foreign").keys(), ["a"]);
    assert_eq!(
        s3.bucket("own").keys(),
        Vec::<String>::new(),
        "one bad bucket does not stop the others"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_that_s3_is_too_busy_to_delete_are_sent_again_alone() {
    for code in ["SlowDown", "InternalError"] {
        let s3 = FakeS3::with_faults(
            [("bucket", filled(["a", "b & c", "d"]))],
            |_, _| None,
            move |key, deletes| {
                (key == "b & c" && deletes < 3)
                    .then_some((code, "Please reduce your request rate."))
            },
        );
        delete(&s3, &["bucket"]).await.expect("emptied in the end");
        assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());
        let sent: Vec<_> = s3
            .calls_of("DeleteObjects")
            .iter()
            .map(|call| call.objects.len())
            .collect();
        assert_eq!(sent, [3, 1, 1, 1], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_s3_refuses_are_reported_with_the_first_five_and_all_others_go() {
    for (code, sent_times) in [("AccessDenied", 1), ("SlowDown", 6)] {
        let keys = numbered("locked/", 7);
        let s3 = FakeS3::with_faults(
            [(
                "bucket",
                filled(keys.iter().map(String::as_str).chain(["free"])),
            )],
            |_, _| None,
            move |key, _| key.starts_with("locked/").then_some((code, "No.")),
        );
        let reason = delete(&s3, &["bucket"]).await.expect_err("seven are left");
        assert_eq!(
            reason,
            format!(
                "empty bucket bucket (1 versions deleted): 7 versions were refused: \
                 \"locked/000000.json\" {code} (No.); \"locked/000001.json\" {code} (No.); \
                 \"locked/000002.json\" {code} (No.); \"locked/000003.json\" {code} (No.); \
                 \"locked/000004.json\" {code} (No.); and so on"
            )
        );
        assert_eq!(s3.bucket("bucket").keys(), keys);
        assert_eq!(s3.calls_of("DeleteObjects").len(), sent_times, "{code}");
    }
}

#[tokio::test]
async fn a_key_that_is_gone_already_is_no_failure() {
    for code in ["NoSuchKey", "NoSuchVersion"] {
        let s3 = FakeS3::with_faults(
            [("bucket", filled(["a"]))],
            |call, buckets| {
                if call.operation == "DeleteObjects" {
                    buckets.insert("bucket".to_owned(), Bucket::default());
                }
                None
            },
            move |_, _| Some((code, "The specified key does not exist.")),
        );
        delete(&s3, &["bucket"]).await.expect("gone is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_is_sent_again_and_a_refused_one_is_named() {
    let mut throttled = 0;
    let s3 = FakeS3::with_faults(
        [("bucket", filled(["a"]))],
        move |_, _| {
            throttled += 1;
            (throttled % 4 != 0).then(|| error(503, "SlowDown", "Please reduce your request rate."))
        },
        |_, _| None,
    );
    delete(&s3, &["bucket"]).await.expect("emptied in the end");
    assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());

    for operation in [
        "ListMultipartUploads",
        "AbortMultipartUpload",
        "ListObjectVersions",
        "DeleteObjects",
        "DeleteObject",
    ] {
        let mut bucket = filled(["a", "bell\u{7}"]);
        bucket.begin_upload("u", "1");
        let s3 = FakeS3::with_faults(
            [("bucket", bucket)],
            move |call, _| {
                (call.operation == operation).then(|| error(403, "AccessDenied", "not authorized"))
            },
            |_, _| None,
        );
        let reason = delete(&s3, &["bucket"]).await.expect_err(operation);
        assert!(reason.starts_with("empty bucket bucket ("), "{reason}");
        assert!(
            reason.contains(&format!(
                "{operation}: AccessDenied: not authorized (status 403)"
            )),
            "{reason}"
        );
        assert_eq!(
            s3.calls_of(operation).len(),
            1,
            "it was delivered, and not retried"
        );
    }
}

#[tokio::test]
async fn incomplete_uploads_are_aborted_on_every_page() {
    let mut bucket = Bucket::default();
    for key in numbered("part ü/", 1_001) {
        bucket.begin_upload(&key, "first");
        bucket.begin_upload(&key, "second");
    }
    let s3 = FakeS3::with_faults(
        [("bucket", bucket)],
        |call, buckets| {
            // One of them is completed just before.
            if call.operation == "AbortMultipartUpload" && call.key.contains("000500") {
                buckets
                    .get_mut("bucket")
                    .expect("it is there")
                    .end_upload(&call.key);
            }
            None
        },
        |_, _| None,
    );
    delete(&s3, &["bucket"]).await.expect("emptied");
    assert_eq!(s3.bucket("bucket").uploads(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_late_writers_write_goes_too() {
    let mut listings = 0;
    let s3 = FakeS3::with_faults(
        [("bucket", filled(["a"]))],
        move |call, buckets| {
            listings += usize::from(call.operation == "ListObjectVersions");
            if call.operation == "DeleteObjects" && listings < 4 {
                buckets.get_mut("bucket").expect("it is there").put("late");
            }
            None
        },
        |_, _| None,
    );
    delete(&s3, &["bucket"]).await.expect("emptied");
    assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());
    assert!(
        s3.calls_of("DeleteObjects").len() > 1,
        "the late writer was there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_something_goes_on_writing_to_fails() {
    let s3 = FakeS3::with_faults(
        [("bucket", filled(["a"]))],
        |call, buckets| {
            if call.operation == "DeleteObjects" {
                buckets.get_mut("bucket").expect("it is there").put("late");
            }
            None
        },
        |_, _| None,
    );
    let reason = delete(&s3, &["bucket"]).await.expect_err("never empty");
    assert_eq!(
        reason,
        "empty bucket bucket (10 versions deleted): it was emptied 10 times and something still writes to it"
    );
}

#[tokio::test]
async fn small_folders_are_gathered_into_full_deletes() {
    let mut bucket = Bucket::default();
    for folder in 0..50 {
        for key in numbered(&format!("folder{folder:02}/"), 80) {
            bucket.put(&key);
        }
    }
    let s3 = FakeS3::new([("bucket", bucket)]);
    delete(&s3, &["bucket"]).await.expect("emptied");
    let deleted: Vec<_> = s3
        .calls_of("DeleteObjects")
        .iter()
        .map(|call| call.objects.len())
        .collect();
    assert_eq!(deleted, [1_000; 4]);
}

/// A connector that takes some time to answer and counts how many answers it owes.
#[derive(Clone, Debug)]
struct Slow {
    inner: SharedHttpConnector,
    in_flight: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl HttpConnector for Slow {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let slow = self.clone();
        HttpConnectorFuture::new(async move {
            let in_flight = slow.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
            slow.most.fetch_max(in_flight, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            slow.in_flight.fetch_sub(1, Ordering::Relaxed);
            slow.inner.call(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn large_folders_are_listed_beside_each_other_under_one_cap() {
    let mut bucket = Bucket::default();
    for kind in 0..13 {
        for account in 0..4 {
            let folder = format!("ResourceDataSync/AWS:Kind{kind}/accountid={account}/");
            for key in numbered(&folder, 600) {
                bucket.put(&key);
            }
        }
    }
    let versions = bucket.keys().len();
    let s3 = FakeS3::new([("bucket", bucket)]);
    let most = Arc::new(AtomicUsize::new(0));
    let connector = SharedHttpConnector::new(Slow {
        inner: s3.http.connector(),
        in_flight: Arc::default(),
        most: Arc::clone(&most),
    });
    let started = tokio::time::Instant::now();

    let request = request(RequestType::Delete, &["bucket"]);
    handle(connector, request, Duration::from_secs(800))
        .await
        .expect("emptied");

    assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());
    assert_eq!(most.load(Ordering::Relaxed), 32, "the cap is used and kept");
    let one_after_the_other =
        Duration::from_millis(50) * u32::try_from(versions / 1_000 * 2).expect("few");
    assert!(
        started.elapsed() < one_after_the_other / 5,
        "took {:?}",
        started.elapsed()
    );
    let folders: BTreeSet<_> = s3
        .calls_of("ListObjectVersions")
        .iter()
        .map(|call| call.query.get("prefix").cloned())
        .collect();
    assert!(folders.len() > 13, "listed by folder: {folders:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_time_is_up_the_failure_tells_how_far_it_came() {
    let mut deletes = 0;
    let keys = numbered("", 3_000);
    let s3 = FakeS3::with_faults(
        [
            ("first", filled(keys.iter().map(String::as_str))),
            ("second", filled(["a"])),
        ],
        move |call, _| {
            deletes += usize::from(call.operation == "DeleteObjects");
            (deletes > 2).then_some(Reply::Hang)
        },
        |_, _| None,
    );
    let time = Duration::from_mins(1);
    let started = tokio::time::Instant::now();
    let reason = handle(
        s3.http.connector(),
        request(RequestType::Delete, &["first", "second"]),
        time,
    )
    .await;
    assert_eq!(
        reason.expect_err("no time"),
        "empty bucket first (2000 versions deleted): the time is up; deleting the stack again goes on from here; \
         empty bucket second (0 versions deleted): the time is up; deleting the stack again goes on from here"
    );
    assert!(
        started.elapsed() < time,
        "before the deadline, for it is told in the answer"
    );
}

#[tokio::test(start_paused = true)]
async fn the_answer_goes_out_before_the_invocation_ends_even_if_s3_never_answers() {
    let s3 = FakeS3::with_faults(
        [("bucket", filled(["a"]))],
        |call, _| (call.operation == "ListObjectVersions").then_some(Reply::Hang),
        |_, _| None,
    );
    let time = Duration::from_mins(15);
    let end = SystemTime::now() + time;
    let end = end.duration_since(UNIX_EPOCH).expect("after 1970");
    let mut context = Context::default();
    context.deadline = end.as_millis().try_into().expect("not that far away");
    let event = json!({
        "RequestType": "Delete",
        "ResponseURL": fake_s3::ANSWER_URL,
        "StackId": STACK_ID,
        "RequestId": "afd8d7c5-9376-4013-8b3b-307517b8719e",
        "ResourceType": "Custom::S3BucketCleanupFunction",
        "LogicalResourceId": "S3Cleanup",
        "PhysicalResourceId": PHYSICAL_ID,
        "ResourceProperties": { "BucketNames": ["bucket"] },
    });
    let client = s3_client(&env(&[]), s3.http.connector()).expect("a good environment");
    let cleanup = Cleanup::new(client);
    let started = tokio::time::Instant::now();

    Responder::new(s3.http.connector())
        .answer(
            LambdaEvent::new(event, context),
            async |request, deadline| cleanup.handle(request, deadline).await,
        )
        .await
        .expect("answered");

    assert!(started.elapsed() < time);
    let sent = s3.http.sent();
    let answers: Vec<_> = sent.iter().filter(|sent| sent.method == "PUT").collect();
    assert_eq!(answers.len(), 1);
    let answer: Value = serde_json::from_str(&answers[0].body).expect("JSON");
    assert_eq!(answer["Status"], "FAILED");
    assert_eq!(answer["PhysicalResourceId"], PHYSICAL_ID);
    let reason = answer["Reason"].as_str().expect("a reason");
    let told = "failed to empty bucket bucket (0 versions deleted): the time is up";
    assert!(reason.starts_with(told), "{reason}");
}

#[tokio::test]
async fn an_endpoint_of_ones_own_is_addressed_by_path() {
    for (name, url, host) in [
        (
            "AWS_ENDPOINT_URL",
            "http://127.0.0.1:4566",
            "http://127.0.0.1:4566/bucket/?",
        ),
        (
            "AWS_ENDPOINT_URL",
            "http://localhost:4566",
            "http://localhost:4566/bucket/?",
        ),
        (
            "AWS_ENDPOINT_URL_S3",
            "http://localhost:4566",
            "http://localhost:4566/bucket/?",
        ),
        (
            "UNRELATED",
            "x",
            "https://bucket.s3.us-east-1.amazonaws.com/?",
        ),
    ] {
        let s3 = FakeS3::new([("bucket", filled(["a"]))]);
        let client =
            s3_client(&env(&[(name, url)]), s3.http.connector()).expect("a good environment");
        let request = request(RequestType::Delete, &["bucket"]);
        let handled = Cleanup::new(client)
            .handle(request, Deadline::after(Duration::from_mins(1)))
            .await;
        handled.expect("emptied");
        for sent in s3.http.sent() {
            assert!(sent.uri.starts_with(host), "{name}={url}: {}", sent.uri);
        }
    }
}
