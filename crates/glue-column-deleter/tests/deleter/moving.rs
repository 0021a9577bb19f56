//! A table that changes between its listing and its update.

use std::collections::BTreeMap;

use lambda_sdk::test_util::{FakeHttp, Reply};
use serde_json::{Value, json};

use crate::glue::FakeGlue;
use crate::support::{DATABASE, body, columns_by_table, operations, run, table};

#[tokio::test(start_paused = true)]
async fn a_table_that_changed_underneath_is_read_again_and_its_newest_definition_is_kept() {
    let mut updates = 0;
    let http = FakeHttp::new(move |sent| match sent.operation() {
        Some("GetTables") => {
            Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
        }
        Some("GetTable") => {
            Reply::ok(json!({ "Table": table("t", 2, &["added_meanwhile", "region"]) }).to_string())
        }
        Some("UpdateTable") => {
            updates += 1;
            match updates {
                1 => Reply::error(
                    400,
                    "ConcurrentModificationException",
                    "Update table failed",
                ),
                _ => Reply::ok("{}"),
            }
        }
        unexpected => panic!("{unexpected:?}"),
    });

    let summary = run(&http).await.expect("repaired in the end");

    assert_eq!(
        summary.columns_removed,
        columns_by_table(&[("t", &["region"])])
    );
    assert_eq!(
        operations(&http),
        ["GetTables", "UpdateTable", "GetTable", "UpdateTable"]
    );
    let sent = http.sent();
    assert_eq!(
        body(&sent[2]),
        json!({ "DatabaseName": DATABASE, "Name": "t" })
    );
    let last = body(&sent[3]);
    assert_eq!(last["VersionId"], "2");
    let columns = &last["TableInput"]["StorageDescriptor"]["Columns"];
    assert_eq!(
        columns,
        &json!([{ "Name": "added_meanwhile", "Type": "string" }])
    );
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_sound_or_gone_when_read_again_is_done() {
    for (case, answer) in [
        (
            "sound",
            Reply::ok(json!({ "Table": table("t", 2, &["a"]) }).to_string()),
        ),
        (
            "gone",
            Reply::error(400, "EntityNotFoundException", "Entity Not Found"),
        ),
    ] {
        let http = FakeHttp::new(move |sent| match sent.operation() {
            Some("GetTables") => {
                Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
            }
            Some("GetTable") => answer.clone(),
            _ => Reply::error(
                400,
                "ConcurrentModificationException",
                "Update table failed",
            ),
        });
        let summary = run(&http).await.expect(case);
        assert_eq!(summary.columns_removed, BTreeMap::new(), "{case}");
        assert_eq!(
            operations(&http),
            ["GetTables", "UpdateTable", "GetTable"],
            "{case}"
        );
    }
}

#[tokio::test]
async fn a_table_that_is_gone_when_updated_is_done() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
        }
        _ => Reply::error(400, "EntityNotFoundException", "Entity Not Found"),
    });
    let summary = run(&http).await.expect("nothing to repair");
    assert_eq!(summary.columns_removed, BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn a_table_that_always_changes_underneath_is_given_up() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
        }
        Some("GetTable") => Reply::ok(json!({ "Table": table("t", 2, &["region"]) }).to_string()),
        _ => Reply::error(
            400,
            "ConcurrentModificationException",
            "Update table failed",
        ),
    });
    let error = run(&http).await.expect_err("given up");
    assert_eq!(
        error.to_string(),
        "repair 1 of 1 tables: update table t: it changed underneath each of 5 attempts"
    );
    let updates = operations(&http)
        .iter()
        .filter(|name| *name == "UpdateTable")
        .count();
    assert_eq!(updates, 5);
}

/// Which error Glue gives for a version that has moved, if any, is not documented.
#[tokio::test(start_paused = true)]
async fn an_invalid_input_whose_version_has_moved_is_tried_again() {
    for moved in ["InvalidInputException", "ConcurrentModificationException"] {
        let glue = FakeGlue::new([table("t", 1, &["a", "region"])]).with(|state| {
            state.moved = moved;
            state.faster_writers = [("t", 4)].into();
        });
        let summary = run(&glue.http).await.expect("repaired in the end");
        let removed: [(&str, &[&str]); 1] = [("t", &["region"])];
        assert_eq!(
            summary.columns_removed,
            columns_by_table(&removed),
            "{moved}"
        );
        let columns = glue.tables()[0]["StorageDescriptor"]["Columns"].clone();
        let names: Vec<_> = columns
            .as_array()
            .expect("an array")
            .iter()
            .map(name)
            .collect();
        let meanwhile = "added_meanwhile";
        assert_eq!(
            names,
            ["a", meanwhile, meanwhile, meanwhile, meanwhile],
            "{moved}"
        );
    }
}

fn name(column: &Value) -> &str {
    column["Name"].as_str().expect("a string")
}

#[tokio::test(start_paused = true)]
async fn an_invalid_input_whose_version_has_not_moved_is_told_at_once() {
    let read_denied = Reply::error(400, "AccessDeniedException", "not authorized");
    let same = Reply::ok(json!({ "Table": table("t", 1, &["region"]) }).to_string());
    for (case, read) in [("same version", same), ("not read", read_denied)] {
        let http = FakeHttp::new(move |sent| match sent.operation() {
            Some("GetTables") => {
                Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
            }
            Some("GetTable") => read.clone(),
            _ => Reply::error(400, "InvalidInputException", "no good"),
        });
        let error = run(&http).await.expect_err("refused").to_string();
        let text = "update table t: InvalidInputException: no good";
        assert!(error.contains(text), "{case}: {error}");
        assert_eq!(
            operations(&http),
            ["GetTables", "UpdateTable", "GetTable"],
            "{case}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_can_not_be_read_again_names_the_permission() {
    let http = FakeHttp::new(move |sent| match sent.operation() {
        Some("GetTables") => {
            Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
        }
        Some("GetTable") => Reply::error(400, "AccessDeniedException", "not authorized"),
        _ => Reply::error(400, "ConcurrentModificationException", "moved"),
    });
    let error = run(&http).await.expect_err("refused").to_string();
    for text in [
        "read table t again",
        "needs glue:GetTable",
        "Lake Formation",
    ] {
        assert!(error.contains(text), "{error}");
    }
}
