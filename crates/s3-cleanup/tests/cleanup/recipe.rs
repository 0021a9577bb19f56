//! What the recipe's own function does wrong, done right.

use std::time::Duration;

use cfn_response::{RequestType, Responder};
use lambda_sdk::test_util::{Reply, capture_log, captured_log};
use serde_json::json;

use crate::fake_aws::{Bucket, FakeAws, error};
use crate::support::{after_signing, cleanup, delete, event, filled, handle, invocation, request};

/// The recipe's function raises an exception, answers nothing, and the stack waits for an hour.
#[tokio::test]
async fn access_denied_is_answered_with_the_cause() {
    let aws = FakeAws::with_faults(
        [("bucket", filled(["a"]))],
        |call, _| {
            (call.operation == "ListObjectVersions")
                .then(|| error(403, "AccessDenied", "Access Denied"))
        },
        |_, _| None,
    );
    let reason = delete(&aws, &["bucket"]).await.expect_err("denied");
    assert!(reason.contains("AccessDenied: Access Denied"), "{reason}");
}

/// The recipe's function raises an exception here too.
#[tokio::test]
async fn a_bucket_that_does_not_exist_is_answered_success() {
    let aws = FakeAws::new([]);
    delete(&aws, &["gone"]).await.expect("nothing to empty");
}

/// And here.
#[tokio::test]
async fn a_missing_property_is_answered_with_its_name() {
    let aws = FakeAws::new([]);
    for request_type in [
        RequestType::Create,
        RequestType::Update,
        RequestType::Delete,
    ] {
        let mut request = request(request_type, &[]);
        request.properties.remove("BucketNames");
        let handled = handle(aws.http.connector(), request, Duration::from_mins(1)).await;
        let reason = handled.expect_err("no buckets");
        assert!(
            reason.starts_with("read property BucketNames: it is missing"),
            "{reason}"
        );
    }
}

/// The recipe's function knows only versioning that is `Enabled`: it deletes the current objects of a bucket whose
/// versioning is suspended, which leaves the old versions and adds delete markers, and answers SUCCESS.
#[tokio::test]
async fn a_bucket_whose_versioning_is_suspended_is_emptied_of_old_versions_too() {
    let mut bucket = Bucket::default();
    for key in ["a", "b"] {
        bucket.put(key);
        bucket.put(key);
    }
    bucket.mark_deleted("b");
    // What is written while versioning is suspended has the version id null, beside the older ones.
    bucket.put_null_over("a");
    bucket.put_null("c");
    assert_eq!(bucket.keys().len(), 7);
    let aws = FakeAws::new([("bucket", bucket)]);
    delete(&aws, &["bucket"]).await.expect("emptied");
    assert_eq!(aws.bucket("bucket").keys(), Vec::<String>::new());
}

/// The physical id of the recipe's function is the name of its log stream. An Update from another stream answers another
/// id, CloudFormation deletes the old one, and the function empties the buckets of the stack that it was to update.
#[tokio::test]
async fn an_update_and_the_delete_of_a_log_streams_name_leave_live_buckets_alone() {
    let aws =
        FakeAws::new([("live", filled(["a"]))]).in_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
    let streams = [
        "2026/01/15/[$LATEST]0123456789abcdef0123456789abcdef",
        "2026/01/16/[$LATEST]fedcba9876543210fedcba9876543210",
    ];
    let mut update = request(RequestType::Update, &["live"]);
    update.physical_resource_id = Some(streams[0].to_owned());
    let updated = handle(aws.http.connector(), update, Duration::from_mins(1)).await;
    assert_eq!(updated.unwrap().physical_resource_id, streams[0]);

    // The Delete of an id from before, with the recipe's property.
    let mut old = request(RequestType::Delete, &[]);
    old.physical_resource_id = Some(streams[1].to_owned());
    old.properties = json!({ "s3BucketNames": "live,other" })
        .as_object()
        .unwrap()
        .clone();
    let deleted = handle(aws.http.connector(), old, Duration::from_mins(1)).await;
    assert_eq!(deleted.unwrap().physical_resource_id, streams[1]);
    assert_eq!(aws.bucket("live").keys(), ["a"]);
}

/// The recipe's function never looks at the errors inside of a 200.
#[tokio::test]
async fn keys_that_are_refused_inside_of_a_200_are_a_failure() {
    let aws = FakeAws::with_faults(
        [("bucket", filled(["locked", "free"]))],
        |_, _| None,
        |key, _| (key == "locked").then_some(("AccessDenied", "Access Denied")),
    );
    let reason = delete(&aws, &["bucket"]).await.expect_err("one is left");
    assert!(
        reason.contains("1 versions were refused: \"locked\" AccessDenied"),
        "{reason}"
    );
}

/// The recipe's function prints every event whole, with the presigned URL that lets whoever reads the log answer in its
/// place.
#[tokio::test(start_paused = true)]
async fn no_log_line_holds_the_event_or_its_presigned_url() {
    capture_log();
    let mut refused = false;
    let aws = FakeAws::with_faults(
        [("bucket", filled(["a"]))],
        move |call, _| {
            let is_first_answer = call.operation == "answer" && !refused;
            refused |= is_first_answer;
            is_first_answer.then(|| Reply::status(503, ""))
        },
        |_, _| None,
    );
    let now = after_signing(1);
    let event = event(&request(RequestType::Delete, &["bucket"]));
    let cleanup = cleanup(aws.http.connector(), &[]);
    Responder::new(aws.http.connector())
        .with_clock(move || now)
        .answer(
            invocation(event, now, Duration::from_mins(15)),
            async |request, deadline| cleanup.handle(request, deadline).await,
        )
        .await
        .unwrap();

    let log = captured_log();
    for logged in [
        "request received",
        "bucket is empty",
        "trying again",
        "request answered",
    ] {
        assert!(log.contains(logged), "{logged} is not in {log}");
    }
    for secret in ["5ecre7", "X-Amz-", "ResponseURL", "ResourceProperties"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
