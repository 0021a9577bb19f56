//! Any call fails, in any way: one answer, nothing destroyed that was not asked for, and another deletion goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cfn_response::{RequestType, Responder};
use lambda_sdk::test_util::Reply;
use serde_json::Value;
use tokio::time::Instant;

use crate::fake_aws::{Bucket, Call, FakeAws, error, query_error};
use crate::support::{after_signing, cleanup, event, filled, invocation, numbered, request};

const TIME: Duration = Duration::from_mins(15);

/// How a call fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Throttle,
    /// As S3 refuses a `DeleteObjects`: the error is the body of a 200.
    ThrottleInside200,
    AccessDenied,
    Reset,
    Refused,
    Hang,
    Garbage,
    ServerError,
}

const FAULTS: [Fault; 8] = [
    Fault::Throttle,
    Fault::ThrottleInside200,
    Fault::AccessDenied,
    Fault::Reset,
    Fault::Refused,
    Fault::Hang,
    Fault::Garbage,
    Fault::ServerError,
];

impl Fault {
    fn reply(self, call: &Call) -> Reply {
        let error = |status, code, message| match call.operation {
            "DescribeStacks" => query_error(status, code, message),
            _ => error(status, code, message),
        };
        match self {
            Self::Throttle | Self::ThrottleInside200 if call.operation == "DescribeStacks" => {
                error(400, "Throttling", "Rate exceeded")
            }
            Self::ThrottleInside200 if call.operation == "DeleteObjects" => {
                error(200, "SlowDown", "Please reduce your request rate.")
            }
            Self::Throttle | Self::ThrottleInside200 => {
                error(503, "SlowDown", "Please reduce your request rate.")
            }
            Self::AccessDenied => error(403, "AccessDenied", "Access Denied"),
            Self::Reset => Reply::Reset,
            Self::Refused => Reply::Refused,
            Self::Hang => Reply::Hang,
            Self::Garbage if call.operation == "answer" => Reply::status(500, "\u{1}<not xml"),
            Self::Garbage => Reply::ok("\u{1}<not xml"),
            Self::ServerError => error(500, "InternalError", "We encountered an internal error."),
        }
    }

    /// Whether the same call may do better a moment later.
    fn passes(self) -> bool {
        !matches!(self, Self::AccessDenied | Self::Garbage)
    }
}

/// Two buckets to empty, of every kind of thing, and one that does not consent.
fn buckets() -> [(&'static str, Bucket); 3] {
    let mut first = Bucket::default();
    for key in numbered("ResourceDataSync/AWS:Tag/", 20) {
        first.put(&key);
    }
    first.mark_deleted("ResourceDataSync/AWS:Tag/000000.json");
    first.put("bell\u{7}");
    first.begin_upload("unfinished", "1");
    let kept = filled(["kept"]).untagged();
    [("first", first), ("kept", kept), ("second", filled(["a"]))]
}

/// A stack in this status in which the call number `k` fails, and each one after it if `persists`; and how many calls
/// failed.
fn faulty(status: &str, k: usize, fault: Fault, persists: bool) -> (FakeAws, Arc<AtomicUsize>) {
    let failed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&failed);
    let mut calls = 0;
    let aws = FakeAws::with_faults(
        buckets(),
        move |call, _| {
            calls += 1;
            // An answer that is never taken is another test's.
            let is_meant = calls == k || persists && calls > k && call.operation != "answer";
            is_meant.then(|| {
                counted.fetch_add(1, Ordering::Relaxed);
                fault.reply(call)
            })
        },
        |_, _| None,
    );
    (aws.in_status(status), failed)
}

