//! An answer that is not taken is sent again, as long as there is time.

use std::time::Duration;

use cfn_response::Responder;
use lambda_sdk::test_util::{FakeHttp, Reply};
use tokio::time::Instant;

use crate::support::{TIME, event, invocation, success};

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_is_sent_again() {
    let rows = [
        ("5xx", Reply::status(503, "SlowDown")),
        ("4xx", Reply::status(403, "AccessDenied")),
        ("redirect", Reply::status(307, "")),
        ("refused", Reply::Refused),
        ("half-open", Reply::Hang),
    ];
    for (name, fault) in rows {
        let mut replies = vec![Reply::ok(""), fault.clone(), fault].into_iter().rev();
        let mut last = None;
        let http = FakeHttp::new(move |_| {
            last = replies.next().or(last.take());
            last.clone().unwrap()
        });
        let start = Instant::now();
        Responder::new(http.connector())
            .answer(invocation(event("Create"), TIME), async |_, _| success("x"))
            .await
            .unwrap();
        let sent = http.sent();
        assert_eq!(sent.len(), 3, "{name}");
        assert!(
            sent.iter().all(|it| *it == sent[0]),
            "{name}: the answers differ"
        );
        assert!(start.elapsed() < Duration::from_secs(10), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn delivery_gives_up_within_the_deadline() {
    let rows = [
        ("refused, much time", Reply::Refused, TIME),
        ("half-open, much time", Reply::Hang, TIME),
        (
            "half-open, little time",
            Reply::Hang,
            Duration::from_secs(6),
        ),
        ("no time", Reply::Refused, Duration::ZERO),
    ];
    for (name, fault, time) in rows {
        let http = FakeHttp::new(move |_| fault.clone());
        let start = Instant::now();
        let result = Responder::new(http.connector())
            .answer(invocation(event("Create"), time), async |_, _| success("x"))
            .await;
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("deliver the answer to response.example.com"),
            "{name}: {error}"
        );
        assert!(start.elapsed() <= time, "{name}: {:?}", start.elapsed());
        // An outage may last for minutes, and for the last attempt at an event nobody else answers.
        let left = time.saturating_sub(start.elapsed());
        assert!(left < Duration::from_secs(9), "{name}: {left:?} are left");
        assert!(!http.sent().is_empty(), "{name}");
    }
}
