//! A sync that exists already is this request's own from an earlier attempt, or it is named and left
//! alone.

use cfn_response::CREATE_FAILED_ID;
use lambda_sdk::test_util::Reply;
use tokio::time::Instant;

use crate::cloudformation::{
    NAME, answer, assert_failed, assert_success, create, properties, reason, signed_at,
    standard_sync, sync, sync_with,
};
use crate::ssm::{FakeSsm, NOON};

const LIST: &str = "ListResourceDataSync";
const INVALID: &str = "ResourceDataSyncInvalidConfigurationException";

#[tokio::test(start_paused = true)]
async fn a_sync_that_is_in_the_way_is_named_and_left_alone() {
    let mut other = sync();
    other["SyncName"] = "other".into();
    other["S3Destination"]["BucketName"] = "elsewhere".into();
    let rows = [
        (
            "of that name",
            sync(),
            "ResourceDataSyncAlreadyExistsException",
        ),
        (
            "of the organization",
            other,
            "ResourceDataSyncCountExceededException",
        ),
    ];
    for (name, existing, code) in rows {
        let ssm = FakeSsm::new([existing.clone()]);
        let start = Instant::now();
        let answer = answer(&ssm, create(&properties())).await;
        assert_eq!(start.elapsed().as_secs(), 0, "{name}");
        assert_eq!(ssm.calls(LIST), 1, "{name}");
        let existing_name = existing["SyncName"].as_str().unwrap();
        let bucket = existing["S3Destination"]["BucketName"].as_str().unwrap();
        let shown = format!("there is {existing_name} to s3://{bucket}/ResourceDataSync already");
        assert_failed(&answer, CREATE_FAILED_ID, &[&shown, code]);
        assert_eq!(ssm.syncs(), [existing], "{name}");
    }
}

/// The time at which the requests of the following tests were signed.
const SIGNED: &str = "20260115T120000Z";

/// [`sync`] as an earlier run made it, so many seconds after the request was signed.
fn sync_made_after(seconds: i64) -> serde_json::Value {
    let mut sync = sync();
    sync["SyncCreatedTime"] = (NOON.cast_signed() + seconds).into();
    sync["LastStatus"] = "Successful".into();
    sync
}

