//! Which events start a repair.

use lambda_sdk::test_util::{FakeHttp, Reply, capture_log, captured_log};
use serde_json::{Value, json};

use crate::support::{CRAWLER, event, handle};

fn untouched() -> FakeHttp {
    FakeHttp::new(|_| Reply::status(500, "no request is expected"))
}

#[tokio::test]
async fn other_crawlers_and_states_are_ignored_with_a_log_line_and_without_a_request() {
    let http = untouched();
    for (crawler, state) in [
        ("another-crawler", "Succeeded"),
        ("ssm-gluecrawler", "Succeeded"),
        (CRAWLER, "Started"),
        (CRAWLER, "Failed"),
    ] {
        capture_log();
        let handled = handle(&http, event(crawler, state)).await;
        assert_eq!(handled.expect("no error"), None, "{crawler} {state}");
        let log = captured_log();
        for logged in ["event ignored", crawler, state] {
            assert!(log.contains(logged), "{logged} is not in {log}");
        }
    }
    assert_eq!(http.sent(), []);
}

#[tokio::test]
async fn events_of_another_kind_are_ignored_with_a_log_line_and_without_a_request() {
    let http = untouched();
    let rows = [
        ("source", json!("custom.glue"), "custom.glue"),
        (
            "detail-type",
            json!("Glue Data Catalog Database State Change"),
            "Glue Data Catalog Database State Change",
        ),
        ("detail-type", json!("Scheduled Event"), "Scheduled Event"),
    ];
    for (member, value, logged) in rows {
        for detail in [event(CRAWLER, "Succeeded")["detail"].clone(), json!({})] {
            let mut event = event(CRAWLER, "Succeeded");
            event[member] = value.clone();
            event["detail"] = detail;
            capture_log();
            let handled = handle(&http, event).await;
            assert_eq!(handled.expect("no error"), None, "{value}");
            let log = captured_log();
            assert!(log.contains("event of another kind ignored"), "{log}");
            assert!(log.contains(logged), "{log}");
        }
    }
    assert_eq!(http.sent(), []);
}

#[tokio::test]
async fn a_crawlers_event_without_its_name_or_state_is_an_error_that_names_the_member() {
    let http = untouched();
    let rows: [(Value, &str); 3] = [
        (json!({}), "crawlerName"),
        (json!({ "crawlerName": "c" }), "state"),
        (json!({ "crawlerName": "c", "state": 1 }), "integer"),
    ];
    for (detail, text) in rows {
        let mut event = event(CRAWLER, "Succeeded");
        event["detail"] = detail;
        let error = handle(&http, event).await.expect_err("no crawler's event");
        let error = error.to_string();
        assert!(error.starts_with("read the event: "), "{error}");
        assert!(error.contains(text), "{error}");
    }
}
