//! Late writers, and an invocation that is too short.

use std::collections::BTreeMap;
use std::time::Duration;

use cfn_response::{RequestType, Responder};
use lambda_sdk::test_util::{Reply, capture_log, captured_log};
use serde_json::Value;
use tokio::time::Instant;

use crate::fake_aws::{Call, FakeAws};
use crate::support::{
    PHYSICAL_ID, after_signing, cleanup, delete, event, filled, handle, invocation, numbered,
    request,
};

#[tokio::test(start_paused = true)]
async fn what_late_writers_write_goes_too() {
    let mut listings = 0;
    let s3 = FakeAws::with_faults(
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
    let s3 = FakeAws::with_faults(
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
        "empty bucket bucket (10 versions deleted in this attempt): it was emptied 10 times and something still writes to it"
    );
}

#[tokio::test(start_paused = true)]
async fn when_the_time_is_up_the_failure_tells_how_far_it_came() {
    let mut deletes = 0;
    let keys = numbered("", 3_000);
    let s3 = FakeAws::with_faults(
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
    let started = Instant::now();
    let reason = handle(
        s3.http.connector(),
        request(RequestType::Delete, &["first", "second"]),
        time,
    )
    .await;
    assert_eq!(
        reason.expect_err("no time"),
        "empty bucket first (2000 versions deleted in this attempt): the time is up; deleting the stack again goes on from here; \
         empty bucket second (0 versions deleted in this attempt): the time is up; deleting the stack again goes on from here"
    );
    assert!(
        started.elapsed() < time,
        "before the deadline, for it is told in the answer"
    );
}

/// Sends a Delete of `bucket` that was signed so many seconds before it begins, and returns whether the invocation ended
/// well and the answers to it.
async fn answers(aws: &FakeAws, signed_before: u64, time: Duration) -> (bool, Vec<Value>) {
    let now = after_signing(signed_before);
    let event = event(&request(RequestType::Delete, &["bucket"]));
    let cleanup = cleanup(aws.http.connector(), &[]);
    let started = Instant::now();
    let answered = Responder::new(aws.http.connector())
        .with_clock(move || now)
        .answer(invocation(event, now, time), async |request, deadline| {
            cleanup.handle(request, deadline).await
        })
        .await;
    assert!(started.elapsed() < time, "the invocation was cut off");
    let sent = aws.http.sent();
    let answers = sent.iter().filter(|sent| sent.method == "PUT");
    let answers = answers.map(|sent| serde_json::from_str(&sent.body).unwrap());
    (answered.is_ok(), answers.collect())
}

#[tokio::test(start_paused = true)]
async fn the_answer_goes_out_before_the_invocation_ends_even_if_aws_never_answers() {
    for (operation, told) in [
        (
            "DescribeStacks",
            "failed to look up the status of stack arn:aws:",
        ),
        (
            "GetBucketTagging",
            "failed to empty bucket bucket (0 versions deleted",
        ),
        (
            "ListObjectVersions",
            "failed to empty bucket bucket (0 versions deleted",
        ),
    ] {
        for time in [Duration::from_secs(20), Duration::from_mins(15)] {
            let aws = FakeAws::with_faults(
                [("bucket", filled(["a"]))],
                move |call, _| (call.operation == operation).then_some(Reply::Hang),
                |_, _| None,
            );
            let (is_ok, answers) = answers(&aws, 960, time).await;
            assert!(is_ok, "{operation}");
            let [answer] = &answers[..] else {
                panic!("{operation}: {answers:?}");
            };
            assert_eq!(answer["Status"], "FAILED");
            assert_eq!(answer["PhysicalResourceId"], PHYSICAL_ID);
            let reason = answer["Reason"].as_str().unwrap();
            let is_told = reason.starts_with(told) || reason.starts_with("failed to finish within");
            assert!(is_told, "{operation} {time:?}: {reason}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_is_too_long_goes_on_in_lambdas_next_attempt() {
    // The first three deletes of each attempt go through, then S3 takes its time.
    let busy = || {
        let mut deletes = 0;
        move |call: &Call, _: &mut BTreeMap<_, _>| {
            deletes += usize::from(call.operation == "DeleteObjects");
            (call.operation == "DeleteObjects" && deletes % 4 == 0).then_some(Reply::Hang)
        }
    };
    let keys = numbered("", 6_500);
    let bucket = filled(keys.iter().map(String::as_str));
    let aws = FakeAws::with_faults([("bucket", bucket)], busy(), |_, _| None);
    let time = Duration::from_secs(30);

    let (is_ok, none) = answers(&aws, 1, time).await;
    assert!(!is_ok, "Lambda is to try again");
    assert_eq!(none, Vec::<Value>::new());
    let left = aws.bucket("bucket").keys().len();
    assert!((1..6_500).contains(&left), "{left} are left");

    // The second attempt may be the last by its age.
    let (is_ok, answers) = answers(&aws, 960, time).await;
    assert!(is_ok);
    let reason = answers[0]["Reason"].as_str().unwrap_or_default();
    let (deleted, rest) = reason
        .strip_prefix("failed to empty bucket bucket (")
        .and_then(|rest| rest.split_once(' '))
        .unwrap_or_else(|| panic!("{answers:?}"));
    assert!(
        rest.starts_with(
            "versions deleted in this attempt): the time is up; deleting the stack again goes on \
             from here"
        ),
        "{reason}"
    );
    let gone = left - aws.bucket("bucket").keys().len();
    assert_eq!(deleted, gone.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_can_not_be_emptied_is_not_left_to_the_next_attempt() {
    let aws = FakeAws::with_faults(
        [("bucket", filled(["a"]))],
        |_, _| None,
        |_, _| Some(("AccessDenied", "No.")),
    );
    let (is_ok, answers) = answers(&aws, 1, Duration::from_mins(15)).await;
    assert!(is_ok);
    assert_eq!(answers[0]["Status"], "FAILED");
}

#[tokio::test(start_paused = true)]
async fn a_request_older_than_any_wait_of_cloudformations_touches_nothing() {
    let aws = FakeAws::new([("bucket", filled(["a"]))]);
    let (_, answers) = answers(&aws, 3_601, Duration::from_mins(15)).await;
    assert_eq!(answers[0]["Status"], "FAILED");
    assert_eq!(aws.http.sent().len(), 1, "only the answer is sent");
    assert_eq!(aws.bucket("bucket").keys(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn progress_is_logged_every_ten_seconds_also_while_nothing_moves() {
    capture_log();
    let mut deletes = 0;
    let keys = numbered("", 2_500);
    let aws = FakeAws::with_faults(
        [("bucket", filled(keys.iter().map(String::as_str)))],
        move |call, _| {
            deletes += usize::from(call.operation == "DeleteObjects");
            (call.operation == "DeleteObjects" && deletes == 2).then_some(Reply::Hang)
        },
        |_, _| None,
    );
    delete(&aws, &["bucket"]).await.expect("emptied");
    let log = captured_log();
    let progress: Vec<_> = log
        .lines()
        .filter(|line| line.contains(" emptying "))
        .collect();
    assert_eq!(
        progress.len(),
        3,
        "35 s until the hanging call is given up: {log}"
    );
    for line in progress {
        for field in [
            "bucket=bucket",
            "deleted=1500",
            "deleted_per_second=",
            "in_flight=1",
        ] {
            assert!(line.contains(field), "{field}: {line}");
        }
    }
}
