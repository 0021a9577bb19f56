//! Update changes the sync, or leaves the old one in place.

use lambda_sdk::test_util::Reply;
use tokio::time::Instant;

use crate::cloudformation::{
    NAME, answer, assert_failed, assert_success, delete, properties, properties_with, signed_at,
    sync, update,
};
use crate::ssm::FakeSsm;

const DELETE: &str = "DeleteResourceDataSync";
const CREATE: &str = "CreateResourceDataSync";
const INVALID: &str = "ResourceDataSyncInvalidConfigurationException";

fn refusal() -> Reply {
    Reply::error(400, INVALID, "Invalid prefix")
}

#[tokio::test(start_paused = true)]
async fn any_change_of_the_destination_replaces_the_sync() {
    let key = "arn:aws:kms:us-east-1:111122223333:key/1";
    let rows = [
        ("S3BucketName", "other-bucket", "BucketName"),
        ("S3BucketPrefix", "Other", "Prefix"),
        ("S3BucketRegion", "eu-west-1", "Region"),
        ("KMSKeyArn", key, "AWSKMSKeyARN"),
    ];
    for (property, value, member) in rows {
        let ssm = FakeSsm::new([sync()]);
        let new = properties_with(property, value);
        let answer = answer(&ssm, update(NAME, &properties(), &new)).await;
        assert_success(&answer, NAME);
        assert_eq!(ssm.changes(), [DELETE, CREATE], "{property}");
        let [changed] = &ssm.syncs()[..] else {
            panic!("{property}: {:?}", ssm.syncs());
        };
        assert_eq!(changed["S3Destination"][member], value);
    }
}

#[tokio::test(start_paused = true)]
async fn the_new_sync_is_made_once_the_old_one_is_gone_from_every_page() {
    let ssm = FakeSsm::new([sync()]).with(|state| state.lists_until_gone = 4);
    let new = properties_with("S3BucketPrefix", "Other");
    assert_success(&answer(&ssm, update(NAME, &properties(), &new)).await, NAME);
    assert_eq!(ssm.changes(), [DELETE, CREATE]);
}

#[tokio::test(start_paused = true)]
async fn without_a_change_nothing_is_called_that_changes() {
    let mut existing = sync();
    existing["LastStatus"] = "Successful".into();
    let ssm = FakeSsm::new([existing]);
    let new = properties_with("ServiceTimeout", "600");
    let answer = answer(&ssm, update(NAME, &properties(), &new)).await;
    assert_success(&answer, NAME);
    assert_eq!(answer["Data"]["LastStatus"], "Successful");
    assert!(ssm.changes().is_empty(), "{:?}", ssm.changes());
}

