//! A change that fails brings the old sync back, or says what is missing.

use std::time::Duration;

use lambda_sdk::test_util::Reply;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cloudformation::{
    NAME, answer, assert_failed, assert_success, properties, properties_with, reason, signed, sync,
    sync_with, update,
};
use crate::ssm::FakeSsm;

const DELETE: &str = "DeleteResourceDataSync";
const CREATE: &str = "CreateResourceDataSync";
const LIST: &str = "ListResourceDataSync";

fn refusal() -> Reply {
    let code = "ResourceDataSyncInvalidConfigurationException";
    Reply::error(400, code, "Invalid prefix")
}

/// Refuses each sync that has a destination with this prefix.
fn refusing(ssm: FakeSsm, prefix: &'static str) -> FakeSsm {
    ssm.with(|state| {
        state.fault = Box::new(move |operation, input| {
            let is_refused = input["S3Destination"]["Prefix"] == prefix;
            (operation == CREATE && is_refused).then(refusal)
        });
    })
}

fn other_prefix() -> Value {
    properties_with("S3BucketPrefix", "Other")
}

#[tokio::test(start_paused = true)]
async fn a_change_that_fails_restores_the_old_sync_and_the_rollback_succeeds() {
    let ssm = FakeSsm::new([sync()]).failing(CREATE, refusal(), 1, 1);
    let new = properties_with("S3BucketPrefix", "Other");
    let failed = answer(&ssm, update(NAME, &properties(), &new)).await;
    assert_failed(&failed, NAME, &["Invalid prefix", "is restored"]);
    assert_eq!(ssm.changes(), [DELETE, CREATE, CREATE]);

    let (lists, start) = (ssm.calls(LIST), Instant::now());
    let rolled_back = answer(&ssm, update(NAME, &new, &properties())).await;
    assert_success(&rolled_back, NAME);
    assert_eq!(ssm.calls(LIST) - lists, 2, "now, and when it would be gone");
    assert_eq!(start.elapsed().as_secs(), 15);
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
async fn a_change_that_runs_out_of_time_leaves_enough_to_restore_the_old_sync() {
    let ssm = FakeSsm::new([sync()]).with(|state| {
        state.time = Duration::from_mins(4);
        state.lists_until_status = u32::MAX;
    });
    let event = signed(&ssm, update(NAME, &properties(), &other_prefix()));
    let failed = answer(&ssm, event).await;
    assert_failed(&failed, NAME, &["in time", "is restored"]);
    assert_eq!(ssm.changes(), [DELETE, CREATE, DELETE, CREATE]);
    assert_eq!(ssm.syncs()[0]["S3Destination"], sync()["S3Destination"]);
}

/// Somebody else deletes the new sync while its status is waited for, so that it is not found when it
/// is taken away again. The old one can be made when it is gone.
#[tokio::test(start_paused = true)]
async fn a_new_sync_that_is_vanishing_already_is_waited_for() {
    let ssm = FakeSsm::new([sync()]).with(|state| {
        state.time = Duration::from_mins(4);
        state.lists_until_status = u32::MAX;
    });
    let new = properties_with("ResourceDataSyncName", "renamed");
    let event = signed(&ssm, update(NAME, &properties(), &new));
    let somebody_else = async {
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(ssm.names(), ["renamed"]);
        ssm.clone()
            .with(|state| state.vanish_in(Duration::from_secs(20)));
    };
    let (failed, ()) = tokio::join!(answer(&ssm, event), somebody_else);
    assert_failed(&failed, NAME, &["in time", "is restored"]);
    assert_eq!(ssm.changes(), [DELETE, CREATE, DELETE, CREATE]);
    assert_eq!(ssm.names(), [NAME]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_refused_changes_nothing() {
    let denied = Reply::error(400, "AccessDeniedException", "not authorized to delete");
    let ssm = FakeSsm::new([sync()]).failing(DELETE, denied, 1, 1);
    let failed = answer(&ssm, update(NAME, &properties(), &other_prefix())).await;
    assert_failed(&failed, NAME, &["not authorized to delete"]);
    assert_eq!(ssm.changes(), [DELETE]);
    assert_eq!(ssm.syncs(), [sync()]);
}

#[tokio::test(start_paused = true)]
async fn an_old_sync_that_vanishes_late_is_restored() {
    let ssm = FakeSsm::new([sync()]).with(|state| state.lists_until_gone = 15);
    let start = Instant::now();
    let event = signed(&ssm, update(NAME, &properties(), &other_prefix()));
    let failed = answer(&ssm, event).await;
    assert_failed(&failed, NAME, &["still listed after 120 s", "is restored"]);
    assert_eq!(ssm.changes(), [DELETE, CREATE, CREATE]);
    assert_eq!(ssm.syncs()[0]["S3Destination"], sync()["S3Destination"]);
    assert!((120..240).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn an_old_sync_that_never_vanishes_is_told() {
    let ssm = FakeSsm::new([sync()]).with(|state| state.lists_until_gone = u32::MAX - 1);
    let start = Instant::now();
    let failed = answer(&ssm, update(NAME, &properties(), &other_prefix())).await;
    let texts = [
        "the deletion of patch-reporting to s3://",
        "/ResourceDataSync was asked for, it is still listed and may yet vanish",
        "there is patch-reporting to s3://",
        "still listed after 120 s",
    ];
    assert_failed(&failed, NAME, &texts);
    assert_eq!(ssm.changes(), [DELETE, CREATE]);
    assert_eq!(start.elapsed().as_secs(), 240);
}

/// Somebody deleted it, or an attempt at this request that died before it made the new one.
#[tokio::test(start_paused = true)]
async fn an_old_sync_that_was_gone_before_is_restored_from_the_old_properties() {
    let rows = [
        ("other prefix", NAME, "S3BucketPrefix", "Other"),
        ("other name", NAME, "ResourceDataSyncName", "renamed"),
        (
            "taken over",
            "ResourceDataSync-patch-reporting",
            "S3BucketPrefix",
            "Other",
        ),
    ];
    for (name, id, property, value) in rows {
        let ssm = FakeSsm::new([]).failing(CREATE, refusal(), 1, 1);
        let new = properties_with(property, value);
        let failed = answer(&ssm, update(id, &properties(), &new)).await;
        assert_failed(&failed, id, &["Invalid prefix", "is restored"]);
        let [restored] = &ssm.syncs()[..] else {
            panic!("{name}: {:?}", ssm.syncs());
        };
        assert_eq!(restored["SyncName"], NAME, "{name}");
        assert_eq!(restored["S3Destination"], sync()["S3Destination"], "{name}");
    }
}

/// In the rollback of a rename, the old properties are those of the sync that could not be made.
#[tokio::test(start_paused = true)]
async fn old_properties_of_another_name_than_the_physical_id_are_not_restored() {
    let ssm = refusing(FakeSsm::new([]), "ResourceDataSync");
    let failed_name = properties_with("ResourceDataSyncName", "renamed");
    let failed = answer(&ssm, update(NAME, &failed_name, &properties())).await;
    assert_failed(&failed, NAME, &["Invalid prefix"]);
    assert!(!reason(&failed).contains("restored"), "{failed}");
    assert_eq!(ssm.changes(), [CREATE]);
}

/// The new sync that can't be removed keeps the old one from coming back: an account and Region can
/// have one of the organization.
#[tokio::test(start_paused = true)]
async fn a_new_sync_that_can_not_be_removed_is_named_with_the_old_one() {
    let denied = Reply::error(400, "AccessDeniedException", "not authorized");
    let ssm = FakeSsm::new([sync_with(NAME, "ResourceDataSync")])
        .with(|state| state.new_status = json!({"LastStatus": "Failed"}))
        .failing(DELETE, denied, 2, u32::MAX);
    let new = properties_with("ResourceDataSyncName", "renamed");
    let failed = answer(&ssm, update(NAME, &properties(), &new)).await;
    let texts = [
        "patch-reporting to s3://ssm-resource-sync-us-east-1-111122223333/ResourceDataSync is deleted",
        "there is renamed to s3://ssm-resource-sync-us-east-1-111122223333/ResourceDataSync already",
        "remove resource data sync renamed",
    ];
    assert_failed(&failed, NAME, &texts);
    assert_eq!(ssm.names(), ["renamed"]);
}

/// The list does not tell a sync that is about to vanish from one that stays.
#[tokio::test(start_paused = true)]
async fn the_rollback_waits_for_an_old_sync_that_may_still_vanish() {
    for seconds in [1, 8, 14] {
        let mut lists = 0;
        let ssm = FakeSsm::new([sync()]).with(|state| {
            state.lists_until_gone = 3;
            state.network = Box::new(move |operation| {
                lists += u32::from(operation == LIST);
                (lists > 1).then(|| (Reply::status(500, ""), false))
            });
        });
        let new = other_prefix();
        let failed = answer(&ssm, update(NAME, &properties(), &new)).await;
        assert_failed(&failed, NAME, &["could not be restored"]);
        assert_eq!(ssm.names(), [""; 0], "{seconds} s");

        let ssm = ssm.repaired();
        let ssm = ssm.with(|state| state.vanish_in(Duration::from_secs(seconds)));
        assert_success(&answer(&ssm, update(NAME, &new, &properties())).await, NAME);
        assert_eq!(ssm.names(), [NAME], "{seconds} s");
    }
}
