//! Lambda delivers an event more than once: the repetition gets the same answer and changes nothing.

use std::time::Duration;

use lambda_sdk::test_util::Reply;
use serde_json::{Value, json};

use crate::cloudformation::{
    NAME, answer, assert_failed, create, delete, properties, properties_with, signed,
    standard_sync, sync_with, update,
};
use crate::ssm::{FakeSsm, NOON, State};

const CREATE: &str = "CreateResourceDataSync";
const RECIPES_ID: &str = "ResourceDataSync-patch-reporting";

struct Row {
    name: &'static str,
    existing: Vec<Value>,
    service: fn(&mut State),
    event: Value,
    status: &'static str,
}

fn as_it_is(_: &mut State) {}

/// No sync can be made that ships to the folder `Other`.
fn other_is_refused(state: &mut State) {
    state.fault = Box::new(|operation, input| {
        let is_refused = input["S3Destination"]["Prefix"] == "Other";
        (operation == CREATE && is_refused).then(|| {
            let code = "ResourceDataSyncInvalidConfigurationException";
            Reply::error(400, code, "Invalid prefix")
        })
    });
}

fn nothing_can_be_made(state: &mut State) {
    state.fault = Box::new(|operation, _| {
        (operation == CREATE).then(|| Reply::error(400, "AccessDeniedException", "no"))
    });
}

fn nothing_can_be_deleted(state: &mut State) {
    state.fault = Box::new(|operation, _| {
        let is_delete = operation == "DeleteResourceDataSync";
        is_delete.then(|| Reply::error(400, "AccessDeniedException", "no"))
    });
}

fn first_runs_fail(state: &mut State) {
    state.new_status = json!({"LastStatus": "Failed", "LastSyncStatusMessage": "no bucket"});
}

fn old() -> Vec<Value> {
    let own = sync_with(NAME, "ResourceDataSync");
    vec![own, standard_sync("standard")]
}

fn row(
    name: &'static str,
    existing: Vec<Value>,
    service: fn(&mut State),
    event: Value,
    status: &'static str,
) -> Row {
    Row {
        name,
        existing,
        service,
        event,
        status,
    }
}

fn creates() -> Vec<Row> {
    let make = || create(&properties());
    let wrong = create(&properties_with("S3BucketRegion", "Virginia"));
    vec![
        row("create", vec![], as_it_is, make(), "SUCCESS"),
        row(
            "create refused",
            vec![],
            nothing_can_be_made,
            make(),
            "FAILED",
        ),
        row("create in the way", old(), as_it_is, make(), "FAILED"),
        row(
            "create, run fails",
            vec![],
            first_runs_fail,
            make(),
            "FAILED",
        ),
        row(
            "create, wrong properties",
            vec![],
            as_it_is,
            wrong,
            "FAILED",
        ),
    ]
}

fn updates() -> Vec<Row> {
    let change = |property, value| update(NAME, &properties(), &properties_with(property, value));
    let prefix = || change("S3BucketPrefix", "Other");
    let rename = || change("ResourceDataSyncName", "renamed");
    let time = change("ServiceTimeout", "9");
    let taken_over = update(RECIPES_ID, &json!({"ServiceToken": "arn"}), &properties());
    vec![
        row("update", old(), as_it_is, prefix(), "SUCCESS"),
        row("update, gone", vec![], as_it_is, prefix(), "SUCCESS"),
        row("update, no change", old(), as_it_is, time, "SUCCESS"),
        row(
            "update, restored",
            old(),
            other_is_refused,
            prefix(),
            "FAILED",
        ),
        row(
            "update, gone, restored",
            vec![],
            other_is_refused,
            prefix(),
            "FAILED",
        ),
        row(
            "update, run fails",
            old(),
            first_runs_fail,
            prefix(),
            "FAILED",
        ),
        row(
            "update, not restored",
            old(),
            nothing_can_be_made,
            prefix(),
            "FAILED",
        ),
        row(
            "update, not deleted",
            old(),
            nothing_can_be_deleted,
            prefix(),
            "FAILED",
        ),
        row("rename", old(), as_it_is, rename(), "SUCCESS"),
        row(
            "rename, not restored",
            old(),
            nothing_can_be_made,
            rename(),
            "FAILED",
        ),
        row("taken over", old(), as_it_is, taken_over, "SUCCESS"),
    ]
}

