//! CloudFormation's side: its events, and the one answer to each.

use std::time::{Duration, SystemTime};

use cfn_response::Responder;
use lambda_runtime::{Context, LambdaEvent};
use org_resource_data_sync::Handler;
use serde_json::{Value, json};

use crate::ssm::{FakeSsm, RESPONSE_HOST};

/// What the function has left of its time.
const TIME: Duration = Duration::from_mins(15);

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

/// Invokes the function and returns its only answer to this event.
pub(crate) async fn answer(ssm: &FakeSsm, event: Value) -> Value {
    let end = SystemTime::now() + TIME;
    let since_epoch = end.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut context = Context::default();
    context.deadline = since_epoch.as_millis().try_into().unwrap();

    let handler = Handler::new(aws_sdk_ssm::Client::new(&ssm.http.sdk_config()));
    let before = ssm.answers().len();
    Responder::new(ssm.http.connector())
        .answer(LambdaEvent::new(event, context), |request, deadline| {
            handler.handle(request, deadline)
        })
        .await
        .unwrap();
    let mut answers = ssm.answers().split_off(before);
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
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
        let reason = answer["Reason"].as_str().unwrap();
        assert!(reason.contains(text), "{text:?} is not in {reason:?}");
    }
}
