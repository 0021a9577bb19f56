//! What the queries name is there after a run, whatever the crawler has seen so far.

use std::collections::BTreeSet;

use lambda_sdk::test_util::{FakeHttp, Reply};
use serde_json::{Value, json};

use crate::glue::FakeGlue;
use crate::support::{
    CRAWLER, DATABASE, KNOWN, LOCATION, body, columns_by_table, crawled, operations, run,
    run_at_location, subject, table,
};

/// One table whole, as it goes over the wire; the crawler's own form is compared on the local AWS.
#[tokio::test]
async fn a_missing_table_is_made_as_the_crawler_would_make_it() {
    let glue = FakeGlue::new([]);
    let summary = run_at_location(&glue.http).await.expect("made");
    assert_eq!(summary.tables_created, KNOWN);
    assert_eq!(summary.tables_checked, 0);

    let sent = glue.http.sent();
    let creation = sent
        .iter()
        .find(|it| it.operation() == Some("CreateTable") && subject(it) == "aws_tag");
    let of_crawler = json!({
        "classification": "json",
        "compressionType": "none",
        "typeOfData": "file",
        "CrawlerSchemaDeserializerVersion": "1.0",
        "CrawlerSchemaSerializerVersion": "1.0",
        "UPDATED_BY_CRAWLER": CRAWLER,
    });
    let mut parameters = of_crawler.clone();
    parameters["MADE_BY_FUNCTION"] = "glue-column-deleter".into();
    let strings = |names: &[&str]| -> Value {
        let columns = names
            .iter()
            .map(|it| json!({ "Name": it, "Type": "string" }));
        columns.collect()
    };
    assert_eq!(
        body(creation.expect("made")),
        json!({
            "DatabaseName": DATABASE,
            "TableInput": {
                "Name": "aws_tag",
                "Owner": "owner",
                "TableType": "EXTERNAL_TABLE",
                "Parameters": parameters,
                "PartitionKeys": strings(&["accountid", "region", "resourcetype"]),
                "StorageDescriptor": {
                    "Columns": strings(&["key", "value", "resourceid", "capturetime", "schemaversion"]),
                    "Location": format!("{LOCATION}AWS:Tag/"),
                    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    "NumberOfBuckets": -1,
                    "SerdeInfo": {
                        "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                        "Parameters": { "paths": "Key,Value,resourceId,captureTime,schemaVersion" },
                    },
                    "BucketColumns": [],
                    "SortColumns": [],
                    "Parameters": of_crawler,
                },
            },
        })
    );
}

#[tokio::test]
async fn no_made_table_has_a_column_twice_or_one_that_is_a_partition_key() {
    let glue = FakeGlue::new([]);
    run_at_location(&glue.http).await.expect("made");
    for table in glue.tables() {
        let columns = table["StorageDescriptor"]["Columns"].as_array();
        let keys = table["PartitionKeys"].as_array();
        let mut seen = BTreeSet::new();
        for column in columns.into_iter().chain(keys).flatten() {
            let name = column["Name"].as_str().expect("a string");
            assert_eq!(name, name.to_lowercase(), "{}", table["Name"]);
            assert!(seen.insert(name), "{name} of {}", table["Name"]);
        }
        for common in ["resourceid", "capturetime", "schemaversion"] {
            assert!(seen.contains(common), "{common} of {}", table["Name"]);
        }
    }
}

#[tokio::test]
async fn a_run_leaves_nothing_for_the_next_one() {
    let glue = FakeGlue::new([crawled("aws_tag", "AWS:Tag", &["value", "region"])]);
    let first = run_at_location(&glue.http).await.expect("done");
    assert_eq!(first.tables_created.len(), KNOWN.len() - 1);
    let calls = operations(&glue.http).len();
    run_at_location(&glue.http).await.expect("nothing to do");
    let second = operations(&glue.http).split_off(calls);
    assert!(second.iter().all(|it| it == "GetTables"), "{second:?}");
}

