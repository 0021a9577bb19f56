//! Success, failure, panic and deadline: what each is answered with.

use std::convert::Infallible;
use std::time::Duration;

use cfn_response::{CREATE_FAILED_ID, Deadline, Failure, Request, Responder, Success};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{
    STACK_ID, TIME, answer, broken, event, invocation, only_answer, reason, success, taking, url,
};

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