/// Deletes the resource in an attempt that may be the last, and returns its one answer.
async fn answer(aws: &FakeAws) -> Value {
    let now = after_signing(960);
    let request = request(RequestType::Delete, &["first", "kept", "second"]);
    let cleanup = cleanup(aws.http.connector(), &[]);
    let sent_before = aws.http.sent().len();
    let started = Instant::now();
    Responder::new(aws.http.connector())
        .with_clock(move || now)
        .answer(
            invocation(event(&request), now, TIME),
            async |request, deadline| cleanup.handle(request, deadline).await,
        )
        .await
        .unwrap();
    assert!(started.elapsed() < TIME, "the invocation was cut off");
    let sent = aws.http.sent().split_off(sent_before);
    let answers: Vec<_> = sent.iter().filter(|sent| sent.method == "PUT").collect();
    let first = answers.first().expect("an answer");
    assert!(
        answers.iter().all(|answer| answer.body == first.body),
        "what is sent again is the same answer"
    );
    assert!(first.body.len() <= 4_096);
    let answer: Value = serde_json::from_str(&first.body).unwrap();
    for (member, of_request) in [
        ("StackId", request.stack_id),
        ("RequestId", request.request_id),
        ("LogicalResourceId", request.logical_resource_id),
        ("PhysicalResourceId", request.physical_resource_id.unwrap()),
    ] {
        assert_eq!(answer[member], of_request, "{member}");
    }
    answer
}

fn is_empty(aws: &FakeAws, bucket: &str) -> bool {
    let bucket = aws.bucket(bucket);
    bucket.keys().is_empty() && bucket.uploads() == 0
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_there_is_one_answer_and_it_is_true() {
    let mut cases = 0;
    for fault in FAULTS {
        for persists in [false, true] {
            for k in 1.. {
                let (aws, failed) = faulty("DELETE_IN_PROGRESS", k, fault, persists);
                let answer = answer(&aws).await;
                if failed.load(Ordering::Relaxed) == 0 {
                    assert!(k > 10, "the scenario has more calls than {k}");
                    break;
                }
                let case = format!("{fault:?} at call {k}, persists: {persists}: {answer}");
                cases += 1;
                assert_eq!(aws.bucket("kept").keys(), ["kept"], "{case}");
                match answer["Status"].as_str() {
                    Some("SUCCESS") => {
                        assert!(
                            is_empty(&aws, "first") && is_empty(&aws, "second"),
                            "{case}"
                        );
                    }
                    Some("FAILED") => {
                        let reason = answer["Reason"].as_str().unwrap();
                        assert!(!fault.passes() || persists, "{case}");
                        assert!(
                            reason.starts_with("failed to look up the status of stack ")
                                || reason.starts_with("failed to empty bucket "),
                            "{case}"
                        );
                        // A bucket that is not named is empty.
                        for bucket in ["first", "second"] {
                            let named = reason.contains(&format!("bucket {bucket} ("));
                            let looked_at = !reason.contains("look up the status");
                            assert!(named || !looked_at || is_empty(&aws, bucket), "{case}");
                        }
                    }
                    _ => panic!("{case}"),
                }
            }
        }
    }
    assert!(cases > 100, "{cases} cases");
}

#[tokio::test(start_paused = true)]
async fn another_deletion_goes_on_where_a_failed_one_ended() {
    for k in 1.. {
        let (aws, failed) = faulty("DELETE_IN_PROGRESS", k, Fault::AccessDenied, false);
        answer(&aws).await;
        if failed.load(Ordering::Relaxed) == 0 {
            break;
        }
        let again = answer(&aws).await;
        assert_eq!(again["Status"], "SUCCESS", "after a failure at call {k}");
        assert!(is_empty(&aws, "first") && is_empty(&aws, "second"), "{k}");
        assert_eq!(aws.bucket("kept").keys(), ["kept"], "{k}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_a_stack_that_stays_keeps_its_data() {
    for fault in FAULTS {
        for persists in [false, true] {
            for k in 1.. {
                let status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS";
                let (aws, failed) = faulty(status, k, fault, persists);
                let before: Vec<_> = buckets().map(|(name, _)| aws.bucket(name).keys()).into();
                let answer = answer(&aws).await;
                let after: Vec<_> = buckets().map(|(name, _)| aws.bucket(name).keys()).into();
                assert_eq!(before, after, "{fault:?} at call {k}: {answer}");
                assert_eq!(aws.bucket("first").uploads(), 1);
                if failed.load(Ordering::Relaxed) == 0 {
                    break;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_repeated_gets_the_same_answer() {
    for status in [
        "DELETE_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    ] {
        let aws = FakeAws::new(buckets()).in_status(status);
        let first = answer(&aws).await;
        assert_eq!(first["Status"], "SUCCESS");
        assert_eq!(answer(&aws).await, first, "{status}");
    }
}
