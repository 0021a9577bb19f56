//! Which columns of which tables go, and what is said about it.

use std::collections::BTreeMap;

use lambda_sdk::test_util::{FakeHttp, Reply};
use serde_json::{Value, json};

use crate::support::{DATABASE, body, columns_by_table, operations, run, table};

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
    assert_eq!(summary.columns_removed, columns_by_table(&removed));
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
        json!({
            "tables_checked": 1,
            "columns_removed": { "t": ["region"] },
            "columns_added": {},
            "tables_created": [],
            "partitions_added": {},
            "elapsed_ms": null,
        })
    );
}
