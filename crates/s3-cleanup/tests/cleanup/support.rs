//! CloudFormation's requests, and what becomes of them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use cfn_response::{Deadline, Request, RequestType, ResponseUrl, Success};
use lambda_runtime::{Context, LambdaEvent};
use s3_cleanup::{Cleanup, s3_client};
use serde_json::{Value, json};

use crate::fake_aws::{ANSWER_URL, Bucket, FakeAws, OWNER};

pub(crate) const STACK_ID: &str = "arn:aws:cloudformation:us-east-1:111122223333:stack/patch-reporting/51af3dc0-da77-11e4-872e-1234567db123";
pub(crate) const PHYSICAL_ID: &str =
    "patch-reporting/51af3dc0-da77-11e4-872e-1234567db123/S3Cleanup";

pub(crate) fn request(request_type: RequestType, buckets: &[&str]) -> Request {
    let Value::Object(properties) = json!({
        "ServiceToken": "arn:aws:lambda:us-east-1:111122223333:function:cleanup",
        "ServiceTimeout": "1000",
        "BucketNames": buckets,
    }) else {
        unreachable!("an object")
    };
    Request {
        request_type,
        stack_id: STACK_ID.to_owned(),
        request_id: "afd8d7c5-9376-4013-8b3b-307517b8719e".to_owned(),
        resource_type: "Custom::S3BucketCleanupFunction".to_owned(),
        logical_resource_id: "S3Cleanup".to_owned(),
        physical_resource_id: (request_type != RequestType::Create).then(|| PHYSICAL_ID.to_owned()),
        old_properties: (request_type == RequestType::Update).then(|| properties.clone()),
        properties,
        response_url: ResponseUrl::parse(ANSWER_URL).unwrap(),
    }
}

pub(crate) fn env(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let env = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", OWNER),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let variables = env.iter().chain(more);
    variables
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The provider, over this connector and with these further variables in its environment.
pub(crate) fn cleanup(connector: SharedHttpConnector, more: &[(&str, &str)]) -> Cleanup {
    let env = env(more);
    let config = lambda_sdk::sdk_config(&env, connector).unwrap();
    let cloudformation = aws_sdk_cloudformation::Client::new(&config);
    Cleanup::new(s3_client(&env, &config), cloudformation)
}

/// Carries a request out and returns, of a failure, what CloudFormation is told.
pub(crate) async fn handle(
    connector: SharedHttpConnector,
    request: Request,
    time: Duration,
) -> Result<Success, String> {
    let handled = cleanup(connector, &[])
        .handle(request, Deadline::after(time))
        .await;
    handled.map_err(|failure| cfn_response::chain(failure.error()))
}

/// Deletes the resource.
pub(crate) async fn delete(aws: &FakeAws, buckets: &[&str]) -> Result<Success, String> {
    let request = request(RequestType::Delete, buckets);
    handle(aws.http.connector(), request, Duration::from_secs(800)).await
}

pub(crate) fn filled<'k>(keys: impl IntoIterator<Item = &'k str>) -> Bucket {
    let mut bucket = Bucket::default();
    for key in keys {
        bucket.put(key);
    }
    bucket
}

pub(crate) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}{number:06}.json"))
        .collect()
}

/// When CloudFormation signs the response URL, in its own form and in seconds since 1970.
const SIGNED: (&str, u64) = ("20260115T120000Z", 1_768_478_400);

/// So many seconds after the signing.
pub(crate) fn after_signing(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(SIGNED.1 + seconds)
}

/// The request as CloudFormation puts it.
pub(crate) fn event(request: &Request) -> Value {
    let request_type = request.request_type.as_str();
    let mut event = json!({
        "RequestType": request_type,
        "ResponseURL": format!("{ANSWER_URL}&X-Amz-Date={}", SIGNED.0),
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "ResourceType": request.resource_type,
        "LogicalResourceId": request.logical_resource_id,
        "ResourceProperties": request.properties,
    });
    if let Some(id) = &request.physical_resource_id {
        event["PhysicalResourceId"] = id.as_str().into();
    }
    if let Some(properties) = &request.old_properties {
        event["OldResourceProperties"] = properties.clone().into();
    }
    event
}

/// An invocation that begins at `now` and has so much time.
pub(crate) fn invocation(event: Value, now: SystemTime, time: Duration) -> LambdaEvent<Value> {
    let end = (now + time).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut context = Context::default();
    context.deadline = end.as_millis().try_into().unwrap();
    LambdaEvent::new(event, context)
}