#[tokio::test]
async fn a_table_is_written_once_for_what_goes_and_what_comes() {
    for columns in [
        ["capturetime", "resourcetype", "agenttype"],
        ["capturetime", "agenttype", "x"],
    ] {
        let glue = FakeGlue::new([crawled(
            "aws_instanceinformation",
            "AWS:InstanceInformation",
            &columns,
        )]);
        let summary = run(&glue.http).await.expect("completed");
        assert_eq!(operations(&glue.http), ["GetTables", "UpdateTable"]);
        let kept: Vec<_> = columns.iter().filter(|it| **it != "resourcetype").collect();
        let added = [
            "agentversion",
            "computername",
            "instanceid",
            "ipaddress",
            "platformname",
            "platformtype",
            "platformversion",
            "agentstatus",
            "instancestatus",
            "resourceid",
            "schemaversion",
        ];
        let name = "aws_instanceinformation";
        assert_eq!(summary.columns_added, columns_by_table(&[(name, &added)]));
        assert_eq!(
            summary.columns_removed.contains_key(name),
            columns.contains(&"resourcetype")
        );
        let table = glue.table(name).expect("there");
        let names: Vec<_> = table["StorageDescriptor"]["Columns"]
            .as_array()
            .expect("an array")
            .iter()
            .map(|it| it["Name"].as_str().expect("a string"))
            .collect();
        let expected: Vec<_> = kept.into_iter().chain(&added).copied().collect();
        assert_eq!(names, expected);
    }
}

#[tokio::test]
async fn without_a_location_no_table_is_made() {
    let glue = FakeGlue::new([]);
    let summary = run(&glue.http).await.expect("nothing to do");
    assert_eq!(summary.tables_created, [""; 0]);
    assert_eq!(operations(&glue.http), ["GetTables"]);
}

/// A view of the user's, say: queries read it, and it is theirs.
#[tokio::test]
async fn a_name_that_is_taken_is_left_to_its_owner() {
    let mut view = table("aws_tag", 1, &["region"]);
    view["TableType"] = "VIRTUAL_VIEW".into();
    let glue = FakeGlue::new([view.clone()]);
    let summary = run_at_location(&glue.http).await.expect("the others made");
    assert_eq!(summary.tables_created.len(), KNOWN.len() - 1);
    assert_eq!(glue.table("aws_tag"), Some(view));
}

#[tokio::test]
async fn a_table_that_somebody_else_was_faster_to_make_is_theirs() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => Reply::ok(json!({ "TableList": [] }).to_string()),
        _ if subject(sent) == "aws_tag" => {
            Reply::error(400, "AlreadyExistsException", "Table already exists.")
        }
        _ => Reply::ok("{}"),
    });
    let summary = run_at_location(&http).await.expect("fine");
    assert_eq!(summary.tables_created.len(), KNOWN.len() - 1);
    assert!(!summary.tables_created.contains(&"aws_tag".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn tables_that_can_not_be_made_are_named_with_the_permission_and_the_others_are_made() {
    let http = FakeHttp::new(|sent| match sent.operation() {
        Some("GetTables") => {
            Reply::ok(json!({ "TableList": [table("t", 1, &["region"])] }).to_string())
        }
        Some("CreateTable") if subject(sent) == "aws_tag" => {
            Reply::error(400, "AccessDeniedException", "not authorized")
        }
        _ => Reply::ok("{}"),
    });
    let error = run_at_location(&http).await.expect_err("one is denied");
    assert_eq!(
        error.to_string(),
        "repair 1 of 8 tables: create table aws_tag: AccessDeniedException: not authorized (status 400, request id \
         11111111-2222-3333); the function's role needs glue:CreateTable, and CREATE_TABLE on the database where AWS \
         Lake Formation governs the database"
    );
    let sent = http.sent();
    let made = sent
        .iter()
        .filter(|it| it.operation() == Some("CreateTable"))
        .map(subject);
    assert_eq!(made.collect::<Vec<_>>(), KNOWN);
}
