//! Create makes the sync, or nothing.

use std::time::Duration;

use cfn_response::CREATE_FAILED_ID;
use lambda_sdk::test_util::Reply;
use serde_json::json;
use tokio::time::Instant;

use crate::cloudformation::{
    NAME, answer, assert_failed, assert_success, create, properties, properties_with, sync,
};
use crate::ssm::FakeSsm;

const INVALID: &str = "ResourceDataSyncInvalidConfigurationException";
const NOT_WRITABLE: &str = "S3 write failed for bucket ssm-resource-sync-us-east-1-111122223333";

#[tokio::test(start_paused = true)]
async fn a_sync_of_the_organization_is_created() {
    let ssm = FakeSsm::new([]);
    let answer = answer(&ssm, create(&properties())).await;

    assert_success(&answer, NAME);
    let data = json!({
        "SyncName": NAME,
        "LastStatus": "InProgress",
        "Destination": "s3://ssm-resource-sync-us-east-1-111122223333/ResourceDataSync",
    });
    assert_eq!(answer["Data"], data);
    let call = &ssm.http.sent()[0];
    assert_eq!(
        (&*call.method, &*call.uri),
        ("POST", "https://ssm.us-east-1.amazonaws.com/")
    );
    assert_eq!(
        call.headers["x-amz-target"],
        "AmazonSSM.CreateResourceDataSync"
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&call.body).unwrap(),
        sync()
    );
}

