//! The work ends before the invocation does, and says what was not done.

use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use lambda_sdk::test_util::{FakeHttp, Reply};
use serde_json::json;
use tokio::time::Instant;

use crate::support::{CRAWLER, TIME, deleter, event, run, subject, table};

const MINUTE: Duration = Duration::from_mins(1);

/// Lists these tables, each in need of a repair, and lets the updates of those that are `bad` hang.
fn hanging(tables: &'static [&'static str]) -> FakeHttp {
    FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            let tables: Vec<_> = tables
                .iter()
                .map(|name| table(name, 1, &["region"]))
                .collect();
            Reply::ok(json!({ "TableList": tables }).to_string())
        }
        _ if subject(sent).starts_with("bad") => Reply::Hang,
        _ => Reply::ok("{}"),
    })
}

#[tokio::test(start_paused = true)]
async fn tables_that_hang_leave_time_for_the_others() {
    let http = hanging(&["bad_one", "bad_two", "bad_three", "good"]);
    let error = run(&http).await.expect_err("three hang").to_string();
    assert_eq!(
        error,
        "repair 3 of 4 tables: update table bad_one in time; update table bad_two in time; \
         update table bad_three in time"
    );
    let sent = http.sent();
    assert_eq!(sent.last().map(subject).as_deref(), Some("good"));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_hangs_once_is_repaired() {
    let mut hangs = 1;
    let http = FakeHttp::new(move |sent| match sent.operation() {
        Some("GetTables") => {
            Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
        }
        _ if hangs > 0 => {
            hangs -= 1;
            Reply::Hang
        }
        _ => Reply::ok("{}"),
    });
    assert_eq!(run(&http).await.expect("repaired").columns_removed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_hangs_ends_in_an_error_before_the_invocation_does() {
    let http = FakeHttp::new(|_| Reply::Hang);
    for (time, text) in [
        (
            MINUTE,
            "list the tables of database ssm_global_resource_sync in time; none was changed",
        ),
        (
            TIME,
            "list the tables of database ssm_global_resource_sync: ",
        ),
    ] {
        let start = Instant::now();
        let event = event(CRAWLER, "Succeeded");
        let event: EventBridgeEvent = serde_json::from_value(event).expect("an event");
        let handled = deleter(&http).handle(event, start + time).await;
        let error = handled.expect_err("it hangs").to_string();
        assert!(error.starts_with(text), "{error}");
        assert!(start.elapsed() < time, "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_last_moment_nothing_is_waited_for_and_every_table_is_named() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            let tables = ["a", "b"].map(|name| table(name, 1, &["region"]));
            Reply::ok(json!({ "TableList": tables }).to_string())
        }
        _ => Reply::Reset,
    });
    let start = Instant::now();
    let event = event(CRAWLER, "Succeeded");
    let event: EventBridgeEvent = serde_json::from_value(event).expect("an event");
    let deadline = start + Duration::from_millis(5_020);
    let handled = deleter(&http).handle(event, deadline).await;
    let error = handled.expect_err("no time").to_string();
    assert_eq!(
        error,
        "repair 2 of 2 tables: update table a in time; update table b in time"
    );
    assert!(start.elapsed() < Duration::from_millis(100));
}
