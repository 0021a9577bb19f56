//! What fails the invocation, so that Lambda retries it, and in which words.

use lambda_runtime::Diagnostic;
use lambda_sdk::test_util::{FakeHttp, Reply};
use serde_json::json;

use crate::support::{body, operations, run, subject, table};

#[tokio::test(start_paused = true)]
async fn bad_tables_do_not_stop_the_others_and_then_fail_the_invocation_by_name() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            let tables = ["bad_one", "good", "bad_two"].map(|name| table(name, 1, &["region"]));
            Reply::ok(json!({ "TableList": tables }).to_string())
        }
        Some("GetTable") => {
            Reply::ok(json!({ "Table": table("bad_two", 1, &["region"]) }).to_string())
        }
        _ if subject(sent) == "bad_one" => {
            Reply::error(400, "AccessDeniedException", "not authorized")
        }
        _ if subject(sent) == "bad_two" => Reply::error(400, "InvalidInputException", "no good"),
        _ => Reply::ok("{}"),
    });

    let diagnostic = Diagnostic::from(run(&http).await.expect_err("two tables are bad"));

    assert_eq!(diagnostic.error_type, "ColumnDeleterError");
    assert_eq!(
        diagnostic.error_message,
        "failed to repair 2 of 3 tables: update table bad_one: AccessDeniedException: not authorized (status 400, \
         request id 11111111-2222-3333); the function's role needs glue:UpdateTable, and ALTER on the table where \
         AWS Lake Formation governs the database; update table bad_two: InvalidInputException: no good (status 400, \
         request id 11111111-2222-3333)"
    );
    let sent = http.sent();
    let subjects: Vec<_> = sent[1..].iter().map(subject).collect();
    assert_eq!(subjects, ["bad_one", "good", "bad_two", "bad_two"]);
}

#[tokio::test]
async fn a_listing_that_fails_half_way_changes_nothing() {
    let http = FakeHttp::new(|sent| match body(sent)["NextToken"].as_str() {
        None => Reply::ok(
            json!({ "TableList": [table("t", 1, &["region"])], "NextToken": "second" }).to_string(),
        ),
        Some(_) => Reply::error(400, "AccessDeniedException", "not authorized"),
    });
    let error = run(&http)
        .await
        .expect_err("the second page is refused")
        .to_string();
    assert!(
        error.starts_with(
            "list the tables of database ssm_global_resource_sync: AccessDeniedException"
        ),
        "{error}"
    );
    assert!(error.contains("needs glue:GetTables"), "{error}");
    assert_eq!(operations(&http), ["GetTables", "GetTables"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_first_tables_and_how_many_more() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            let tables: Vec<_> = (0..3_000)
                .map(|index| table(&format!("t{index}"), 1, &["region"]))
                .collect();
            Reply::ok(json!({ "TableList": tables }).to_string())
        }
        _ => Reply::error(400, "AccessDeniedException", "not authorized"),
    });
    let error = run(&http).await.expect_err("all are denied").to_string();
    assert!(
        error.starts_with("repair 3000 of 3000 tables: update table t0: "),
        "{error}"
    );
    assert!(error.contains("update table t9: "), "{error}");
    assert!(!error.contains("update table t10: "), "{error}");
    assert!(error.ends_with("; and 2990 more"), "{error}");
    assert!(error.len() < 4_000, "{} bytes", error.len());
}

/// The SDK counts the retries of the whole process, and has 500 credits for them.
#[tokio::test(start_paused = true)]
async fn many_tables_that_fail_leave_the_retries_of_the_others_alone() {
    let mut faults_of_last = 0;
    let http = FakeHttp::new(move |sent| match sent.operation() {
        Some("GetTables") => {
            let mut tables: Vec<_> = (0..20)
                .map(|index| table(&format!("bad{index}"), 1, &["region"]))
                .collect();
            tables.push(table("good", 1, &["region"]));
            Reply::ok(json!({ "TableList": tables }).to_string())
        }
        _ if subject(sent) == "good" && faults_of_last == 4 => Reply::ok("{}"),
        _ => {
            faults_of_last += u32::from(subject(sent) == "good");
            Reply::Reset
        }
    });
    let error = run(&http).await.expect_err("20 are bad").to_string();
    assert!(error.starts_with("repair 20 of 21 tables: "), "{error}");
}
