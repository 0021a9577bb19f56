//! The defects of the recipe's own function, one test for each.

use lambda_sdk::test_util::{FakeHttp, Reply, capture_log, captured_log};
use serde_json::json;

use crate::glue::FakeGlue;
use crate::support::{CRAWLER, body, event, handle, run, table};

/// The recipe's function returned a value with statusCode 500 for most errors: Lambda saw a success and never retried.
#[tokio::test(start_paused = true)]
async fn any_error_fails_the_invocation_so_that_lambda_retries() {
    let denied = Reply::error(400, "AccessDeniedException", "not authorized");
    let invalid = Reply::error(400, "InvalidInputException", "no good");
    let fault = Reply::error(500, "InternalServiceException", "Oops");
    for reply in [denied, invalid, fault, Reply::Reset, Reply::Hang] {
        for failing in ["GetTables", "UpdateTable"] {
            let reply = reply.clone();
            let http = FakeHttp::new(move |sent| match sent.operation() {
                Some(operation) if operation == failing => reply.clone(),
                Some("GetTables") => {
                    Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
                }
                _ => Reply::ok(json!({ "Table": table("t", 1, &["region"]) }).to_string()),
            });
            let handled = handle(&http, event(CRAWLER, "Succeeded")).await;
            assert!(handled.is_err(), "{failing}: {handled:?}");
        }
    }
}

/// The recipe's function sent back every member that it did not know by name: `IsMaterializedView` and `Status`, which
/// a newer Glue returns, made `UpdateTable` fail validation.
#[tokio::test(start_paused = true)]
async fn members_that_only_a_table_has_are_not_sent_back() {
    let mut newer = table("t", 1, &["a", "region"]);
    newer["IsMaterializedView"] = false.into();
    newer["Status"] = json!({ "Action": "UPDATE", "State": "SUCCESS" });
    newer["MemberOfTomorrow"] = "x".into();
    let glue = FakeGlue::new([newer]);
    run(&glue.http).await.expect("repaired");

    let sent = glue.http.sent();
    let input = &body(&sent[1])["TableInput"];
    let members: Vec<_> = input.as_object().expect("an object").keys().collect();
    let expected = ["Name", "PartitionKeys", "StorageDescriptor", "TableType"];
    assert_eq!(members, expected);
}

/// The recipe's function printed every event whole.
#[tokio::test(start_paused = true)]
async fn no_log_line_holds_the_event() {
    capture_log();
    let glue = FakeGlue::new([table("t", 1, &["region"])]);
    run(&glue.http).await.expect("repaired");
    handle(&glue.http, event(CRAWLER, "Failed"))
        .await
        .expect("ignored");

    let log = captured_log();
    for logged in ["columns removed", "database repaired", "event ignored"] {
        assert!(log.contains(logged), "{logged} is not in {log}");
    }
    for member in ["cloudWatchLogLink", "https://example.com", "runningTime"] {
        assert!(!log.contains(member), "{member} is in {log}");
    }
}
