//! What goes to CloudFormation for whatever may come from it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cfn_response::{CREATE_FAILED_ID, Deadline, Failure, Request, Responder, Success};
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt;
use lambda_runtime::tracing::{self, subscriber};
use lambda_runtime::{Config, Context, LambdaEvent};
use lambda_sdk::test_util::{FakeHttp, Reply, Sent};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

const SIGNATURE: &str = "5ecre7";
const STACK_ID: &str = "arn:aws:cloudformation:us-east-1:111122223333:stack/s/1";
/// What the function has left of its time.
const TIME: Duration = Duration::from_mins(5);

#[derive(Debug)]
struct Broken(&'static str, Option<Box<Broken>>);

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

fn broken() -> Broken {
    Broken(
        "open the box",
        Some(Box::new(Broken("the lid is stuck", None))),
    )
}

fn url() -> String {
    format!("https://response.example.com/x%7Cy?X-Amz-Signature={SIGNATURE}")
}

fn event(request_type: &str) -> Value {
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

fn invocation(payload: Value, time: Duration) -> LambdaEvent<Value> {
    let end = SystemTime::now() + time;
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
fn success(id: &str) -> Result<Success, Failure> {
    Ok(Success {
        physical_resource_id: id.to_owned(),
        data: Map::new(),
    })
}

/// A CloudFormation that takes every answer.
fn taking() -> FakeHttp {
    FakeHttp::new(|_| Reply::ok(""))
}

/// The one answer to an event.
async fn answer<F>(event: Value, handler: impl FnOnce(Request, Deadline) -> F) -> Value
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

fn only_answer(sent: &[Sent]) -> Value {
    let [answer] = sent else {
        panic!("{} answers instead of one", sent.len());
    };
    serde_json::from_str(&answer.body).unwrap()
}

fn reason(answer: &Value) -> &str {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    answer["Reason"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_success_is_put_to_the_signed_url_as_it_is_signed() {
    let http = taking();
    Responder::new(http.connector())
        .answer(invocation(event("Create"), TIME), async |_, _| {
            success("thing-1")
        })
        .await
        .unwrap();

    let sent = http.sent();
    assert_eq!(
        only_answer(&sent),
        json!({
            "Status": "SUCCESS",
            "PhysicalResourceId": "thing-1",
            "StackId": STACK_ID,
            "RequestId": "r-1",
            "LogicalResourceId": "Thing",
        })
    );
    assert_eq!(sent[0].method, "PUT");
    assert_eq!(sent[0].uri, url());
    assert_eq!(sent[0].headers["content-type"], "");
    assert_eq!(
        sent[0].headers["content-length"],
        sent[0].body.len().to_string()
    );
}

#[tokio::test(start_paused = true)]
async fn the_handler_gets_the_whole_request() {
    let check = async |request: Request, deadline: Deadline| {
        assert_eq!(request.request_type.as_str(), "Update");
        assert_eq!(request.stack_id, STACK_ID);
        assert_eq!(request.resource_type, "Custom::Thing");
        assert_eq!(
            request.physical_resource_id.as_deref(),
            Some("id-of-request")
        );
        assert_eq!(request.properties["Size"], "2");
        assert_eq!(request.old_properties.unwrap()["Size"], "1");
        assert_eq!(request.response_url.host(), "response.example.com");
        assert!(deadline.remaining() < Duration::from_secs(285));
        success("id-of-request")
    };
    assert_eq!(answer(event("Update"), check).await["Status"], "SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn a_failure_tells_its_causes_and_the_log() {
    let answer = answer(event("Create"), async |_, _| Err(broken().into())).await;
    assert_eq!(
        reason(&answer),
        "failed to open the box: the lid is stuck \
         (log stream 2026/01/15/[$LATEST]abc of /aws/lambda/thing)"
    );
}

#[tokio::test(start_paused = true)]
async fn the_physical_id_is_the_things_own_or_echoed() {
    let failure = || Err(broken().into());
    let named = || Err(Failure::new(broken()).with_physical_resource_id("left-behind"));
    let rows = [
        ("created", "Create", success("new"), "new"),
        ("replaced", "Update", success("new"), "new"),
        (
            "a delete can't rename",
            "Delete",
            success("new"),
            "id-of-request",
        ),
        ("not created", "Create", failure(), CREATE_FAILED_ID),
        ("half created", "Create", named(), "left-behind"),
        ("not updated", "Update", failure(), "id-of-request"),
        ("half updated", "Update", named(), "id-of-request"),
        ("not deleted", "Delete", failure(), "id-of-request"),
    ];
    for (name, request_type, outcome, expected) in rows {
        let answer = answer(event(request_type), async |_, _| outcome).await;
        assert_eq!(answer["PhysicalResourceId"], expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_delete_after_a_failed_create_touches_nothing() {
    let mut event = event("Delete");
    event["PhysicalResourceId"] = CREATE_FAILED_ID.into();
    // Whatever made the Create fail, such as its properties, must not make this fail too.
    event["ResourceProperties"] = Value::Null;
    let answer = answer(event, async |_, _| panic!("the handler was called")).await;
    assert_eq!(answer["Status"], "SUCCESS");
    assert_eq!(answer["PhysicalResourceId"], CREATE_FAILED_ID);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_answered() {
    let answers = [
        answer(event("Create"), async |_, _| panic!("in the future")).await,
        answer(
            event("Create"),
            |_, _| -> std::future::Ready<Result<Success, Failure>> { panic!("in the {}", "call") },
        )
        .await,
    ];
    assert!(reason(&answers[0]).starts_with("failed to finish: panic: in the future ("));
    assert!(reason(&answers[1]).starts_with("failed to finish: panic: in the call ("));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_answered_before_the_deadline() {
    let start = Instant::now();
    let answer = answer(event("Update"), async |_, _| {
        std::future::pending::<Infallible>().await;
        unreachable!()
    })
    .await;
    assert!(
        reason(&answer).starts_with("failed to finish within the 284 s"),
        "{answer}"
    );
    assert_eq!(answer["PhysicalResourceId"], "id-of-request");
    assert!(
        (283..285).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_no_request_is_answered_with_what_is_wrong() {
    let with = |request_type, member: &str, value: Value| {
        let mut event = event(request_type);
        event[member] = value;
        event
    };
    let rows = [
        (
            "RequestType is missing",
            with("Create", "RequestType", Value::Null),
        ),
        (
            r#"RequestType "Upsert" is unknown, must be Create, Update or Delete"#,
            event("Upsert"),
        ),
        (
            "RequestType must be a string",
            with("Create", "RequestType", json!(1)),
        ),
        ("StackId is missing", with("Create", "StackId", Value::Null)),
        (
            "StackId must be a string",
            with("Create", "StackId", "x".repeat(600).into()),
        ),
        (
            "RequestId must be a string",
            with("Create", "RequestId", json!(["r"])),
        ),
        (
            "ResourceType is missing",
            with("Create", "ResourceType", Value::Null),
        ),
        (
            "LogicalResourceId must be a string",
            with("Create", "LogicalResourceId", "".into()),
        ),
        (
            "PhysicalResourceId is missing",
            with("Delete", "PhysicalResourceId", Value::Null),
        ),
        (
            "ResourceProperties is missing",
            with("Create", "ResourceProperties", Value::Null),
        ),
        (
            "ResourceProperties must be an object",
            with("Create", "ResourceProperties", json!([])),
        ),
        (
            "OldResourceProperties is missing",
            with("Update", "OldResourceProperties", Value::Null),
        ),
    ];
    for (expected, event) in rows {
        let answer = answer(event, async |_, _| panic!("the handler was called")).await;
        let expected = format!("failed to read the event: {expected}");
        assert!(
            reason(&answer).starts_with(&expected),
            "{expected}: {answer}"
        );
        assert!(
            !answer["PhysicalResourceId"].as_str().unwrap().is_empty(),
            "{expected}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_names_nowhere_to_answer_is_an_error_of_the_invocation() {
    let rows = [
        ("no object", json!("Create")),
        ("no URL", json!({"RequestType": "Create"})),
        (
            "no text",
            json!({"RequestType": "Create", "ResponseURL": 1}),
        ),
        (
            "relative",
            json!({"RequestType": "Create", "ResponseURL": "/x"}),
        ),
    ];
    for (name, event) in rows {
        let http = taking();
        let result = Responder::new(http.connector())
            .answer(invocation(event, TIME), async |_, _| success("x"))
            .await;
        assert!(
            result.unwrap_err().to_string().contains("ResponseURL"),
            "{name}"
        );
        assert_eq!(http.sent(), [], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_does_not_fit_is_a_failure_that_names_the_thing() {
    let answer = answer(event("Create"), async |_, _| {
        Ok(Success {
            physical_resource_id: "thing-1".to_owned(),
            data: json!({"Text": "x".repeat(5_000)})
                .as_object()
                .unwrap()
                .clone(),
        })
    })
    .await;
    assert!(
        reason(&answer).starts_with("failed to answer: with its Data the answer has 51"),
        "{answer}"
    );
    // The rollback has to delete what was created.
    assert_eq!(answer["PhysicalResourceId"], "thing-1");
}

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
        assert!(
            (1..=8).contains(&http.sent().len()),
            "{name}: {}",
            http.sent().len()
        );
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_log_line_holds_the_signature() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = log.set_default();
    let http = FakeHttp::new(|_| Reply::Refused);
    let result = Responder::new(http.connector())
        .answer(invocation(event("Create"), TIME), async |request, _| {
            tracing::info!(?request, "handler");
            Err(broken().into())
        })
        .await;
    drop(guard);

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for expected in [
        "request received",
        "handler",
        "request failed",
        "trying again",
        "not answered",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(!log.contains(SIGNATURE), "{log}");
    assert!(!format!("{result:?}").contains(SIGNATURE), "{result:?}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a\"\\x00😀]{0,2000}".prop_map(Value::from),
        prop::sample::select(vec!["Create", "Update", "Delete", CREATE_FAILED_ID])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..5)
                .prop_map(|map| Value::from(Map::from_iter(map))),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Value> {
    let members = prop::sample::subsequence(
        vec![
            "RequestType",
            "StackId",
            "RequestId",
            "ResourceType",
            "LogicalResourceId",
            "PhysicalResourceId",
            "ResourceProperties",
            "OldResourceProperties",
        ],
        0..4,
    );
    let base = prop::sample::select(vec!["Create", "Update", "Delete"]);
    (base, members, prop::collection::vec(any_json(), 4)).prop_map(|(base, members, values)| {
        let mut event = event(base);
        for (member, value) in members.into_iter().zip(values) {
            event[member] = value;
        }
        event
    })
}

proptest! {
    #[test]
    fn any_event_with_a_url_gets_exactly_one_answer(
        event in any_event(),
        outcome in prop_oneof![
            (any::<String>(), any_json()).prop_map(|(id, data)| Ok((id, data))),
            "[a\"\\x00😀]{0,5000}".prop_map(Err),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let answer = runtime.block_on(async {
            let http = taking();
            Responder::new(http.connector())
                .answer(invocation(event, TIME), async |_, _| match outcome {
                    Ok((physical_resource_id, data)) => Ok(Success {
                        physical_resource_id,
                        data: Map::from_iter([("Data".to_owned(), data)]),
                    }),
                    Err(message) => Err(Failure::new(message)),
                })
                .await
                .unwrap();
            http.sent()
        });
        prop_assert!(answer[0].body.len() <= 4_096, "{} bytes", answer[0].body.len());
        let answer = only_answer(&answer);
        prop_assert!(answer["Status"] == "SUCCESS" || answer["Status"] == "FAILED");
        prop_assert!(!answer["PhysicalResourceId"].as_str().unwrap().is_empty());
    }
}