#[tokio::test(start_paused = true)]
async fn a_repeated_create_finds_the_sync_that_it_made() {
    for (name, seconds) in [("later", 30), ("at once", 0), ("by a clock behind", -5)] {
        let ssm = FakeSsm::new([sync_made_after(seconds)]);
        let start = Instant::now();
        let answer = answer(&ssm, signed_at(create(&properties()), SIGNED)).await;
        assert_eq!(start.elapsed().as_secs(), 0, "{name}");
        assert_eq!(ssm.calls(LIST), 1, "{name}: it tells the status too");
        assert_success(&answer, NAME);
        assert_eq!(answer["Data"]["LastStatus"], "Successful", "{name}");
        assert_eq!(ssm.changes(), ["CreateResourceDataSync"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_answer_was_lost_finds_the_sync_that_it_made() {
    let ssm = FakeSsm::new([]).with(|state| {
        let mut lost = Some(Reply::status(500, ""));
        state.fault = Box::new(move |operation, _| match operation {
            "CreateResourceDataSync" => lost.take(),
            _ => None,
        });
        state.syncs.push(sync_made_after(2));
    });
    let answer = answer(&ssm, signed_at(create(&properties()), SIGNED)).await;
    assert_success(&answer, NAME);
    assert_eq!(ssm.calls("CreateResourceDataSync"), 2);
    assert_eq!(ssm.calls(LIST), 1);
    assert_eq!(ssm.names(), [NAME]);
}

/// SSM refuses the name at once, and may list the sync, and its status, a little later.
#[tokio::test(start_paused = true)]
async fn a_sync_that_a_repeated_create_made_is_looked_for_until_it_is_listed_and_runs() {
    let rows = [
        ("listed later", 2, 0, 3, 3),
        ("without a status at first", 0, 2, 3, 3),
        ("both", 1, 2, 4, 4),
    ];
    for (name, until_shown, until_status, lists, seconds) in rows {
        let mut made = sync_made_after(2);
        made["LastStatus"] = "InProgress".into();
        let ssm = FakeSsm::new([made]).with(|state| {
            state.lists_until_shown = until_shown;
            state.lists_until_status = until_status;
        });
        let start = Instant::now();
        let answer = answer(&ssm, signed_at(create(&properties()), SIGNED)).await;
        assert_success(&answer, NAME);
        assert_eq!(answer["Data"]["LastStatus"], "InProgress", "{name}");
        assert_eq!(ssm.calls(LIST), lists, "{name}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{name}");
        assert_eq!(ssm.names(), [NAME], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_somebody_else_made_is_no_repetition() {
    let mut elsewhere = sync_made_after(30);
    elsewhere["S3Destination"]["Prefix"] = "Elsewhere".into();
    let mut other_name = sync_made_after(30);
    other_name["SyncName"] = "other".into();
    let mut without_time = sync_made_after(30);
    without_time
        .as_object_mut()
        .unwrap()
        .remove("SyncCreatedTime");
    let dated = Some(SIGNED);
    let rows = [
        ("made before the request", sync_made_after(-60), dated),
        ("with another destination", elsewhere, dated),
        ("of another name", other_name, dated),
        ("of unknown age", without_time, dated),
        ("no date in the URL", sync_made_after(30), None),
        (
            "no date where it should be",
            sync_made_after(30),
            Some("yesterday"),
        ),
    ];
    for (name, existing, date) in rows {
        let ssm = FakeSsm::new([existing.clone()]);
        let event = match date {
            Some(date) => signed_at(create(&properties()), date),
            None => create(&properties()),
        };
        let answer = answer(&ssm, event).await;
        let texts = ["failed to create resource data sync", "there is"];
        assert_failed(&answer, CREATE_FAILED_ID, &texts);
        assert_eq!(ssm.syncs(), [existing], "{name}");
    }
}

/// Which error a second sync of the organization raises is not documented.
#[tokio::test(start_paused = true)]
async fn a_configuration_that_may_be_refused_for_another_sync_names_the_others_and_claims_nothing()
{
    let existing = [standard_sync("standard"), sync_with("other", "Elsewhere")];
    let ssm = FakeSsm::new(existing.clone()).with(|state| state.second_of_organization = INVALID);
    let answer = answer(&ssm, create(&properties())).await;
    let texts = [
        "standard to s3://ssm-resource-sync-us-east-1-111122223333/Standard",
        "other to s3://ssm-resource-sync-us-east-1-111122223333/Elsewhere",
        "may or may not be the cause",
        "can have one sync of an organization and 5 syncs in all",
        "ResourceDataSyncInvalidConfigurationException: Not another one",
    ];
    assert_failed(&answer, CREATE_FAILED_ID, &texts);
    assert_eq!(ssm.syncs(), existing);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_configuration_without_another_sync_is_told_as_it_is() {
    let refused = Reply::error(400, INVALID, "Invalid Region");
    let ssm = FakeSsm::new([]).failing("CreateResourceDataSync", refused, 1, u32::MAX);
    let answer = answer(&ssm, create(&properties())).await;
    assert_failed(&answer, CREATE_FAILED_ID, &["Invalid Region"]);
    assert!(!reason(&answer).contains("may not be"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_quota_of_syncs_names_all_of_them() {
    let names = ["s1", "s2", "s3", "s4", "s5"];
    let ssm = FakeSsm::new(names.map(standard_sync));
    let answer = answer(&ssm, create(&properties())).await;
    assert_failed(&answer, CREATE_FAILED_ID, &names);
    assert_failed(
        &answer,
        CREATE_FAILED_ID,
        &["5 syncs in all", "CountExceeded"],
    );
    assert_eq!(ssm.names(), names);
}

#[tokio::test(start_paused = true)]
async fn a_sync_in_the_way_that_can_not_be_listed_is_told_with_the_reason() {
    let ssm = FakeSsm::new([sync_with("other", "Elsewhere")]).failing(
        "ListResourceDataSync",
        Reply::error(400, "AccessDeniedException", "not authorized to list"),
        1,
        u32::MAX,
    );
    let answer = answer(&ssm, create(&properties())).await;
    let texts = [
        "CountExceeded",
        "what there is can't be told",
        "not authorized to list",
    ];
    assert_failed(&answer, CREATE_FAILED_ID, &texts);
    assert_eq!(ssm.names(), ["other"]);
}
