//! Delete removes the sync that the physical id names, and nothing else.

use lambda_sdk::test_util::Reply;
use serde_json::json;
use tokio::time::Instant;

use crate::cloudformation::{NAME, answer, assert_failed, assert_success, delete, sync};
use crate::ssm::FakeSsm;

#[tokio::test(start_paused = true)]
async fn the_sync_is_gone_when_the_delete_is_answered() {
    let ssm = FakeSsm::new([sync()]).with(|state| state.lists_until_gone = 3);
    assert_success(&answer(&ssm, delete(NAME)).await, NAME);
    assert_eq!(ssm.syncs().len(), 0);
    assert_eq!(ssm.calls("ListResourceDataSync"), 4);
}

#[tokio::test(start_paused = true)]
async fn the_physical_id_alone_says_what_to_delete() {
    let mut renamed = sync();
    renamed["SyncName"] = "renamed".into();
    let ssm = FakeSsm::new([sync(), renamed]);
    let mut event = delete("renamed");
    event["ResourceProperties"] = json!({"Nonsense": "1"});
    assert_success(&answer(&ssm, event).await, "renamed");
    assert_eq!(ssm.names(), [NAME]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_deleted() {
    let long = "ResourceDataSync-".to_owned() + &"x".repeat(64);
    for id in [NAME, &*long] {
        let ssm = FakeSsm::new([]);
        let start = Instant::now();
        assert_success(&answer(&ssm, delete(id)).await, id);
        assert_eq!(start.elapsed().as_secs(), 0, "{id}");
        assert_eq!(ssm.calls("ListResourceDataSync"), 0, "{id}");
    }
}

/// The SDK repeats a call whose answer gets lost, and the repetition finds nothing any more.
#[tokio::test(start_paused = true)]
async fn a_sync_that_the_call_has_deleted_before_it_was_repeated_is_gone_too() {
    let ssm = FakeSsm::new([sync()]).with(|state| {
        state.lists_until_gone = 3;
        let mut lost = Some((Reply::Reset, true));
        state.network = Box::new(move |operation| match operation {
            "DeleteResourceDataSync" => lost.take(),
            _ => None,
        });
    });
    assert_success(&answer(&ssm, delete(NAME)).await, NAME);
    assert_eq!(ssm.calls("DeleteResourceDataSync"), 2);
    assert_eq!(ssm.calls("ListResourceDataSync"), 4);
}

/// The SDK counts the retries of the whole process, and has 500 credits for them.
#[tokio::test(start_paused = true)]
async fn a_warm_function_deletes_again_however_much_has_failed_before() {
    let ssm = FakeSsm::new([sync()]).failing("DeleteResourceDataSync", Reply::Reset, 1, 100);
    for _ in 0..20 {
        let texts = ["was deleted", "connection reset"];
        assert_failed(&answer(&ssm, delete(NAME)).await, NAME, &texts);
    }
    assert_eq!(ssm.calls("DeleteResourceDataSync"), 100);
    assert_success(&answer(&ssm, delete(NAME)).await, NAME);
    assert_eq!(ssm.names(), [""; 0]);
}

/// The function's role allows the sync of the template's name only; the name before a rename, or
/// the recipe's physical id in a stack that was upgraded in place, is not among it.
#[tokio::test(start_paused = true)]
async fn what_may_not_be_deleted_and_is_not_there_is_deleted() {
    let denied = Reply::error(400, "AccessDeniedException", "User is not authorized");
    for id in ["old-name", "ResourceDataSync-patch-reporting"] {
        let ssm =
            FakeSsm::new([sync()]).failing("DeleteResourceDataSync", denied.clone(), 1, u32::MAX);
        assert_success(&answer(&ssm, delete(id)).await, id);
        assert_eq!(ssm.calls("DeleteResourceDataSync"), 1);
        assert_eq!(ssm.names(), [NAME]);
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_refusal_fails_with_its_cause() {
    let rows = [
        ("AccessDeniedException", "User is not authorized"),
        ("ResourceDataSyncInvalidConfigurationException", "Invalid"),
    ];
    for (code, message) in rows {
        let error = Reply::error(400, code, message);
        let ssm = FakeSsm::new([sync()]).failing("DeleteResourceDataSync", error, 1, u32::MAX);
        let texts = [
            "failed to delete resource data sync patch-reporting",
            code,
            message,
        ];
        assert_failed(&answer(&ssm, delete(NAME)).await, NAME, &texts);
        assert_eq!(ssm.syncs().len(), 1, "{code}");
    }
}
