//! Events in, requests to AWS Glue out: the real SDK client over a programmable HTTP client.

use std::collections::BTreeMap;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_sdk_glue::Client;
use glue_column_deleter::{ColumnDeleter, Config, CrawlerStateChange, Error, Summary};
use lambda_runtime::Diagnostic;
use lambda_sdk::test_util::{FakeHttp, Reply, Sent};
use serde_json::{Value, json};

const DATABASE: &str = "ssm_global_resource_sync";

/// An event as EventBridge delivers it.
fn event(crawler: &str, state: &str) -> EventBridgeEvent<CrawlerStateChange> {
    let event = json!({
        "version": "0",
        "id": "05efe8a2-c309-6884-a41b-3508bcdc9695",
        "detail-type": "Glue Crawler State Change",
        "source": "aws.glue",
        "account": "111122223333",
        "time": "2026-01-15T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "tablesCreated": "13",
            "warningMessage": "N/A",
            "partitionsUpdated": "0",
            "tablesUpdated": "0",
            "message": "Crawler Succeeded",
            "partitionsDeleted": "0",
            "accountId": "111122223333",
            "runningTime (sec)": "41",
            "tablesDeleted": "0",
            "crawlerName": crawler,
            "completionDate": "2026-01-15T12:00:00Z",
            "state": state,
            "partitionsCreated": "78",
            "cloudWatchLogLink": "https://example.com"
        }
    });
    serde_json::from_value(event).expect("an event")
}

/// A table as the crawler makes it, with these data columns and partitioned by account, Region and resource type.
fn table(name: &str, version: u32, columns: &[&str]) -> Value {
    let columns_of = |names: &[&str]| -> Vec<Value> {
        let columns = names
            .iter()
            .map(|name| json!({ "Name": name, "Type": "string" }));
        columns.collect()
    };
    json!({
        "Name": name,
        "DatabaseName": DATABASE,
        "CreateTime": 1_767_225_600,
        "VersionId": version.to_string(),
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": { "Columns": columns_of(columns) },
        "PartitionKeys": columns_of(&["accountid", "region", "resourcetype"]),
    })
}

fn deleter(http: &FakeHttp) -> ColumnDeleter {
    let env = [
        ("CRAWLER_NAME", "SSM-GlueCrawler"),
        ("DATABASE_NAME", DATABASE),
    ];
    let env = BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let config = Config::from_env(&env).expect("a good environment");
    ColumnDeleter::new(Client::new(&http.sdk_config()), config)
}

async fn run(http: &FakeHttp) -> Result<Summary, Error> {
    let handled = deleter(http)
        .handle(event("SSM-GlueCrawler", "Succeeded"))
        .await;
    handled.map(|summary| summary.expect("not ignored"))
}

fn body(sent: &Sent) -> Value {
    serde_json::from_str(&sent.body).expect("JSON")
}

/// The name of the table that an `UpdateTable` is for.
fn updated(sent: &Sent) -> String {
    let name = body(sent)["TableInput"]["Name"].as_str().map(str::to_owned);
    name.expect("a name")
}

fn operations(http: &FakeHttp) -> Vec<String> {
    let sent = http.sent();
    let operations = sent
        .iter()
        .map(|sent| sent.operation().expect("a call").to_owned());
    operations.collect()
}

fn columns_removed(of: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let owned = |columns: &[&str]| columns.iter().map(|&column| column.to_owned()).collect();
    of.iter()
        .map(|&(table, columns)| (table.to_owned(), owned(columns)))
        .collect()
}

#[tokio::test]
async fn other_crawlers_and_states_are_ignored_without_a_request() {
    let http = FakeHttp::new(|_| Reply::status(500, "no request is expected"));
    for (crawler, state) in [
        ("another-crawler", "Succeeded"),
        ("ssm-gluecrawler", "Succeeded"),
        ("SSM-GlueCrawler", "Started"),
        ("SSM-GlueCrawler", "Failed"),
    ] {
        let handled = deleter(&http).handle(event(crawler, state)).await;
        assert_eq!(handled.expect("no error"), None, "{crawler} {state}");
    }
    assert_eq!(http.sent(), []);
}

