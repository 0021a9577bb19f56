//! What each kind of request comes to, before any bucket is looked at.

use std::time::Duration;

use cfn_response::{Deadline, RequestType};
use serde_json::{Value, json};

use crate::fake_aws::FakeAws;
use crate::support::{PHYSICAL_ID, cleanup, filled, handle, request};

#[tokio::test]
async fn create_and_update_touch_nothing() {
    for request_type in [RequestType::Create, RequestType::Update] {
        let aws = FakeAws::new([("live-bucket", filled(["a"]))]);
        let request = request(request_type, &["live-bucket"]);
        let success = handle(aws.http.connector(), request, Duration::from_mins(1))
            .await
            .expect("done");
        assert_eq!(success.physical_resource_id, PHYSICAL_ID);
        assert_eq!(aws.http.sent(), [], "{request_type:?}");
    }
}

#[tokio::test]
async fn the_physical_id_stays_whatever_the_properties_say_and_wherever_it_came_from() {
    let aws = FakeAws::new([]);
    for physical_id in [
        PHYSICAL_ID,
        "2026/01/15/[$LATEST]0123456789abcdef0123456789abcdef",
    ] {
        for request_type in [RequestType::Update, RequestType::Delete] {
            let mut request = request(request_type, &["renamed-bucket"]);
            request.physical_resource_id = Some(physical_id.to_owned());
            let success = handle(aws.http.connector(), request, Duration::from_mins(1))
                .await
                .expect("done");
            assert_eq!(
                success.physical_resource_id, physical_id,
                "{request_type:?}"
            );
        }
    }
}

#[tokio::test]
async fn bad_properties_fail_a_create_and_an_update_without_a_request() {
    let aws = FakeAws::new([("live-bucket", filled(["a"]))]);
    let known = ["ServiceToken", "ServiceTimeout", "BucketNames"];
    let rows = [
        (
            "a bad name",
            json!({ "BucketNames": ["live-bucket", "Not_A_Bucket"] }),
            "BucketNames: \"Not_A_Bucket\" is no name of a bucket: \
             it may hold only lower-case letters, digits, periods and hyphens",
        ),
        (
            "no property",
            json!({ "BucketNames": null }),
            "BucketNames: it is missing, it must be a list of bucket names",
        ),
        (
            "an unknown property",
            json!({ "s3BucketNames": "one,two" }),
            "s3BucketNames: it is unknown, allowed are BucketNames, ServiceToken, ServiceTimeout",
        ),
    ];
    for (name, changes, expected) in rows {
        for request_type in [RequestType::Create, RequestType::Update] {
            let mut request = request(request_type, &["live-bucket"]);
            assert!(request.properties.keys().all(|key| known.contains(&&**key)));
            for (property, value) in changes.as_object().unwrap() {
                request.properties.insert(property.clone(), value.clone());
            }
            let handled = handle(aws.http.connector(), request, Duration::from_mins(1)).await;
            assert_eq!(
                handled.expect_err(name),
                format!("read property {expected}"),
                "{request_type:?}"
            );
        }
    }
    assert_eq!(aws.http.sent(), []);
}

#[tokio::test]
async fn a_delete_fails_only_for_the_property_that_it_needs() {
    let delete = |properties: Value| {
        let mut request = request(RequestType::Delete, &[]);
        request.properties = properties.as_object().unwrap().clone();
        request
    };
    let time = Duration::from_mins(1);

    let aws = FakeAws::new([("bucket", filled(["a"]))]);
    let request = delete(json!({ "BucketNames": ["bucket"], "Nonsense": {} }));
    handle(aws.http.connector(), request, time).await.unwrap();
    assert_eq!(aws.bucket("bucket").keys(), Vec::<String>::new());

    // Where nothing is to be emptied, no name is needed.
    for properties in [json!({}), json!({ "BucketNames": "x" })] {
        let aws = FakeAws::new([]).in_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
        handle(aws.http.connector(), delete(properties.clone()), time)
            .await
            .unwrap();
        let aws = FakeAws::new([]);
        let reason = handle(aws.http.connector(), delete(properties), time)
            .await
            .expect_err("nobody knows what to empty");
        assert!(
            reason.starts_with("read property BucketNames: it"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_stack_id_that_tells_no_account_fails_without_a_request() {
    let aws = FakeAws::new([("live-bucket", filled(["a"]))]);
    for request_type in [
        RequestType::Create,
        RequestType::Update,
        RequestType::Delete,
    ] {
        let mut request = request(request_type, &["live-bucket"]);
        request.stack_id = "arn:aws:sns:us-east-1:111122223333:topic".to_owned();
        let handled = handle(aws.http.connector(), request, Duration::from_mins(1)).await;
        assert_eq!(
            handled.expect_err("no stack"),
            r#"find the account in the stack id "arn:aws:sns:us-east-1:111122223333:topic""#
        );
    }
    assert_eq!(aws.http.sent(), []);
}

#[tokio::test]
async fn an_endpoint_of_ones_own_is_addressed_by_path() {
    for (name, url, host) in [
        (
            "AWS_ENDPOINT_URL",
            "http://127.0.0.1:4566",
            "http://127.0.0.1:4566/bucket/?",
        ),
        (
            "AWS_ENDPOINT_URL",
            "http://localhost:4566",
            "http://localhost:4566/bucket/?",
        ),
        (
            "AWS_ENDPOINT_URL_S3",
            "http://localhost:4566",
            "http://localhost:4566/bucket/?",
        ),
        (
            "UNRELATED",
            "x",
            "https://bucket.s3.us-east-1.amazonaws.com/?",
        ),
    ] {
        let aws = FakeAws::new([("bucket", filled(["a"]))]);
        let request = request(RequestType::Delete, &["bucket"]);
        let handled = cleanup(aws.http.connector(), &[(name, url)])
            .handle(request, Deadline::after(Duration::from_mins(1)))
            .await;
        handled.expect("emptied");
        let sent = aws.http.sent();
        for sent in sent.iter().filter(|sent| !sent.body.starts_with("Action=")) {
            assert!(sent.uri.starts_with(host), "{name}={url}: {}", sent.uri);
        }
    }
}
