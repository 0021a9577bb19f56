//! What must hold for any event and any handler. The tests give it random ones; the fuzz target, which includes this file,
//! lets coverage guide it.

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
    let can_be_answered = url.is_some_and(|url| ResponseUrl::parse(url).is_ok());
    // Unfinished work is left to the next attempt while the request is young.
    let is_resumable = matches!(outcome, Outcome::Resumable(_));
    let (sent, is_ok) = sent_for(event, outcome);
    if !can_be_answered {
        assert!(sent.is_empty() && !is_ok);
    } else if is_ok || !is_resumable {
        assert!(is_ok);
        check_answer(&sent);
    } else {
        assert!(sent.is_empty());
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