fn deletes() -> Vec<Row> {
    vec![
        row("delete", old(), as_it_is, delete(NAME), "SUCCESS"),
        row("delete, gone", vec![], as_it_is, delete(NAME), "SUCCESS"),
        row(
            "delete, recipe's id",
            old(),
            as_it_is,
            delete(RECIPES_ID),
            "SUCCESS",
        ),
        row(
            "delete refused",
            old(),
            nothing_can_be_deleted,
            delete(NAME),
            "FAILED",
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn the_same_event_again_gets_the_same_answer_and_changes_nothing() {
    let rows = [creates(), updates(), deletes()];
    for row in rows.into_iter().flatten() {
        let name = row.name;
        let ssm = FakeSsm::new(row.existing).with(row.service);
        let event = signed(&ssm, row.event);
        let first = answer(&ssm, event.clone()).await;
        assert_eq!(first["Status"], row.status, "{name}: {first}");
        let before = ssm.syncs();

        let again = answer(&ssm, event).await;
        for member in ["Status", "PhysicalResourceId", "Data"] {
            assert_eq!(again[member], first[member], "{name}: {again}");
        }
        assert_eq!(ssm.syncs(), before, "{name}");
    }
}

/// What the repetition of an older request finds was made by a younger one.
#[tokio::test(start_paused = true)]
async fn a_late_repetition_does_not_undo_a_later_request() {
    let ssm = FakeSsm::new([sync_with(NAME, "ResourceDataSync")]);
    let new = properties_with("S3BucketPrefix", "Other");
    let event = signed(&ssm, update(NAME, &properties(), &new));
    answer(&ssm, event.clone()).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let rolled_back = signed(&ssm, update(NAME, &new, &properties()));
    assert_eq!(answer(&ssm, rolled_back).await["Status"], "SUCCESS");
    let before = ssm.syncs();

    let again = answer(&ssm, event).await;
    let text = "was made after this request began";
    assert_failed(&again, NAME, &[text]);
    assert_eq!(ssm.syncs(), before);
}

/// The first attempt made the new sync and died before it could answer.
#[tokio::test(start_paused = true)]
async fn a_change_whose_first_attempt_died_is_finished_by_the_next() {
    let rows = [
        ("it runs", "InProgress", "SUCCESS"),
        ("its run fails", "Failed", "FAILED"),
    ];
    for (name, status, expected) in rows {
        let mut made = sync_with(NAME, "Other");
        made["SyncCreatedTime"] = (NOON + 20).into();
        made["LastStatus"] = status.into();
        let ssm = FakeSsm::new([made]).with(|state| state.lists_until_status = 2);
        let new = properties_with("S3BucketPrefix", "Other");
        let event = signed(&ssm, update(NAME, &properties(), &new));
        let answered = answer(&ssm, event).await;
        assert_eq!(answered["Status"], expected, "{name}: {answered}");
        assert_eq!(
            prefixes(&ssm),
            ["Other"],
            "{name}: it may have been answered"
        );
        if expected == "FAILED" {
            let texts = ["left as it is", "in place of patch-reporting to s3://"];
            assert_failed(&answered, NAME, &texts);
            tokio::time::sleep(Duration::from_mins(1)).await;
            let rolled_back = signed(&ssm, update(NAME, &new, &properties()));
            assert_eq!(answer(&ssm, rolled_back).await["Status"], "SUCCESS");
            assert_eq!(prefixes(&ssm), ["ResourceDataSync"]);
        }
    }
}

fn prefixes(ssm: &FakeSsm) -> Vec<Value> {
    let syncs = ssm.syncs().into_iter();
    syncs
        .map(|it| it["S3Destination"]["Prefix"].clone())
        .collect()
}

/// Lambda delivers an event at least once. By the second time the stack counts on what was made.
#[tokio::test(start_paused = true)]
async fn a_late_repetition_never_takes_away_what_was_answered() {
    let new = properties_with("S3BucketPrefix", "Other");
    let rows = [
        ("create", vec![], create(&properties())),
        ("update", old(), update(NAME, &properties(), &new)),
    ];
    for (name, existing, event) in rows {
        for is_list_denied in [false, true] {
            let ssm = FakeSsm::new(existing.clone());
            let event = signed(&ssm, event.clone());
            assert_eq!(answer(&ssm, event.clone()).await["Status"], "SUCCESS");
            let before = prefixes(&ssm);
            let ssm = ssm.with(|state| {
                state.page_size = 50;
                // The first run was under way, and has failed since, or nobody can see it.
                for sync in &mut state.syncs {
                    sync["LastStatus"] = "Failed".into();
                }
                state.lists_until_status = u32::from(is_list_denied);
                let mut lists = 0;
                state.fault = Box::new(move |operation, _| {
                    lists += u32::from(operation == "ListResourceDataSync");
                    let is_denied = is_list_denied && lists > 1;
                    (operation == "ListResourceDataSync" && is_denied)
                        .then(|| Reply::error(400, "AccessDeniedException", "not authorized"))
                });
            });
            let again = answer(&ssm, event).await;
            let cause = if is_list_denied {
                "not authorized"
            } else {
                "SSM does not say why"
            };
            assert_failed(&again, NAME, &["left as it is", cause]);
            assert_eq!(
                prefixes(&ssm),
                before,
                "{name}, list denied: {is_list_denied}"
            );
        }
    }
}
