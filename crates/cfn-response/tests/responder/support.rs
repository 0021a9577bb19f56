//! CloudFormation's events, an invocation's context, and the answers that are sent.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cfn_response::{Deadline, Failure, Request, Responder, Success};
use lambda_runtime::{Config, Context, LambdaEvent};
use lambda_sdk::test_util::{FakeHttp, Reply, Sent};
use serde_json::{Map, Value, json};

pub(crate) const SIGNATURE: &str = "5ecre7";
pub(crate) const STACK_ID: &str = "arn:aws:cloudformation:us-east-1:111122223333:stack/s/1";
/// What the function has left of its time.
pub(crate) const TIME: Duration = Duration::from_mins(5);

#[derive(Debug)]
pub(crate) struct Broken(&'static str, Option<Box<Broken>>);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Broken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|it| it as _)
    }
}

pub(crate) fn broken() -> Broken {
    Broken(
        "open the box",
        Some(Box::new(Broken("the lid is stuck", None))),
    )
}

pub(crate) fn url() -> String {
    format!("https://response.example.com/x%7Cy?X-Amz-Signature={SIGNATURE}")
}

pub(crate) fn event(request_type: &str) -> Value {
    let mut event = json!({
        "RequestType": request_type,
        "ResponseURL": url(),
        "StackId": STACK_ID,
        "RequestId": "r-1",
        "ResourceType": "Custom::Thing",
        "LogicalResourceId": "Thing",
        "ResourceProperties": {"ServiceToken": "arn", "Size": "2"},
    });
    if request_type != "Create" {
        event["PhysicalResourceId"] = "id-of-request".into();
    }
    if request_type == "Update" {
        event["OldResourceProperties"] = json!({"ServiceToken": "arn", "Size": "1"});
    }
    event
}

pub(crate) fn invocation(payload: Value, time: Duration) -> LambdaEvent<Value> {
    invocation_at(payload, SystemTime::now(), time)
}

/// An invocation that begins at `now` and has so much time.
pub(crate) fn invocation_at(payload: Value, now: SystemTime, time: Duration) -> LambdaEvent<Value> {
    let end = now + time;
    let since_epoch = end.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut context = Context::default();
    context.deadline = since_epoch.as_millis().try_into().unwrap();
    context.env_config = Arc::new(Config {
        log_stream: "2026/01/15/[$LATEST]abc".to_owned(),
        log_group: "/aws/lambda/thing".to_owned(),
        ..Config::default()
    });
    LambdaEvent::new(payload, context)
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a handler returns")]
pub(crate) fn success(id: &str) -> Result<Success, Failure> {
    Ok(Success {
        physical_resource_id: id.to_owned(),
        data: Map::new(),
    })
}

/// A CloudFormation that takes every answer.
pub(crate) fn taking() -> FakeHttp {
    FakeHttp::new(|_| Reply::ok(""))
}

/// The one answer to an event.
pub(crate) async fn answer<F>(event: Value, handler: impl FnOnce(Request, Deadline) -> F) -> Value
where
    F: Future<Output = Result<Success, Failure>>,
{
    let http = taking();
    Responder::new(http.connector())
        .answer(invocation(event, TIME), handler)
        .await
        .unwrap();
    only_answer(&http.sent())
}

pub(crate) fn only_answer(sent: &[Sent]) -> Value {
    let [answer] = sent else {
        panic!("{} answers instead of one", sent.len());
    };
    serde_json::from_str(&answer.body).unwrap()
}

pub(crate) fn reason(answer: &Value) -> &str {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    answer["Reason"].as_str().unwrap()
}
