//! The configuration and the errors, seen through a real client.

use std::collections::BTreeMap;

use aws_sdk_ssm::Client;
use lambda_sdk::test_util::{FakeHttp, Reply};
use lambda_sdk::{AwsError, ConfigError, sdk_config};

fn env(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let base = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ];
    let all = base.iter().chain(changes);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn calls_are_signed_with_the_roles_credentials_for_the_region() {
    let http = FakeHttp::new(|_| Reply::ok("{}"));
    let config = sdk_config(&env(&[]), http.connector()).unwrap();
    Client::new(&config)
        .list_resource_data_sync()
        .send()
        .await
        .unwrap();

    let call = &http.sent()[0];
    assert_eq!(call.operation(), Some("ListResourceDataSync"));
    assert_eq!(call.uri, "https://ssm.eu-west-1.amazonaws.com/");
    assert_eq!(call.headers["x-amz-security-token"], "token");
    let authorization = &call.headers["authorization"];
    assert!(
        authorization.contains("Credential=AKIDEXAMPLE/"),
        "{authorization}"
    );
    assert!(
        authorization.contains("/eu-west-1/ssm/aws4_request"),
        "{authorization}"
    );
}

#[tokio::test(start_paused = true)]
async fn endpoints_of_the_environment_are_honoured() {
    let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
    let ssm = ("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1");
    let s3 = ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2");
    let rows: [(_, &[_], _); 5] = [
        ("for all services", &[all], "http://127.0.0.1:4566/"),
        ("for this service", &[ssm], "http://127.0.0.1:1/"),
        ("this one wins", &[all, ssm], "http://127.0.0.1:1/"),
        ("for another service", &[all, s3], "http://127.0.0.1:4566/"),
        (
            "empty",
            &[("AWS_ENDPOINT_URL", "")],
            "https://ssm.eu-west-1.amazonaws.com/",
        ),
    ];
    for (name, changes, expected) in rows {
        let http = FakeHttp::new(|_| Reply::ok("{}"));
        let config = sdk_config(&env(changes), http.connector()).unwrap();
        Client::new(&config)
            .list_resource_data_sync()
            .send()
            .await
            .unwrap();
        assert_eq!(http.sent()[0].uri, expected, "{name}");
    }
}

#[test]
fn an_environment_that_is_no_good_is_refused() {
    let url = |name: &str, value: &str| ConfigError::EndpointUrl {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let rows = [
        (("AWS_REGION", ""), ConfigError::Missing("AWS_REGION")),
        (
            ("AWS_ACCESS_KEY_ID", ""),
            ConfigError::Missing("AWS_ACCESS_KEY_ID"),
        ),
        (
            ("AWS_SECRET_ACCESS_KEY", ""),
            ConfigError::Missing("AWS_SECRET_ACCESS_KEY"),
        ),
        (
            ("AWS_ENDPOINT_URL", "localhost"),
            url("AWS_ENDPOINT_URL", "localhost"),
        ),
        (
            ("AWS_ENDPOINT_URL_S3", "ftp://x"),
            url("AWS_ENDPOINT_URL_S3", "ftp://x"),
        ),
    ];
    for (change, expected) in rows {
        let http = FakeHttp::new(|_| Reply::ok("{}"));
        let error = sdk_config(&env(&[change]), http.connector()).unwrap_err();
        assert_eq!(error, expected, "{change:?}");
    }
}

async fn error(reply: Reply) -> (AwsError, usize) {
    let http = FakeHttp::new(move |_| reply.clone());
    let client = Client::new(&http.sdk_config());
    let result = client.list_resource_data_sync().send().await;
    let error = result.expect_err("the reply is no success");
    (error.into(), http.sent().len())
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_code_message_status_and_request() {
    let denied = Reply::error(400, "AccessDeniedException", "not authorized");
    let rows = [
        (
            denied,
            Some("AccessDeniedException"),
            "AccessDeniedException: not authorized (status 400, request id 11111111-2222-3333)",
        ),
        (
            Reply::status(400, r#"{"__type":"InvalidNextToken"}"#),
            Some("InvalidNextToken"),
            "InvalidNextToken (status 400)",
        ),
        (
            Reply::status(403, "{}"),
            None,
            "response error: unhandled error: Error (status 403)",
        ),
    ];
    for (reply, code, text) in rows {
        let (error, attempts) = error(reply).await;
        assert_eq!(error.code(), code);
        assert_eq!(error.to_string(), text);
        assert_eq!(attempts, 1, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_five_times_and_then_told() {
    let rows = [
        (
            Reply::error(400, "ThrottlingException", "Rate exceeded"),
            "ThrottlingException: Rate exceeded",
        ),
        (
            Reply::status(500, "{}"),
            "response error: unhandled error: Error (status 500)",
        ),
        (
            Reply::Refused,
            "dispatch failure: io error: connection refused",
        ),
    ];
    for (reply, text) in rows {
        let (error, attempts) = error(reply).await;
        assert!(error.to_string().starts_with(text), "{error}");
        assert_eq!(attempts, 5, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_makes_no_sense_is_an_error() {
    let (error, _) = error(Reply::ok("<html>")).await;
    assert_eq!(error.code(), None);
    assert!(error.to_string().starts_with("response error: "), "{error}");
}
