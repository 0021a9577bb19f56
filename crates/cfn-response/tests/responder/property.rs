//! What must hold for any event and any handler. The tests give it random ones; the fuzz target, which includes this file,
//! lets coverage guide it.

use std::time::SystemTime;

use cfn_response::{Failure, Responder, ResponseUrl, Success};
use lambda_sdk::test_util::Sent;
use serde_json::{Map, Value};

use crate::support::{TIME, invocation, only_answer, taking};

/// What the handler makes of a request, if it is asked.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Success(String, Value),
    Failure(String),
    Resumable(String),
    Panic(String),
    Hang,
}

/// Checks that the event gets exactly one answer, such as CloudFormation takes, or is an error of the invocation if it
/// names nowhere to send one.
pub(crate) fn check(event: Value, outcome: Outcome) {
    let url = event.get("ResponseURL").and_then(Value::as_str);
    let url = url.and_then(|url| ResponseUrl::parse(url).ok());
    let can_be_answered = url.is_some();
    // Unfinished work may be left to the next attempt while the request is young, and only then.
    let age = url.and_then(|url| SystemTime::now().duration_since(url.signed_at()?).ok());
    let may_be_silent =
        matches!(outcome, Outcome::Resumable(_)) && age.is_some_and(|it| it.as_secs() <= 150);
    let (sent, is_ok) = sent_for(event, outcome);
    if !can_be_answered || may_be_silent && !is_ok {
        assert!(sent.is_empty() && !is_ok);
    } else {
        assert!(is_ok);
        check_answer(&sent);
    }
}

/// Everything that is sent for an event, and whether the invocation ended well.
fn sent_for(event: Value, outcome: Outcome) -> (Vec<Sent>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let http = taking();
        let result = Responder::new(http.connector())
            .answer(invocation(event, TIME), async |_, _| match outcome {
                Outcome::Success(physical_resource_id, data) => Ok(Success {
                    physical_resource_id,
                    data: Map::from_iter([("Data".to_owned(), data)]),
                }),
                Outcome::Failure(message) => Err(Failure::new(message)),
                Outcome::Resumable(message) => Err(Failure::new(message).resumable()),
                // Unlike `panic!` this does not print the message first.
                Outcome::Panic(message) => std::panic::resume_unwind(Box::new(message)),
                Outcome::Hang => std::future::pending().await,
            })
            .await;
        (http.sent(), result.is_ok())
    })
}

fn check_answer(sent: &[Sent]) {
    assert!(sent[0].body.len() <= 4_096, "{} bytes", sent[0].body.len());
    let answer = only_answer(sent);
    assert!(answer["Status"] == "SUCCESS" || answer["Status"] == "FAILED");
    let id = answer["PhysicalResourceId"].as_str().unwrap();
    assert!((1..=1_024).contains(&id.len()), "{} bytes of id", id.len());
    for member in ["StackId", "RequestId", "LogicalResourceId"] {
        assert!(answer[member].is_string(), "{member}");
    }
    if answer["Status"] == "FAILED" {
        assert!(answer["Reason"].as_str().unwrap().contains("log stream"));
    }
}