#[tokio::test(start_paused = true)]
async fn a_prefix_is_sent_only_if_there_is_one_and_so_is_a_key() {
    let key = "arn:aws:kms:us-east-1:111122223333:key/1";
    let rows = [
        ("no prefix", "S3BucketPrefix", "", "Prefix", None),
        ("no key", "KMSKeyArn", "", "AWSKMSKeyARN", None),
        ("a key", "KMSKeyArn", key, "AWSKMSKeyARN", Some(key)),
    ];
    for (name, property, value, member, expected) in rows {
        let ssm = FakeSsm::new([]);
        answer(&ssm, create(&properties_with(property, value))).await;
        let destination = &ssm.syncs()[0]["S3Destination"];
        assert_eq!(
            destination.get(member).and_then(|it| it.as_str()),
            expected,
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_status_is_waited_for() {
    let rows = [
        (
            "at once",
            0,
            json!({"LastStatus": "Successful"}),
            "Successful",
            1,
        ),
        (
            "later",
            3,
            json!({"LastStatus": "InProgress"}),
            "InProgress",
            15,
        ),
        ("never", 0, json!({}), "Unknown", 60),
    ];
    for (name, lists, status, expected, seconds) in rows {
        let ssm = FakeSsm::new([]).with(|state| {
            state.lists_until_status = lists;
            state.new_status = status;
        });
        let start = Instant::now();
        let answer = answer(&ssm, create(&properties())).await;
        assert_success(&answer, NAME);
        assert_eq!(answer["Data"]["LastStatus"], expected, "{name}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sync_whose_first_run_fails_is_removed() {
    let ssm = FakeSsm::new([]).with(|state| {
        state.new_status = json!({"LastStatus": "Failed", "LastSyncStatusMessage": "no bucket"});
        state.lists_until_gone = 2;
    });
    let answer = answer(&ssm, create(&properties())).await;
    assert_failed(
        &answer,
        CREATE_FAILED_ID,
        &["failed to run resource data sync", "no bucket"],
    );
    assert_eq!(ssm.syncs().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_could_not_be_removed_again_is_left_to_the_rollback() {
    let denied = Reply::error(400, "AccessDeniedException", "not authorized to delete");
    let ssm = FakeSsm::new([])
        .with(|state| state.new_status = json!({"LastStatus": "Failed"}))
        .failing("DeleteResourceDataSync", denied, 1, u32::MAX);
    let answer = answer(&ssm, create(&properties())).await;
    assert_failed(
        &answer,
        NAME,
        &["not authorized to delete", "SSM does not say why"],
    );
}

#[tokio::test(start_paused = true)]
async fn a_fresh_bucket_policy_is_given_time_to_spread() {
    let ssm = FakeSsm::new([]).failing(
        "CreateResourceDataSync",
        Reply::error(400, INVALID, NOT_WRITABLE),
        1,
        5,
    );
    let start = Instant::now();
    assert_success(&answer(&ssm, create(&properties())).await, NAME);
    assert_eq!(ssm.calls("CreateResourceDataSync"), 6);
    assert!(
        start.elapsed() > Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_stays_unwritable_fails_with_advice() {
    let error = Reply::error(400, INVALID, NOT_WRITABLE);
    let ssm = FakeSsm::new([]).failing("CreateResourceDataSync", error, 1, u32::MAX);
    let start = Instant::now();
    let answer = answer(&ssm, create(&properties())).await;
    let texts = [
        NOT_WRITABLE,
        "bucket policy",
        "kms:GenerateDataKey",
        "aws:SourceOrgID",
    ];
    assert_failed(&answer, CREATE_FAILED_ID, &texts);
    assert!(
        (60..70).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
}

/// CloudFormation attaches the role's policy a moment before it asks for the sync.
#[tokio::test(start_paused = true)]
async fn a_fresh_policy_of_the_role_is_given_time_to_spread() {
    let denied = Reply::error(400, "AccessDeniedException", "User is not authorized");
    let ssm = FakeSsm::new([]).failing("CreateResourceDataSync", denied.clone(), 1, 3);
    assert_success(&answer(&ssm, create(&properties())).await, NAME);
    assert_eq!(ssm.calls("CreateResourceDataSync"), 4);

    let ssm = FakeSsm::new([]).failing("CreateResourceDataSync", denied, 1, u32::MAX);
    let start = Instant::now();
    let answer = answer(&ssm, create(&properties())).await;
    assert_failed(&answer, CREATE_FAILED_ID, &["User is not authorized"]);
    assert!(
        (60..70).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn another_refusal_fails_at_once_with_its_code_message_and_request() {
    let rows = [
        ("configuration", INVALID, "Invalid Region"),
        (
            "explicit Deny",
            "AccessDeniedException",
            "User is not authorized with an explicit deny in an identity-based policy",
        ),
    ];
    for (name, code, message) in rows {
        let error = Reply::error(400, code, message);
        let ssm = FakeSsm::new([]).failing("CreateResourceDataSync", error, 1, u32::MAX);
        let answer = answer(&ssm, create(&properties())).await;
        let texts = [
            "failed to create resource data sync",
            code,
            message,
            "11111111-2222-3333",
        ];
        assert_failed(&answer, CREATE_FAILED_ID, &texts);
        assert_eq!(ssm.calls("CreateResourceDataSync"), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_tried_again() {
    let throttled = Reply::error(400, "ThrottlingException", "Rate exceeded");
    let ssm = FakeSsm::new([]).failing("CreateResourceDataSync", throttled, 1, 2);
    assert_success(&answer(&ssm, create(&properties())).await, NAME);
    assert_eq!(ssm.calls("CreateResourceDataSync"), 3);
}

#[tokio::test(start_paused = true)]
async fn wrong_properties_fail_before_any_call() {
    let ssm = FakeSsm::new([]);
    let answer = answer(&ssm, create(&properties_with("S3BucketRegion", "Virginia"))).await;
    let text = r#"failed to read property S3BucketRegion: "Virginia" must be the code of a Region"#;
    assert_failed(&answer, CREATE_FAILED_ID, &[text]);
    assert_eq!(ssm.http.sent().len(), 1, "only the answer is sent");
}

/// The SDK counts the retries of the whole process, and has 500 credits for them.
#[tokio::test(start_paused = true)]
async fn a_warm_function_tries_again_however_much_has_failed_before() {
    let ssm = FakeSsm::new([]).failing("CreateResourceDataSync", Reply::Reset, 1, 100);
    for _ in 0..20 {
        assert_failed(
            &answer(&ssm, create(&properties())).await,
            CREATE_FAILED_ID,
            &["connection reset"],
        );
    }
    assert_eq!(ssm.calls("CreateResourceDataSync"), 100);
    assert_success(&answer(&ssm, create(&properties())).await, NAME);
}