#[tokio::test(start_paused = true)]
async fn a_rename_leaves_one_sync_and_the_delete_of_the_old_name_succeeds() {
    let ssm = FakeSsm::new([sync()]);
    let new = properties_with("ResourceDataSyncName", "renamed");
    let renamed = answer(&ssm, update(NAME, &properties(), &new)).await;
    assert_success(&renamed, "renamed");
    assert_success(&answer(&ssm, delete(NAME)).await, NAME);
    assert_eq!(ssm.names(), ["renamed"]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_rename_finds_the_sync_that_it_made() {
    let mut renamed = sync();
    renamed["SyncName"] = "renamed".into();
    renamed["SyncCreatedTime"] = 1_768_478_420.into(); // 20 s after the request was signed
    let ssm = FakeSsm::new([renamed]);
    let new = properties_with("ResourceDataSyncName", "renamed");
    let event = signed_at(update(NAME, &properties(), &new), "20260115T120000Z");
    assert_success(&answer(&ssm, event).await, "renamed");
    assert_eq!(ssm.names(), ["renamed"]);
    assert_eq!(ssm.calls(DELETE), 0);
}

#[tokio::test(start_paused = true)]
async fn a_rename_to_a_name_that_is_taken_changes_nothing() {
    let mut other = sync();
    other["SyncName"] = "taken".into();
    let ssm = FakeSsm::new([sync(), other]);
    let new = properties_with("ResourceDataSyncName", "taken");
    let answer = answer(&ssm, update(NAME, &properties(), &new)).await;
    assert_failed(&answer, NAME, &["there is taken to s3://"]);
    assert!(ssm.changes().is_empty(), "{:?}", ssm.changes());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_fails_restores_the_old_sync_and_the_rollback_succeeds() {
    let ssm = FakeSsm::new([sync()]).failing(CREATE, refusal(), 1, 1);
    let new = properties_with("S3BucketPrefix", "Other");
    let failed = answer(&ssm, update(NAME, &properties(), &new)).await;
    assert_failed(&failed, NAME, &["Invalid prefix", "is restored"]);
    assert_eq!(ssm.changes(), [DELETE, CREATE, CREATE]);

    let rolled_back = answer(&ssm, update(NAME, &new, &properties())).await;
    assert_success(&rolled_back, NAME);
    assert_eq!(ssm.changes().len(), 3, "the rollback has nothing to change");
    assert_eq!(ssm.syncs()[0]["S3Destination"], sync()["S3Destination"]);
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_fails_restores_the_old_name() {
    let ssm = FakeSsm::new([sync()]).failing(CREATE, refusal(), 1, 1);
    let new = properties_with("ResourceDataSyncName", "renamed");
    let failed = answer(&ssm, update(NAME, &properties(), &new)).await;
    assert_failed(&failed, NAME, &["Invalid prefix", "is restored"]);
    assert_eq!(ssm.names(), [NAME]);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_first_run_fails_restores_the_old_sync() {
    let ssm = FakeSsm::new([sync()]).with(|state| {
        state.new_status = serde_json::json!({"LastStatus": "Failed"});
    });
    let new = properties_with("S3BucketPrefix", "Other");
    let failed = answer(&ssm, update(NAME, &properties(), &new)).await;
    assert_failed(&failed, NAME, &["SSM does not say why", "is restored"]);
    assert_eq!(ssm.syncs()[0]["S3Destination"], sync()["S3Destination"]);
}

#[tokio::test(start_paused = true)]
async fn both_causes_are_told_if_the_old_sync_can_not_be_restored() {
    let ssm = FakeSsm::new([sync()]).failing(CREATE, refusal(), 1, u32::MAX);
    let new = properties_with("S3BucketPrefix", "Other");
    let failed = answer(&ssm, update(NAME, &properties(), &new)).await;
    let texts = [
        "could not be restored",
        "ResourceDataSync is deleted",
        "/Other",
        "Invalid prefix",
    ];
    assert_failed(&failed, NAME, &texts);

    // The rollback's update makes it anew.
    let ssm = ssm.with(|state| state.fault = Box::new(|_, _| None));
    assert_success(&answer(&ssm, update(NAME, &new, &properties())).await, NAME);
    assert_eq!(ssm.syncs()[0]["S3Destination"], sync()["S3Destination"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_hangs_leaves_time_to_restore_the_old_sync() {
    let mut first = true;
    let ssm = FakeSsm::new([sync()]).with(|state| {
        state.fault = Box::new(move |operation, _| {
            let hang = operation == CREATE && std::mem::take(&mut first);
            hang.then_some(Reply::Hang)
        });
    });
    let new = properties_with("S3BucketPrefix", "Other");
    let failed = answer(&ssm, update(NAME, &properties(), &new)).await;
    assert_failed(&failed, NAME, &["in time", "is restored"]);
    assert_eq!(ssm.syncs()[0]["S3Destination"], sync()["S3Destination"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_created_while_the_old_sync_is_there() {
    let denied = Reply::error(400, "AccessDeniedException", "not authorized to delete");
    let rows = [
        (
            "not deleted",
            FakeSsm::new([sync()]).failing(DELETE, denied, 1, 1),
            "not authorized",
            0,
        ),
        (
            "never gone",
            FakeSsm::new([sync()]).with(|state| state.lists_until_gone = u32::MAX - 1),
            "still listed after 120 s",
            120,
        ),
    ];
    for (name, ssm, text, seconds) in rows {
        let start = Instant::now();
        let new = properties_with("S3BucketPrefix", "Other");
        assert_failed(
            &answer(&ssm, update(NAME, &properties(), &new)).await,
            NAME,
            &[text],
        );
        assert_eq!(ssm.changes(), [DELETE], "{name}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_somebody_deleted_is_made_anew() {
    let ssm = FakeSsm::new([]);
    let new = properties_with("S3BucketPrefix", "Other");
    assert_success(&answer(&ssm, update(NAME, &properties(), &new)).await, NAME);
    assert_eq!(ssm.changes(), [CREATE]);
}

#[tokio::test(start_paused = true)]
async fn the_recipes_resource_is_taken_over_with_its_sync() {
    let ssm = FakeSsm::new([sync()]);
    let recipes_id = format!("ResourceDataSync-{NAME}");
    let recipes = serde_json::json!({"ServiceToken": "arn"});
    let taken_over = answer(&ssm, update(&recipes_id, &recipes, &properties())).await;
    assert_success(&taken_over, NAME);
    assert_success(&answer(&ssm, delete(&recipes_id)).await, &recipes_id);
    assert_eq!(
        ssm.changes(),
        [DELETE],
        "only the delete of what never had that name"
    );
    assert_eq!(ssm.syncs(), [sync()]);
}