#[tokio::test]
async fn columns_that_repeat_a_partition_key_are_removed_on_every_page() {
    let http = FakeHttp::new(
        |sent| match (sent.operation(), body(sent)["NextToken"].as_str()) {
            (Some("GetTables"), None) => {
                let tables = [
                    table(
                        "aws_instanceinformation",
                        3,
                        &["agentversion", "resourcetype", "ipaddress"],
                    ),
                    table("aws_tag", 1, &["key", "value"]),
                ];
                Reply::ok(json!({ "TableList": tables, "NextToken": "second" }).to_string())
            }
            (Some("GetTables"), Some("second")) => {
                let tables = [table("custom_rack", 9, &["Region", "AccountId", "slot"])];
                Reply::ok(json!({ "TableList": tables }).to_string())
            }
            (Some("UpdateTable"), _) => Reply::ok("{}"),
            unexpected => panic!("{unexpected:?}"),
        },
    );

    let summary = run(&http).await.expect("repaired");

    assert_eq!(summary.tables_checked, 3);
    let removed: [(&str, &[&str]); 2] = [
        ("aws_instanceinformation", &["resourcetype"]),
        ("custom_rack", &["Region", "AccountId"]),
    ];
    assert_eq!(summary.columns_removed, columns_removed(&removed));
    assert_eq!(
        operations(&http),
        ["GetTables", "GetTables", "UpdateTable", "UpdateTable"]
    );
    let update = body(&http.sent()[2]);
    assert_eq!(update["DatabaseName"], DATABASE);
    assert_eq!(update["VersionId"], "3");
    assert_eq!(update["SkipArchive"], true);
    let columns = &update["TableInput"]["StorageDescriptor"]["Columns"];
    assert_eq!(
        columns,
        &json!([{ "Name": "agentversion", "Type": "string" }, { "Name": "ipaddress", "Type": "string" }])
    );
    assert_eq!(
        update["TableInput"]["PartitionKeys"],
        table("", 0, &[])["PartitionKeys"]
    );
}

#[tokio::test]
async fn tables_that_need_nothing_and_tables_of_others_get_no_update() {
    let duplicated = |name: &str, member: &str, value: Value| {
        let mut table = table(name, 1, &["region"]);
        table[member] = value;
        table
    };
    let tables = [
        table("sound", 1, &["a"]),
        duplicated("view", "TableType", json!("VIRTUAL_VIEW")),
        duplicated("iceberg", "Parameters", json!({ "table_type": "ICEBERG" })),
        duplicated(
            "link",
            "TargetTable",
            json!({ "DatabaseName": "d", "Name": "t" }),
        ),
    ];
    let listing = json!({ "TableList": tables }).to_string();
    let http = FakeHttp::new(move |_| Reply::ok(listing.clone()));

    let summary = run(&http).await.expect("nothing to do");

    assert_eq!(
        (summary.tables_checked, summary.columns_removed),
        (4, BTreeMap::new())
    );
    assert_eq!(operations(&http), ["GetTables"]);
}

#[tokio::test]
async fn the_summary_is_json_with_the_unit_in_the_name() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
        }
        _ => Reply::ok("{}"),
    });
    let mut summary = serde_json::to_value(run(&http).await.expect("repaired")).expect("JSON");
    let elapsed = summary["elapsed_ms"].take();
    assert!(elapsed.is_u64(), "{elapsed}");
    assert_eq!(
        summary,
        json!({ "tables_checked": 1, "columns_removed": { "t": ["region"] }, "elapsed_ms": null })
    );
}

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
        columns_removed(&[("t", &["region"])])
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

#[tokio::test]
async fn bad_tables_do_not_stop_the_others_and_then_fail_the_invocation_by_name() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            let tables = ["bad_one", "good", "bad_two"].map(|name| table(name, 1, &["region"]));
            Reply::ok(json!({ "TableList": tables }).to_string())
        }
        _ if updated(sent) == "bad_one" => {
            Reply::error(400, "AccessDeniedException", "not authorized")
        }
        _ if updated(sent) == "bad_two" => Reply::error(400, "InvalidInputException", "no good"),
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
    let updated: Vec<_> = sent[1..].iter().map(updated).collect();
    assert_eq!(updated, ["bad_one", "good", "bad_two"]);
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

#[test]
fn an_event_without_crawler_or_state_is_an_error_of_the_invocation() {
    for detail in [
        json!({}),
        json!({ "crawlerName": "c" }),
        json!({ "crawlerName": "c", "state": 1 }),
    ] {
        let event = json!({ "detail-type": "Glue Crawler State Change", "source": "aws.glue", "detail": detail });
        serde_json::from_value::<EventBridgeEvent<CrawlerStateChange>>(event)
            .expect_err("not the event");
    }
}
