//! The k-th call of each request fails, for every k, in every way, once or from there on. Whatever
//! happens, there is one answer, foreign syncs stay, and nothing is left half made without a name.

use std::time::Duration;

use lambda_sdk::test_util::Reply;
use serde_json::{Value, json};

use crate::cloudformation::{
    NAME, answer, create, delete, properties_with, reason, signed, standard_sync, sync_with, update,
};
use crate::ssm::{FakeSsm, State};

const CREATE: &str = "CreateResourceDataSync";
const FOREIGN: &str = "foreign";
const OLD: (&str, &str) = (NAME, "ResourceDataSync");

/// A request on its way, and what it asks for.
struct Scenario {
    name: &'static str,
    /// Name and prefix of the sync before the request.
    old: Option<(&'static str, &'static str)>,
    /// Name and prefix of the sync that it asks for.
    new: Option<(&'static str, &'static str)>,
    service: fn(&mut State),
}

const SCENARIOS: [Scenario; 7] = [
    Scenario {
        name: "create",
        old: None,
        new: Some(OLD),
        service: |_| {},
    },
    Scenario {
        name: "create, first run fails",
        old: None,
        new: Some(OLD),
        service: |state| state.new_status = json!({"LastStatus": "Failed"}),
    },
    Scenario {
        name: "update",
        old: Some(OLD),
        new: Some((NAME, "Other")),
        service: |state| state.lists_until_gone = 1,
    },
    Scenario {
        name: "update without change",
        old: Some(OLD),
        new: Some(OLD),
        service: |_| {},
    },
    Scenario {
        name: "rename",
        old: Some(OLD),
        new: Some(("renamed", "ResourceDataSync")),
        service: |_| {},
    },
    Scenario {
        name: "update refused and restored",
        old: Some(OLD),
        new: Some((NAME, "Other")),
        service: |state| {
            state.fault = Box::new(|operation, input| {
                let is_refused = input["S3Destination"]["Prefix"] == "Other";
                (operation == CREATE && is_refused)
                    .then(|| Reply::error(400, "ValidationException", "Invalid prefix"))
            });
        },
    },
    Scenario {
        name: "delete",
        old: Some(OLD),
        new: None,
        service: |state| state.lists_until_gone = 1,
    },
];

/// What goes wrong with a call, and whether it gets to the service all the same.
type Fault = (&'static str, Reply, bool);

fn faults() -> [Fault; 10] {
    let throttled = Reply::error(400, "ThrottlingException", "Rate exceeded");
    let denied = Reply::error(400, "AccessDeniedException", "not authorized");
    let fault = Reply::error(500, "InternalServerError", "Oops");
    let gateway = Reply::status(502, "<html>");
    [
        ("throttled", throttled, false),
        ("denied", denied, false),
        ("reset", Reply::Reset, false),
        ("reset after it was done", Reply::Reset, true),
        ("hangs", Reply::Hang, false),
        ("hangs after it was done", Reply::Hang, true),
        ("fault", fault, false),
        ("fault after it was done", gateway, true),
        ("garbage", Reply::ok("<html>"), false),
        ("garbage after it was done", Reply::ok("<html>"), true),
    ]
}

impl Scenario {
    fn event(&self) -> Value {
        match (self.old, self.new) {
            (None, Some(new)) => create(&properties_of(new)),
            (Some(old), Some(new)) => update(old.0, &properties_of(old), &properties_of(new)),
            (Some(old), None) => delete(old.0),
            (None, None) => unreachable!(),
        }
    }

    fn service(&self) -> FakeSsm {
        let own = self.old.map(|(name, prefix)| sync_with(name, prefix));
        let foreign = standard_sync(FOREIGN);
        FakeSsm::new(own.into_iter().chain([foreign])).with(self.service)
    }
}

fn properties_of((name, prefix): (&str, &str)) -> Value {
    let mut properties = properties_with("S3BucketPrefix", prefix);
    properties["ResourceDataSyncName"] = name.into();
    properties
}

/// Name and prefix of what exists and is not foreign.
fn own(ssm: &FakeSsm) -> Vec<(String, String)> {
    let syncs = ssm.syncs().into_iter();
    let own = syncs.filter(|it| it["SyncName"] != FOREIGN);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    own.map(|it| (text(&it["SyncName"]), text(&it["S3Destination"]["Prefix"])))
        .collect()
}

fn owned(sync: Option<(&str, &str)>) -> Vec<(String, String)> {
    let owned = sync.map(|(name, prefix)| (name.to_owned(), prefix.to_owned()));
    owned.into_iter().collect()
}

/// How a sync is called in an answer.
fn named((name, prefix): (&str, &str)) -> String {
    format!("{name} to s3://ssm-resource-sync-us-east-1-111122223333/{prefix}")
}

/// Lets the calls from `first` on fail, `times` times. Returns the answer, if that was delivered.
async fn answer_with_faults(
    ssm: &FakeSsm,
    event: &Value,
    (reply, is_carried_out): (&Reply, bool),
    first: u32,
    times: u32,
) -> Option<Value> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let reply = reply.clone();
    let mut calls = 0;
    let ssm = ssm.clone().with(|state| {
        state.network = Box::new(move |_| {
            calls += 1;
            let is_hit = (first..first.saturating_add(times)).contains(&calls);
            is_hit.then(|| {
                sender.send(()).unwrap();
                (reply.clone(), is_carried_out)
            })
        });
    });
    let answer = answer(&ssm, event.clone()).await;
    receiver.try_recv().ok().map(|()| answer)
}

