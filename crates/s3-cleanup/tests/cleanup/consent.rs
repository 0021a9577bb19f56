//! Nothing is emptied without the consent of the bucket and the end of the stack.

use std::time::Duration;

use lambda_sdk::test_util::Reply;
use tokio::time::Instant;

use crate::fake_aws::{FakeAws, error, query_error};
use crate::support::{PHYSICAL_ID, STACK_ID, delete, filled};

const TAG: &str = "patch-reporting:empty-on-delete";

/// All statuses of a stack that CloudFormation documents.
const STATUSES: [&str; 23] = [
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "CREATE_IN_PROGRESS",
    "DELETE_COMPLETE",
    "DELETE_FAILED",
    "DELETE_IN_PROGRESS",
    "IMPORT_COMPLETE",
    "IMPORT_IN_PROGRESS",
    "IMPORT_ROLLBACK_COMPLETE",
    "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "ROLLBACK_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_FAILED",
    "UPDATE_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS",
];

#[tokio::test]
async fn only_a_stack_that_is_going_takes_its_data_along() {
    for status in STATUSES {
        let aws = FakeAws::new([("bucket", filled(["a"]))]).in_status(status);
        let success = delete(&aws, &["bucket"]).await.expect(status);
        assert_eq!(success.physical_resource_id, PHYSICAL_ID);
        let is_going = matches!(status, "DELETE_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS");
        let left: &[&str] = if is_going { &[] } else { &["a"] };
        assert_eq!(aws.bucket("bucket").keys(), left, "{status}");
        if !is_going {
            let calls = aws.calls();
            assert_eq!(
                calls.len(),
                1,
                "{status}: the bucket is not even looked at: {calls:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_status_is_asked_of_the_events_own_stack() {
    let aws = FakeAws::new([]);
    delete(&aws, &["gone"]).await.unwrap();
    let asked = &aws.http.sent()[0];
    assert_eq!(asked.uri, "https://cloudformation.us-east-1.amazonaws.com/");
    let stack = "&StackName=arn%3Aaws%3Acloudformation%3Aus-east-1%3A111122223333%3Astack%2Fpatch-reporting%2F51af3dc0";
    assert!(asked.body.contains(stack), "{}", asked.body);
}

#[tokio::test(start_paused = true)]
async fn without_a_status_nothing_is_guessed() {
    let nothing = "<DescribeStacksResponse><DescribeStacksResult/></DescribeStacksResponse>";
    let rows = [
        (
            query_error(403, "AccessDenied", "User is not authorized"),
            "AccessDenied: User is not authorized (status 403, request id 11111111-2222-3333); the function's role \
             needs cloudformation:DescribeStacks on the stack",
        ),
        (
            query_error(500, "InternalFailure", "Oh."),
            "InternalFailure: Oh. (status 500, request id 11111111-2222-3333)",
        ),
        (
            query_error(400, "ValidationError", "Stack with id x does not exist"),
            "ValidationError: Stack with id x does not exist (status 400, request id 11111111-2222-3333)",
        ),
        (Reply::ok(nothing), "the answer has none"),
    ];
    for (reply, expected) in rows {
        let aws = FakeAws::with_faults(
            [("bucket", filled(["a"]))],
            move |call, _| (call.operation == "DescribeStacks").then(|| reply.clone()),
            |_, _| None,
        );
        let reason = delete(&aws, &["bucket"]).await.expect_err(expected);
        assert_eq!(
            reason,
            format!("look up the status of stack {STACK_ID}: {expected}")
        );
        assert_eq!(aws.bucket("bucket").keys(), ["a"], "{expected}");
    }
}

#[tokio::test]
async fn only_a_bucket_with_the_tag_is_emptied() {
    let rows = [
        ("consents", filled(["a"]).tagged(TAG, "true"), true),
        ("says no", filled(["a"]).tagged(TAG, "false"), false),
        ("says nothing", filled(["a"]).tagged(TAG, ""), false),
        (
            "says it otherwise",
            filled(["a"]).tagged(TAG, "True"),
            false,
        ),
        (
            "has another tag",
            filled(["a"]).tagged("empty-on-delete", "true"),
            false,
        ),
        ("has no tags", filled(["a"]).untagged(), false),
    ];
    for (name, bucket, is_emptied) in rows {
        let aws = FakeAws::new([("bucket", bucket), ("other", filled(["b"]))]);
        delete(&aws, &["bucket", "other"]).await.expect(name);
        assert_eq!(aws.bucket("bucket").keys().is_empty(), is_emptied, "{name}");
        let others = aws.bucket("other").keys();
        assert_eq!(
            others,
            Vec::<String>::new(),
            "{name}: each bucket speaks for itself"
        );
    }
}

#[tokio::test]
async fn a_refused_look_at_the_tags_is_a_failure_that_names_the_permission() {
    let aws = FakeAws::with_faults(
        [("bucket", filled(["a"]))],
        |call, _| {
            (call.operation == "GetBucketTagging")
                .then(|| error(403, "AccessDenied", "Access Denied"))
        },
        |_, _| None,
    );
    let reason = delete(&aws, &["bucket"]).await.expect_err("refused");
    assert!(
        reason.contains("the function's role lacks s3:GetBucketTagging"),
        "{reason}"
    );
    assert_eq!(aws.bucket("bucket").keys(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_without_consent_is_left_whatever_a_look_at_it_says() {
    for (name, reply) in [
        ("denied", error(403, "AccessDenied", "Access Denied")),
        (
            "busy",
            error(503, "SlowDown", "Please reduce your request rate."),
        ),
        ("mute", Reply::Hang),
    ] {
        let s3 = FakeAws::with_faults(
            [("bucket", filled(["a"]).untagged())],
            move |call, _| (call.operation == "ListObjectVersions").then(|| reply.clone()),
            |_, _| None,
        );
        let start = Instant::now();
        delete(&s3, &["bucket"]).await.expect(name);
        assert_eq!(s3.bucket("bucket").keys(), ["a"], "{name}");
        let took = start.elapsed();
        assert!(took < Duration::from_secs(1), "{name}: took {took:?}");
    }
}
