//! Update changes the sync, or leaves the old one in place.

use std::time::Duration;

use tokio::time::Instant;

use crate::cloudformation::{
    NAME, answer, assert_failed, assert_success, delete, properties, properties_with, signed_at,
    standard_sync, sync, sync_with, update,
};
use crate::ssm::FakeSsm;

const DELETE: &str = "DeleteResourceDataSync";
const CREATE: &str = "CreateResourceDataSync";
const LIST: &str = "ListResourceDataSync";

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

/// The list that finds what an earlier attempt made tells its status too, or is asked again.
#[tokio::test(start_paused = true)]
async fn a_repeated_change_asks_the_list_again_only_without_a_status() {
    for (name, until_status, lists, seconds) in [("at once", 0, 1, 0), ("later", 1, 2, 1)] {
        let mut made = sync_with(NAME, "Other");
        made["SyncCreatedTime"] = 1_768_478_420.into();
        made["LastStatus"] = "InProgress".into();
        let ssm = FakeSsm::new([made]).with(|state| state.lists_until_status = until_status);
        let new = properties_with("S3BucketPrefix", "Other");
        let event = signed_at(update(NAME, &properties(), &new), "20260115T120000Z");
        let start = Instant::now();
        let answer = answer(&ssm, event).await;
        assert_success(&answer, NAME);
        assert_eq!(answer["Data"]["LastStatus"], "InProgress", "{name}");
        assert_eq!(ssm.calls(LIST), lists, "{name}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{name}");
        assert!(ssm.changes().is_empty(), "{name}: {:?}", ssm.changes());
    }
}

/// An attempt that died has deleted it, and the list shows it still: only one sync of the
/// organization can be there.
#[tokio::test(start_paused = true)]
async fn an_old_sync_that_is_vanishing_already_is_waited_for() {
    let ssm = FakeSsm::new([sync_with(NAME, "ResourceDataSync")])
        .with(|state| state.vanish_in(Duration::from_secs(10)));
    let new = properties_with("S3BucketPrefix", "Other");
    assert_success(&answer(&ssm, update(NAME, &properties(), &new)).await, NAME);
    assert_eq!(ssm.changes(), [DELETE, CREATE]);
    assert_eq!(ssm.syncs()[0]["S3Destination"]["Prefix"], "Other");
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

/// A sync of the name that is left of such an id without the recipe's prefix is somebody else's.
#[tokio::test(start_paused = true)]
async fn a_sync_that_is_named_as_the_recipes_ids_are_is_not_taken_for_another() {
    let ssm = FakeSsm::new([standard_sync("a")]);
    let old = properties_with("ResourceDataSyncName", "ResourceDataSync-a");
    let new = properties_with("ResourceDataSyncName", "b");
    let answer = answer(&ssm, update("ResourceDataSync-a", &old, &new)).await;
    assert_success(&answer, "b");
    assert_eq!(ssm.names(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn wrong_properties_fail_before_any_call() {
    let ssm = FakeSsm::new([sync_with(NAME, "ResourceDataSync")]);
    let new = properties_with("S3BucketName", "s3://bucket");
    let answer = answer(&ssm, update(NAME, &properties(), &new)).await;
    let text =
        r#"failed to read property S3BucketName: "s3://bucket" must be the name of a bucket"#;
    assert_failed(&answer, NAME, &[text]);
    assert_eq!(ssm.http.sent().len(), 1, "only the answer is sent");
}
