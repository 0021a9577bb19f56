//! Whatever comes: one answer to each event that names where to send it.

use cfn_response::{CREATE_FAILED_ID, Responder};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::property::{self, Outcome};
use crate::support::{TIME, answer, event, invocation, reason, success, taking};

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
async fn a_delete_is_carried_out_whatever_it_does_not_need() {
    for member in [
        "ResourceProperties",
        "ResourceType",
        "OldResourceProperties",
    ] {
        for value in [Value::Null, json!(["nonsense"])] {
            let mut event = event("Delete");
            event[member] = value.clone();
            let answer = answer(event, async |request, _| {
                assert_eq!(
                    request.properties.is_empty(),
                    member == "ResourceProperties"
                );
                success("ignored")
            })
            .await;
            assert_eq!(answer["Status"], "SUCCESS", "{member}: {value}");
            assert_eq!(answer["PhysicalResourceId"], "id-of-request");
        }
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

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let text = || "[a\"\\x00😀]{0,5000}";
    prop_oneof![
        (any::<String>(), any_json()).prop_map(|(id, data)| Outcome::Success(id, data)),
        text().prop_map(Outcome::Failure),
        text().prop_map(Outcome::Resumable),
        text().prop_map(Outcome::Panic),
        Just(Outcome::Hang),
    ]
}

proptest! {
    #[test]
    fn any_event_with_a_url_gets_exactly_one_answer(
        event in any_event(),
        outcome in any_outcome(),
    ) {
        prop_assert!(event["ResponseURL"].is_string());
        property::check(event, outcome);
    }

    #[test]
    fn any_json_gets_one_answer_or_else_is_an_error_of_the_invocation(
        mut event in any_json(),
        has_url in any::<bool>(),
        outcome in any_outcome(),
    ) {
        if let (Value::Object(members), true) = (&mut event, has_url) {
            members.insert("ResponseURL".to_owned(), crate::support::url().into());
        }
        property::check(event, outcome);
    }
}
