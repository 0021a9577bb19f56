//! CloudFormation's side: its events, and the one answer to each.

use std::time::{Duration, SystemTime};

use cfn_response::Responder;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ssm::{FakeSsm, NOON, RESPONSE_HOST};

pub(crate) const NAME: &str = "patch-reporting";

/// Properties that name `patch-reporting` and the folder `ResourceDataSync` of the central bucket.
pub(crate) fn properties() -> Value {
    json!({
        "ServiceToken": "arn:aws:lambda:eu-west-1:210987654321:function:sync",
        "ServiceTimeout": "900",
        "ResourceDataSyncName": NAME,
        "S3BucketName": "ssm-resource-sync-us-east-1-111122223333",
        "S3BucketPrefix": "ResourceDataSync",
        "S3BucketRegion": "us-east-1",
    })
}

/// The same with one property changed.
pub(crate) fn properties_with(name: &str, value: &str) -> Value {
    let mut properties = properties();
    properties[name] = value.into();
    properties
}

/// What `CreateResourceDataSync` is to get for [`properties`], and what exists after it.
pub(crate) fn sync() -> Value {
    json!({
        "SyncName": NAME,
        "SyncType": "SyncToDestination",
        "S3Destination": {
            "BucketName": "ssm-resource-sync-us-east-1-111122223333",
            "Prefix": "ResourceDataSync",
            "SyncFormat": "JsonSerDe",
            "Region": "us-east-1",
            "DestinationDataSharing": {"DestinationDataSharingType": "Organization"},
        },
    })
}

/// [`sync`] under another name or with another member of its destination, made long before a test.
pub(crate) fn sync_with(name: &str, prefix: &str) -> Value {
    let mut sync = sync();
    sync["SyncName"] = name.into();
    sync["S3Destination"]["Prefix"] = prefix.into();
    sync["SyncCreatedTime"] = (NOON - 86_400).into();
    sync
}

/// A sync that is none of the organization's, and nobody's business here.
pub(crate) fn standard_sync(name: &str) -> Value {
    let mut sync = sync_with(name, "Standard");
    let destination = sync["S3Destination"].as_object_mut().unwrap();
    destination.remove("DestinationDataSharing");
    sync["LastStatus"] = "Successful".into();
    sync
}

pub(crate) fn create(properties: &Value) -> Value {
    event("Create", properties)
}

pub(crate) fn update(id: &str, old: &Value, new: &Value) -> Value {
    let mut event = event("Update", new);
    event["PhysicalResourceId"] = id.into();
    event["OldResourceProperties"] = old.clone();
    event
}

pub(crate) fn delete(id: &str) -> Value {
    let mut event = event("Delete", &properties());
    event["PhysicalResourceId"] = id.into();
    event
}

fn event(request_type: &str, properties: &Value) -> Value {
    json!({
        "RequestType": request_type,
        "ResponseURL": format!("https://{RESPONSE_HOST}/x?X-Amz-Signature=5ecre7"),
        "StackId": "arn:aws:cloudformation:eu-west-1:210987654321:stack/s/1",
        "RequestId": "r-1",
        "ResourceType": "Custom::ResourceDataSync",
        "LogicalResourceId": "ResourceDataSyncCustomResource",
        "ResourceProperties": properties,
    })
}

/// The event with a response URL that was signed at `date`, such as `20260115T120000Z`.
pub(crate) fn signed_at(mut event: Value, date: &str) -> Value {
    let url = format!(
        "https://{RESPONSE_HOST}/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}\
         &X-Amz-Expires=7200&X-Amz-Signature=5ecre7"
    );
    event["ResponseURL"] = url.into();
    event
}

/// The event with a response URL that is signed now, on the same day as all of a test.
pub(crate) fn signed(ssm: &FakeSsm, event: Value) -> Value {
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(NOON);
    let since_noon = ssm.now().duration_since(noon).unwrap();
    let seconds = since_noon.as_secs();
    let (hour, minute, second) = (12 + seconds / 3_600, seconds / 60 % 60, seconds % 60);
    signed_at(event, &format!("20260115T{hour:02}{minute:02}{second:02}Z"))
}

/// Invokes the function, and returns its result and what CloudFormation took of it.
pub(crate) async fn invoke(
    ssm: &FakeSsm,
    event: Value,
) -> (Result<(), lambda_runtime::Error>, Vec<Value>) {
    let end = Instant::now() + ssm.time();
    let since_epoch = (ssm.now() + ssm.time()).duration_since(SystemTime::UNIX_EPOCH);
    let mut context = Context::default();
    context.deadline = since_epoch.unwrap().as_millis().try_into().unwrap();

    let before = ssm.answers().len();
    let clock = ssm.clone();
    let result = Responder::new(ssm.http.connector())
        .with_clock(move || clock.now())
        .answer(
            LambdaEvent::new(event.clone(), context),
            |request, deadline| ssm.handler.handle(request, deadline),
        )
        .await;
    assert!(Instant::now() < end, "Lambda cuts the invocation off");
    let answers = ssm.answers().split_off(before);
    for answer in &answers {
        assert_well_formed(answer, &event);
    }
    (result, answers)
}

/// Invokes the function and returns its only answer to this event.
pub(crate) async fn answer(ssm: &FakeSsm, event: Value) -> Value {
    let (result, mut answers) = invoke(ssm, event).await;
    result.unwrap();
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

/// Checks what CloudFormation asks of every answer; [`FakeSsm`] checks its size.
fn assert_well_formed(answer: &Value, event: &Value) {
    for member in ["StackId", "RequestId", "LogicalResourceId"] {
        assert_eq!(answer[member], event[member], "{answer}");
    }
    let id = answer["PhysicalResourceId"].as_str().unwrap();
    assert!(!id.is_empty(), "{answer}");
    match answer["Status"].as_str().unwrap() {
        "SUCCESS" => {}
        "FAILED" => {
            assert!(!reason(answer).is_empty(), "{answer}");
            let old_id = event["PhysicalResourceId"].as_str();
            assert!(old_id.is_none_or(|old_id| old_id == id), "{answer}");
        }
        other => panic!("{other}"),
    }
}

/// The reason of a FAILED answer.
pub(crate) fn reason(answer: &Value) -> &str {
    answer["Reason"].as_str().unwrap()
}

#[track_caller]
pub(crate) fn assert_success(answer: &Value, id: &str) {
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    assert_eq!(answer["PhysicalResourceId"], id, "{answer}");
}

/// Checks that the answer is FAILED with this id and all of these texts in its reason.
#[track_caller]
pub(crate) fn assert_failed(answer: &Value, id: &str, texts: &[&str]) {
    assert_eq!(answer["Status"], "FAILED", "{answer}");
    assert_eq!(answer["PhysicalResourceId"], id, "{answer}");
    for text in texts {
        let reason = reason(answer);
        assert!(reason.contains(text), "{text:?} is not in {reason:?}");
    }
}
