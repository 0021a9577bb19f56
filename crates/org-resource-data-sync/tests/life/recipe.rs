//! The defects of the recipe's own function, one test for each.

use lambda_sdk::test_util::{Reply, capture_log, captured_log};

use crate::cloudformation::{
    NAME, answer, assert_failed, assert_success, create, delete, properties, properties_with,
    signed, standard_sync, sync, sync_with, update,
};
use crate::ssm::FakeSsm;

/// The recipe's function called `UpdateResourceDataSync`, which takes no S3 destination, with a
/// member that does not exist: every update failed before a call was made, and so did its rollback.
#[tokio::test(start_paused = true)]
async fn an_update_of_any_property_is_carried_out_and_so_is_its_rollback() {
    let key = "arn:aws:kms:us-east-1:111122223333:key/1";
    let rows = [
        ("ResourceDataSyncName", "renamed"),
        ("S3BucketName", "other-bucket"),
        ("S3BucketPrefix", "Other"),
        ("S3BucketRegion", "eu-west-1"),
        ("KMSKeyArn", key),
    ];
    for (property, value) in rows {
        let ssm = FakeSsm::new([sync()]);
        let new = properties_with(property, value);
        let updated = answer(&ssm, update(NAME, &properties(), &new)).await;
        let id = new["ResourceDataSyncName"].as_str().unwrap();
        assert_success(&updated, id);

        let rolled_back = answer(&ssm, update(id, &new, &properties())).await;
        assert_success(&rolled_back, NAME);
        assert_eq!(ssm.names(), [NAME], "{property}");
        assert_eq!(ssm.syncs()[0]["S3Destination"], sync()["S3Destination"]);
    }
}

/// The recipe's function kept the physical id whatever the name: an update after a rename made a
/// second sync, and nothing ever deleted the first.
#[tokio::test(start_paused = true)]
async fn a_rename_leaves_no_sync_of_the_old_name_behind() {
    let ssm = FakeSsm::new([sync()]);
    let new = properties_with("ResourceDataSyncName", "renamed");
    assert_success(
        &answer(&ssm, update(NAME, &properties(), &new)).await,
        "renamed",
    );
    assert_success(&answer(&ssm, delete(NAME)).await, NAME);
    assert_eq!(ssm.names(), ["renamed"]);
}

/// The recipe's function answered SUCCESS to a request type that it does not know.
#[tokio::test(start_paused = true)]
async fn an_unknown_request_type_is_answered_failed() {
    let ssm = FakeSsm::new([]);
    let mut event = create(&properties());
    event["RequestType"] = "Read".into();
    let answer = answer(&ssm, event).await;
    let text = r#"RequestType "Read" is unknown, must be Create, Update or Delete"#;
    assert_failed(&answer, cfn_response::CREATE_FAILED_ID, &[text]);
    assert_eq!(ssm.http.sent().len(), 1, "only the answer is sent");
}

/// The recipe's function read the first page of the list only.
#[tokio::test(start_paused = true)]
async fn the_list_is_read_to_its_last_page() {
    let others = ["a", "b", "c", "d"].map(standard_sync);
    let own = sync_with(NAME, "ResourceDataSync");
    let ssm = FakeSsm::new(others.into_iter().chain([own]));
    let new = properties_with("ServiceTimeout", "600");
    assert_success(&answer(&ssm, update(NAME, &properties(), &new)).await, NAME);
    assert_eq!(ssm.calls("ListResourceDataSync"), 5);
    assert!(ssm.changes().is_empty(), "{:?}", ssm.changes());
}

/// The recipe's function printed every event whole, with the presigned URL that lets whoever reads
/// the log answer in its place.
#[tokio::test(start_paused = true)]
async fn no_log_line_holds_the_event_or_its_presigned_url() {
    capture_log();
    let ssm = FakeSsm::new([sync()]).with(|state| {
        let mut refused = false;
        state.delivery = Box::new(move || {
            (!std::mem::replace(&mut refused, true)).then(|| Reply::status(503, ""))
        });
    });
    let new = properties_with("S3BucketPrefix", "Other");
    let event = signed(&ssm, update(NAME, &properties(), &new));
    assert_success(&answer(&ssm, event).await, NAME);
    assert_success(&answer(&ssm, delete(NAME)).await, NAME);

    let log = captured_log();
    for logged in ["request received", "trying again", "request answered"] {
        assert!(log.contains(logged), "{logged} is not in {log}");
    }
    for secret in ["5ecre7", "X-Amz-", "ResponseURL", "OldResourceProperties"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}
