//! Buckets larger than one invocation can empty, through Lambda's attempts, in virtual time.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

mod synthetic_s3;

use std::time::{Duration, SystemTime};

use cfn_response::Responder;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use synthetic_s3::{Limit, SyntheticS3};

/// What the template gives the function.
const TIMEOUT: Duration = Duration::from_mins(15);
/// Lambda's waits before the second and the third attempt.
const WAITS: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];
/// What the template gives CloudFormation.
const SERVICE_TIMEOUT: Duration = Duration::from_mins(50);

/// 2026-01-15T12:00:00Z.
const SIGNED: (&str, u64) = ("20260115T120000Z", 1_768_478_400);

/// A bucket with S3's documented limit on deletes. The versions and the limit are so many times smaller than said; the
/// times are the real ones.
fn scaled_bucket(versions: usize, scale: u32) -> SyntheticS3 {
    let limit = Limit {
        rate: 3_500.0 / f64::from(scale),
        burst: 2_000.0,
    };
    let objects = versions / usize::try_from(scale).unwrap();
    SyntheticS3::new(objects, Duration::from_millis(100), Some(limit))
}

fn event() -> Value {
    json!({
        "RequestType": "Delete",
        "ResponseURL": format!("https://response.example.com/x?X-Amz-Date={}&X-Amz-Signature=5ecre7", SIGNED.0),
        "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/patch-reporting/1",
        "RequestId": "r-1",
        "ResourceType": "Custom::S3BucketCleanupFunction",
        "LogicalResourceId": "S3Cleanup",
        "PhysicalResourceId": "patch-reporting/1/S3Cleanup",
        "ResourceProperties": { "BucketNames": ["bucket"] },
    })
}

/// What came of one deletion of the stack.
struct Outcome {
    /// How many times Lambda invoked the function.
    attempts: usize,
    /// How long it took until the answer.
    took: Duration,
    /// All answers.
    answers: Vec<Value>,
}

/// Deletes the stack: Lambda invokes the function until an attempt ends well, three times at most. An attempt that is
/// in `crashes` dies so long after it began.
async fn delete_stack(s3: &SyntheticS3, crashes: &[Option<Duration>]) -> Outcome {
    let begin = Instant::now();
    let signed = SystemTime::UNIX_EPOCH + Duration::from_secs(SIGNED.1);
    let clock = move || signed + begin.elapsed();
    let responder = Responder::new(s3.connector()).with_clock(clock);
    let mut attempts = 0;
    loop {
        let mut context = Context::default();
        let end = (clock() + TIMEOUT).duration_since(SystemTime::UNIX_EPOCH);
        context.deadline = end.unwrap().as_millis().try_into().unwrap();
        let cleanup = s3.cleanup();
        let attempt = responder.answer(
            LambdaEvent::new(event(), context),
            async |request, deadline| cleanup.handle(request, deadline).await,
        );
        let cut_off = crashes.get(attempts).copied().flatten().unwrap_or(TIMEOUT);
        let ended = timeout(cut_off, attempt).await;
        attempts += 1;
        if matches!(ended, Ok(Ok(()))) || attempts > WAITS.len() {
            return Outcome {
                attempts,
                took: begin.elapsed(),
                answers: s3.answers(),
            };
        }
        sleep(WAITS[attempts - 1]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn five_million_versions_are_gone_within_one_deletion_of_the_stack() {
    let s3 = scaled_bucket(5_000_000, 20);
    let outcome = delete_stack(&s3, &[]).await;
    assert_eq!(s3.left(), 0, "{:?}", outcome.answers);
    assert_eq!(outcome.attempts, 2);
    assert_eq!(outcome.answers.len(), 1);
    assert_eq!(
        outcome.answers[0]["Status"], "SUCCESS",
        "{:?}",
        outcome.answers
    );
    assert!(outcome.took < SERVICE_TIMEOUT, "{:?}", outcome.took);
    let (sent, refused) = s3.deletes();
    // Most of them at the beginning of each attempt, until the pace has come down to a limit as low as the scaled one.
    assert!(
        refused * 5 < sent,
        "{refused} of {sent} deletes were refused"
    );
}

#[tokio::test(start_paused = true)]
async fn fifty_million_end_in_a_clear_failure_while_cloudformation_waits() {
    let s3 = scaled_bucket(50_000_000, 20);
    let outcome = delete_stack(&s3, &[]).await;
    assert_eq!(outcome.attempts, 2);
    let [answer] = &outcome.answers[..] else {
        panic!("{:?}", outcome.answers);
    };
    assert_eq!(answer["Status"], "FAILED");
    let reason = answer["Reason"].as_str().unwrap();
    assert!(
        reason.starts_with("failed to empty bucket bucket ("),
        "{reason}"
    );
    let advice = "the time is up; deleting the stack again goes on from here";
    assert!(reason.contains(advice), "{reason}");
    assert!(outcome.took < SERVICE_TIMEOUT, "{:?}", outcome.took);

    // It does.
    let before = s3.left();
    delete_stack(&s3, &[Some(Duration::from_mins(1)); 3]).await;
    assert!(s3.left() < before);
}

#[tokio::test(start_paused = true)]
async fn whenever_attempts_die_the_last_one_answers() {
    let after = |seconds| Some(Duration::from_secs(seconds));
    let rows = [
        ("at once, twice", [after(0), after(0), None]),
        ("at once, then late", [after(0), after(899), None]),
        ("late, twice", [after(899), after(899), None]),
        ("first only", [after(10), None, None]),
    ];
    for (name, crashes) in rows {
        let s3 = scaled_bucket(50_000_000, 50);
        let outcome = delete_stack(&s3, &crashes).await;
        assert_eq!(outcome.answers.len(), 1, "{name}");
        assert!(outcome.took < SERVICE_TIMEOUT, "{name}: {:?}", outcome.took);
    }
}
