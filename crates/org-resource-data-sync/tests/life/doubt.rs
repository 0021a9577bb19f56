//! A call that ends without the service's word may have been carried out: the list tells.

use std::time::Duration;

use cfn_response::CREATE_FAILED_ID;
use lambda_sdk::test_util::Reply;
use serde_json::Value;

use crate::cloudformation::{
    NAME, answer, assert_failed, assert_success, create, delete, properties, properties_with,
    reason, signed, sync, sync_with, update,
};
use crate::ssm::FakeSsm;

const CREATE: &str = "CreateResourceDataSync";
const DELETE: &str = "DeleteResourceDataSync";
const LIST: &str = "ListResourceDataSync";

const MAY_APPEAR: &str = "is not listed, but may still appear under its name";
const NOT_KNOWN: &str = "is not known to be made by this request and is left as it is";

/// The ways in which a call ends without the service's word.
fn lost() -> [(&'static str, Reply); 6] {
    [
        ("broken connection", Reply::Reset),
        ("no answer", Reply::Hang),
        ("fault", Reply::error(500, "InternalServerError", "Oops")),
        ("gateway", Reply::status(504, "<html>")),
        ("garbage", Reply::ok("<html>")),
        ("garbage of a proxy", Reply::status(400, "<html>")),
    ]
}

/// Answers all calls of an operation with this; the first gets to the service, or none.
fn losing(ssm: FakeSsm, lost_operation: &'static str, reply: Reply, first: bool) -> FakeSsm {
    let mut is_carried_out = first;
    ssm.with(|state| {
        state.network = Box::new(move |operation| {
            (operation == lost_operation)
                .then(|| (reply.clone(), std::mem::take(&mut is_carried_out)))
        });
    })
}

/// The change of the prefix of a sync that was made long ago.
fn change() -> (FakeSsm, Value) {
    let ssm = FakeSsm::new([sync_with(NAME, "ResourceDataSync")]);
    let new = properties_with("S3BucketPrefix", "Other");
    let event = signed(&ssm, update(NAME, &properties(), &new));
    (ssm, event)
}

#[tokio::test(start_paused = true)]
async fn a_create_that_was_carried_out_goes_on() {
    for (name, reply) in lost() {
        let ssm = losing(FakeSsm::new([]), CREATE, reply, true);
        let answer = answer(&ssm, signed(&ssm, create(&properties()))).await;
        assert_success(&answer, NAME);
        assert_eq!(ssm.names(), [NAME], "{name}");
        assert_eq!(answer["Data"]["LastStatus"], "InProgress", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_not_listed_fails_and_says_that_it_may_still_appear() {
    for (name, reply) in lost() {
        let ssm = losing(FakeSsm::new([]), CREATE, reply, false);
        let answer = answer(&ssm, signed(&ssm, create(&properties()))).await;
        assert_failed(&answer, CREATE_FAILED_ID, &[MAY_APPEAR, NAME]);
        assert_eq!(ssm.names(), [""; 0], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_nobody_can_tell_apart_from_anothers_fails_and_names_the_sync() {
    for (name, reply) in lost() {
        let ssm = losing(FakeSsm::new([]), CREATE, reply, true);
        let answer = answer(&ssm, create(&properties())).await;
        let named = "there is patch-reporting to s3://ssm-resource-sync-us-east-1-111122223333";
        assert_failed(&answer, CREATE_FAILED_ID, &[NOT_KNOWN, named]);
        assert_eq!(ssm.names(), [NAME], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_outcome_can_not_be_listed_says_where_to_look() {
    let ssm = FakeSsm::new([]).with(|state| {
        state.network = Box::new(|_| Some((Reply::Refused, false)));
    });
    let answer = answer(&ssm, signed(&ssm, create(&properties()))).await;
    let texts = ["it may exist under its name", NAME, "connection refused"];
    assert_failed(&answer, CREATE_FAILED_ID, &texts);
}

#[tokio::test(start_paused = true)]
async fn a_definite_refusal_does_not_say_that_the_sync_may_exist() {
    let denied = Reply::error(400, "AccessDeniedException", "not authorized");
    let ssm = FakeSsm::new([]).failing(CREATE, denied, 1, u32::MAX);
    let answer = answer(&ssm, create(&properties())).await;
    assert!(!reason(&answer).contains("may"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_create_that_runs_out_of_time_takes_its_sync_away_again() {
    let ssm = FakeSsm::new([]).with(|state| {
        state.time = Duration::from_mins(1);
        state.lists_until_status = u32::MAX;
    });
    let answer = answer(&ssm, signed(&ssm, create(&properties()))).await;
    let text = "see the status of resource data sync patch-reporting";
    assert_failed(&answer, CREATE_FAILED_ID, &[text, "in time"]);
    assert_eq!(ssm.changes(), [CREATE, DELETE]);
    assert_eq!(ssm.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_hangs_until_the_end_is_looked_for_and_taken_away_again() {
    let ssm = FakeSsm::new([]).with(|state| {
        state.time = Duration::from_mins(2);
        state.lists_until_status = u32::MAX;
    });
    let ssm = losing(ssm, CREATE, Reply::Hang, true);
    let answer = answer(&ssm, signed(&ssm, create(&properties()))).await;
    assert_failed(&answer, CREATE_FAILED_ID, &["in time"]);
    assert_eq!(ssm.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_hangs_until_the_end_is_kept_if_the_list_shows_that_it_runs() {
    let ssm = FakeSsm::new([]).with(|state| state.time = Duration::from_mins(2));
    let ssm = losing(ssm, CREATE, Reply::Hang, true);
    let answer = answer(&ssm, signed(&ssm, create(&properties()))).await;
    assert_success(&answer, NAME);
    assert_eq!(answer["Data"]["LastStatus"], "InProgress");
    assert_eq!(ssm.names(), [NAME]);
    assert_eq!(ssm.changes(), [CREATE, CREATE]);
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_can_not_be_taken_away_in_time_is_left_to_the_rollback() {
    let ssm = losing(FakeSsm::new([]), LIST, Reply::Hang, false);
    let failed = answer(&ssm, signed(&ssm, create(&properties()))).await;
    assert_failed(
        &failed,
        NAME,
        &["remove resource data sync patch-reporting"],
    );

    let ssm = ssm.repaired();
    assert_success(&answer(&ssm, signed(&ssm, delete(NAME))).await, NAME);
    assert_eq!(ssm.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_carried_out_goes_on() {
    for (name, reply) in lost() {
        let (ssm, event) = change();
        let ssm = losing(ssm, CREATE, reply, true);
        assert_success(&answer(&ssm, event).await, NAME);
        assert_eq!(ssm.syncs()[0]["S3Destination"]["Prefix"], "Other", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_and_a_restoration_that_are_not_listed_say_so() {
    for (name, reply) in lost() {
        let (ssm, event) = change();
        let ssm = losing(ssm, CREATE, reply, false);
        let answer = answer(&ssm, event).await;
        let texts = ["is deleted and could not be restored", MAY_APPEAR, "/Other"];
        assert_failed(&answer, NAME, &texts);
        assert_eq!(ssm.names(), [""; 0], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restoration_that_was_carried_out_is_found() {
    for (name, reply) in lost() {
        let (ssm, event) = change();
        let mut creates = 0;
        let ssm = ssm.with(|state| {
            state.fault = Box::new(move |operation, input| {
                let is_new = input["S3Destination"]["Prefix"] == "Other";
                (operation == CREATE && is_new)
                    .then(|| Reply::error(400, "ValidationException", "Invalid prefix"))
            });
            state.network = Box::new(move |operation| {
                creates += u32::from(operation == CREATE);
                (operation == CREATE && creates > 1).then(|| (reply.clone(), creates == 2))
            });
        });
        let answer = answer(&ssm, event).await;
        assert_failed(&answer, NAME, &["Invalid prefix", "is restored"]);
        assert_eq!(
            ssm.syncs()[0]["S3Destination"],
            sync()["S3Destination"],
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_carried_out_goes_on() {
    for (name, reply) in lost() {
        let (ssm, event) = change();
        let ssm = losing(ssm, DELETE, reply.clone(), true);
        assert_success(&answer(&ssm, event).await, NAME);
        assert_eq!(ssm.syncs()[0]["S3Destination"]["Prefix"], "Other", "{name}");

        let ssm = losing(ssm, DELETE, reply, true);
        assert_success(&answer(&ssm, delete(NAME)).await, NAME);
        assert_eq!(ssm.names(), [""; 0], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_not_carried_out_fails_and_the_sync_stays() {
    for (name, reply) in lost() {
        let (ssm, event) = change();
        let ssm = losing(ssm, DELETE, reply, false);
        let texts = [
            "the deletion of patch-reporting to s3://",
            "is still listed and may yet vanish",
            "find out whether resource data sync patch-reporting was deleted",
        ];
        assert_failed(&answer(&ssm, event).await, NAME, &texts);
        let text = "failed to find out whether resource data sync patch-reporting was deleted";
        assert_failed(&answer(&ssm, delete(NAME)).await, NAME, &[text]);
        assert_eq!(ssm.syncs(), [sync_with(NAME, "ResourceDataSync")], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_nobody_can_see_is_restored_or_told() {
    let rows = [
        ("for a while", 6, "is restored", vec![NAME]),
        (
            "for good",
            u32::MAX,
            "is deleted and could not be restored",
            vec![],
        ),
    ];
    for (name, last, text, left) in rows {
        let (ssm, event) = change();
        let mut lists = 0;
        let ssm = ssm.with(|state| {
            state.network = Box::new(move |operation| {
                lists += u32::from(operation == LIST);
                (operation == LIST && (2..=last).contains(&lists))
                    .then(|| (Reply::status(500, ""), false))
            });
        });
        let answer = answer(&ssm, event).await;
        let vanish = "see resource data sync patch-reporting vanish";
        assert_failed(&answer, NAME, &[vanish, text]);
        assert_eq!(ssm.names(), left, "{name}");
    }
}