/// What must hold after the answer, and after what CloudFormation does then.
async fn check(case: &str, scenario: &Scenario, ssm: &FakeSsm, is_signed: bool, answer: &Value) {
    let sign = |event| if is_signed { signed(ssm, event) } else { event };
    let id = answer["PhysicalResourceId"].as_str().unwrap();
    let left = own(ssm);
    let case = &format!("{case}: {answer}, left {left:?}");
    if answer["Status"] == "SUCCESS" {
        assert_eq!(left, owned(scenario.new), "{case}");
        assert_eq!(id, scenario.new.or(scenario.old).unwrap().0, "{case}");
        return;
    }
    let ssm = &ssm.clone().repaired().with(scenario.service);
    ssm.clone().with(|state| state.page_size = 50);
    let told = reason(answer);
    match (scenario.old, scenario.new) {
        (None, Some(new)) => {
            // Without a date in the URL, what exists can't be told from what is somebody else's.
            let is_in_doubt = told.contains("failed to find out whether resource data sync")
                || !is_signed && told.contains("already");
            assert!(left.is_empty() || is_in_doubt || id == new.0, "{case}");
            assert!(left.is_empty() || told.contains(&named(new)), "{case}");
            let rolled_back = self::answer(ssm, sign(delete(id))).await;
            assert_eq!(rolled_back["Status"], "SUCCESS", "{case}: {rolled_back}");
            assert!(own(ssm).is_empty() || is_in_doubt, "{case}");
        }
        (Some(old), Some(new)) => {
            if left != owned(Some(old)) {
                assert!(!told.contains("is restored"), "{case}");
                assert!(told.contains(&named(old)), "{case}");
                assert!(left.is_empty() || told.contains(&named(new)), "{case}");
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
            let ssm = &ssm.clone().repaired().with(|state| {
                state.new_status = json!({"LastStatus": "InProgress"});
            });
            let event = update(old.0, &properties_of(new), &properties_of(old));
            let rolled_back = self::answer(ssm, sign(event)).await;
            if rolled_back["Status"] == "SUCCESS" {
                assert_eq!(own(ssm), owned(Some(old)), "{case}: {rolled_back}");
            } else {
                let in_the_way = format!("{} already", named(new));
                assert!(
                    reason(&rolled_back).contains(&in_the_way),
                    "{case}: {rolled_back}"
                );
            }
        }
        (Some(old), None) => {
            assert!(told.contains(old.0), "{case}");
            let again = self::answer(ssm, sign(delete(id))).await;
            assert_eq!(again["Status"], "SUCCESS", "{case}: {again}");
            assert!(own(ssm).is_empty(), "{case}");
        }
        (None, None) => unreachable!(),
    }
}

/// The function's time in the template of the member stack.
const TIME: Duration = Duration::from_mins(10);

/// So little that a call which hangs takes all of it.
const SHORT: Duration = Duration::from_secs(90);

/// Runs these faults of a scenario.
async fn run(scenario: &Scenario, time: Duration, faults: impl IntoIterator<Item = Fault>) {
    for (fault, reply, is_carried_out) in faults {
        for (kind, times) in [("once", 1), ("from there on", u32::MAX)] {
            for is_signed in [true, false] {
                // A date in the URL matters only to what is in doubt; one way to get there is enough.
                if is_signed || is_carried_out && reply == Reply::Reset {
                    let case = format!("{fault} {kind}, signed: {is_signed}, {time:?}");
                    let service = || scenario.service().with(|state| state.time = time);
                    let reply = (&reply, is_carried_out);
                    run_fault(scenario, service, &case, reply, times, is_signed).await;
                }
            }
        }
    }
}

/// Lets the first call fail, the second, and so on, until there is none to fail.
async fn run_fault(
    scenario: &Scenario,
    service: impl Fn() -> FakeSsm,
    case: &str,
    reply: (&Reply, bool),
    times: u32,
    is_signed: bool,
) {
    for first in 1.. {
        let case = format!("{}: call {first} {case}", scenario.name);
        let ssm = service();
        let event = scenario.event();
        let event = if is_signed {
            signed(&ssm, event)
        } else {
            event
        };
        let Some(answer) = answer_with_faults(&ssm, &event, reply, first, times).await else {
            let undisturbed = ssm.http.sent().len() - 1;
            assert_eq!(first as usize, undisturbed + 1, "{case}");
            return;
        };
        check(&case, scenario, &ssm, is_signed, &answer).await;
        assert!(ssm.syncs().contains(&standard_sync(FOREIGN)), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_survives_every_fault() {
    run(&SCENARIOS[0], TIME, faults()).await;
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_first_run_fails_survives_every_fault() {
    run(&SCENARIOS[1], TIME, faults()).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_survives_every_fault() {
    run(&SCENARIOS[2], TIME, faults()).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_without_change_survives_every_fault() {
    run(&SCENARIOS[3], TIME, faults()).await;
}

#[tokio::test(start_paused = true)]
async fn a_rename_survives_every_fault() {
    run(&SCENARIOS[4], TIME, faults()).await;
}

#[tokio::test(start_paused = true)]
async fn a_restoration_survives_every_fault() {
    run(&SCENARIOS[5], TIME, faults()).await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_survives_every_fault() {
    run(&SCENARIOS[6], TIME, faults()).await;
}

#[tokio::test(start_paused = true)]
async fn every_request_survives_calls_that_hang_until_its_end() {
    for scenario in &SCENARIOS {
        let hangs = faults().into_iter().filter(|it| it.1 == Reply::Hang);
        run(scenario, SHORT, hangs).await;
    }
}
