//! Lambda's attempts at one event: which of them may end without an answer.

use std::time::{Duration, SystemTime};

use cfn_response::{Failure, Responder};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{broken, event, invocation_at, only_answer, reason, success, taking};

/// Lambda's waits before the second and the third attempt, in seconds.
const WAITS: [f64; 2] = [60.0, 120.0];
/// What the function has of time, in seconds.
const TIMEOUT: f64 = 900.0;

/// When CloudFormation signs the response URL, in its own form and in seconds since 1970.
const SIGNED: (&str, f64) = ("20260115T120000Z", 1_768_478_400.0);

fn after_signing(seconds: f64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs_f64(SIGNED.1 + seconds)
}

fn signed(request_type: &str) -> Value {
    let mut event = event(request_type);
    let url = format!(
        "{}&X-Amz-Date={}&X-Amz-Expires=7200",
        crate::support::url(),
        SIGNED.0
    );
    event["ResponseURL"] = url.into();
    event
}

/// What an attempt that begins so many seconds after the signing answers to work that is unfinished
/// when its time is up: none, or its one answer.
async fn unfinished(event: Value, seconds_after_signing: f64) -> Option<Value> {
    let now = after_signing(seconds_after_signing);
    let http = taking();
    let result = Responder::new(http.connector())
        .with_clock(move || now)
        .answer(
            invocation_at(event, now, Duration::from_secs_f64(TIMEOUT)),
            async |_, _| Err(Failure::new(broken()).resumable()),
        )
        .await;
    let sent = http.sent();
    assert_eq!(
        result.is_err(),
        sent.is_empty(),
        "an error of the invocation, or else an answer"
    );
    (!sent.is_empty()).then(|| only_answer(&sent))
}

#[tokio::test(start_paused = true)]
async fn unfinished_work_is_left_to_an_attempt_that_is_certain_to_come() {
    for seconds in [-30.0, 0.0, 61.0, 149.0] {
        assert_eq!(
            unfinished(signed("Delete"), seconds).await,
            None,
            "{seconds}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn unfinished_work_is_answered_by_an_attempt_that_may_be_the_last() {
    let rows = [
        ("third at the earliest", signed("Delete"), 180.0),
        ("second after a whole first", signed("Delete"), 960.0),
        ("signed in the far future", signed("Delete"), -3_600.0),
        ("undated", event("Delete"), 0.0),
    ];
    for (name, event, seconds) in rows {
        let answer = unfinished(event, seconds).await;
        let answer = answer.unwrap_or_else(|| panic!("{name}: no answer"));
        assert!(
            reason(&answer).starts_with("failed to open the box: the lid is stuck ("),
            "{name}: {answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cloudformation_has_given_up_does_nothing() {
    for request_type in ["Create", "Update", "Delete"] {
        let now = after_signing(3_601.0);
        let http = taking();
        Responder::new(http.connector())
            .with_clock(move || now)
            .answer(
                invocation_at(signed(request_type), now, Duration::from_mins(15)),
                async |_, _| panic!("the handler was called"),
            )
            .await
            .unwrap();
        let answer = only_answer(&http.sent());
        let told = "failed to begin: the request is 3601 s old and CloudFormation no longer waits";
        assert!(reason(&answer).starts_with(told), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_carried_out_as_long_as_cloudformation_waits() {
    let now = after_signing(3_600.0);
    let http = taking();
    Responder::new(http.connector())
        .with_clock(move || now)
        .answer(
            invocation_at(signed("Delete"), now, Duration::from_mins(15)),
            async |_, _| success("x"),
        )
        .await
        .unwrap();
    assert_eq!(only_answer(&http.sent())["Status"], "SUCCESS");
}

/// How an attempt ends.
#[derive(Clone, Debug)]
enum End {
    /// Lambda cuts it off, or its process dies, so many seconds after it began.
    Crash(f64),
    /// Its time is up while there is work left.
    OutOfTime,
}

fn any_end() -> impl Strategy<Value = End> {
    prop_oneof![
        (0.0..=TIMEOUT).prop_map(End::Crash),
        Just(End::Crash(0.0)),
        Just(End::OutOfTime),
    ]
}

proptest! {
    /// Whatever the attempts before it came to, and though clocks differ: the last attempt that
    /// Lambda makes never ends in silence of its own will.
    #[test]
    fn no_sequence_of_crashes_leaves_the_last_attempt_silent(
        ends in prop::array::uniform3(any_end()),
        queued in 0.0..600.0_f64,
        skews in prop::array::uniform3(-29.0..29.0_f64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let mut begin = queued;
        for (index, (end, skew)) in ends.iter().zip(skews).enumerate() {
            let lasted = match end {
                End::Crash(seconds) => *seconds,
                End::OutOfTime => {
                    let answer = runtime.block_on(unfinished(signed("Delete"), begin + skew));
                    if answer.is_some() {
                        break;
                    }
                    prop_assert!(index < WAITS.len(), "the last attempt was silent: {:?}", ends);
                    TIMEOUT
                }
            };
            begin += lasted + WAITS.get(index).copied().unwrap_or_default();
        }
    }
}
