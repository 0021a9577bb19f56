//! A crawler that makes a table of its own beside one that the function made. Ours is the one that queries read.

use lambda_sdk::test_util::{FakeHttp, Reply, capture_log, captured_log};
use serde_json::{Value, json};

use crate::glue::FakeGlue;
use crate::support::{LOCATION, body, crawled, operations, run_at_location, subject};

const SECOND: &str = "aws_tag_0123456789abcdef0123456789abcdef";

fn partition(account: usize) -> Value {
    let values = [
        format!("{account:012}"),
        "us-east-1".into(),
        "ManagedInstanceInventory".into(),
    ];
    json!({
        "Values": values,
        "Parameters": { "classification": "json", "objectCount": "2" },
        "StorageDescriptor": {
            "Location": format!("{LOCATION}AWS:Tag/accountid={account:012}/region=us-east-1/resourcetype=ManagedInstanceInventory/"),
        },
    })
}

/// A database after a first run, and a second table that the crawler has made since, with so many partitions.
async fn with_second_table(second: Value, partitions: usize) -> FakeGlue {
    let glue = FakeGlue::new([]);
    run_at_location(&glue.http).await.expect("made");
    glue.with(|state| {
        let name = second["Name"].as_str().expect("a string").to_owned();
        state.tables.push(second);
        state
            .partitions
            .insert(name, (0..partitions).map(partition).collect());
    })
}

fn values(partitions: &[Value]) -> Vec<&Value> {
    partitions.iter().map(|it| &it["Values"]).collect()
}

#[tokio::test]
async fn ours_gets_the_partitions_of_the_crawlers_and_our_columns_for_them() {
    capture_log();
    let second = crawled(SECOND, "AWS:Tag", &["value"]);
    let glue = with_second_table(second.clone(), 230).await;
    let summary = run_at_location(&glue.http).await.expect("shared");

    assert_eq!(
        summary.partitions_added,
        [("aws_tag".to_owned(), 230)].into()
    );
    let ours = glue.partitions("aws_tag");
    assert_eq!(values(&ours), values(&glue.partitions(SECOND)));
    let table = glue.table("aws_tag").expect("there");
    let mut expected = table["StorageDescriptor"].clone();
    expected["Location"] = partition(7)["StorageDescriptor"]["Location"].clone();
    assert_eq!(ours[7]["StorageDescriptor"], expected);
    assert_eq!(ours[7]["Parameters"], partition(7)["Parameters"]);
    assert_eq!(
        glue.table(SECOND),
        Some(second),
        "the crawler's is left alone"
    );
    let log = captured_log();
    assert!(log.contains("WARN"), "{log}");
    assert!(log.contains("the crawler made a second table"), "{log}");
    assert!(log.contains(SECOND), "{log}");

    let sent = glue.http.sent();
    let list = sent
        .iter()
        .find(|it| it.operation() == Some("GetPartitions"));
    assert_eq!(body(list.expect("listed"))["ExcludeColumnSchema"], true);
}

#[tokio::test]
async fn later_runs_add_what_came_since_and_then_nothing() {
    let glue = with_second_table(crawled(SECOND, "AWS:Tag", &["value"]), 2).await;
    run_at_location(&glue.http).await.expect("shared");
    let glue = glue.with(|state| {
        let theirs = state.partitions.get_mut(SECOND).expect("there");
        theirs.push(partition(9));
    });
    let summary = run_at_location(&glue.http).await.expect("shared");
    assert_eq!(summary.partitions_added["aws_tag"], 1);
    let calls = operations(&glue.http).len();
    let summary = run_at_location(&glue.http).await.expect("nothing to do");
    assert!(summary.partitions_added.is_empty());
    let calls = operations(&glue.http).split_off(calls);
    assert!(calls.iter().all(|it| it.starts_with("Get")), "{calls:?}");
    assert_eq!(glue.partitions("aws_tag").len(), 3);
}

/// Somebody deleted our table and left the crawler's.
#[tokio::test]
async fn a_table_that_is_made_anew_gets_the_partitions_at_once() {
    let glue = FakeGlue::new([crawled(SECOND, "AWS:Tag", &["value"])]);
    let glue = glue.with(|state| {
        state
            .partitions
            .insert(SECOND.to_owned(), vec![partition(1)]);
    });
    let summary = run_at_location(&glue.http).await.expect("made and shared");
    assert_eq!(summary.partitions_added["aws_tag"], 1);
}

#[tokio::test]
async fn what_is_no_second_table_of_this_crawler_is_not_looked_at() {
    let mut another_crawlers = crawled(SECOND, "AWS:Tag", &["value"]);
    another_crawlers["Parameters"]["UPDATED_BY_CRAWLER"] = "other".into();
    let mut otherwise_partitioned = crawled(SECOND, "AWS:Tag", &["value"]);
    otherwise_partitioned["PartitionKeys"] = json!([{ "Name": "partition_0", "Type": "string" }]);
    for (case, second) in [
        ("another crawler's", another_crawlers),
        ("partitioned otherwise", otherwise_partitioned),
        ("elsewhere", crawled(SECOND, "AWS:Tags", &["value"])),
        (
            "of another name",
            crawled("tags_of_nodes", "AWS:Tag", &["value"]),
        ),
        (
            "of a longer name",
            crawled("aws_tags", "AWS:Tag", &["value"]),
        ),
    ] {
        let glue = with_second_table(second, 1).await;
        let summary = run_at_location(&glue.http).await.expect(case);
        assert!(summary.partitions_added.is_empty(), "{case}");
        let calls = operations(&glue.http);
        assert!(!calls.contains(&"GetPartitions".to_owned()), "{case}");
    }
}

/// A table without our note is the crawler's or the user's own: what it has for partitions is not for us to change.
#[tokio::test]
async fn a_first_table_that_the_function_did_not_make_gets_no_partitions() {
    let glue = FakeGlue::new([
        crawled("aws_tag", "AWS:Tag", &["key", "value"]),
        crawled(SECOND, "AWS:Tag", &["value"]),
    ])
    .with(|state| {
        state
            .partitions
            .insert(SECOND.to_owned(), vec![partition(1)]);
    });
    run_at_location(&glue.http).await.expect("nothing to share");
    assert_eq!(glue.partitions("aws_tag"), [json!(null); 0]);
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_told_of_the_table() {
    let refused = json!({ "Errors": [
        {
            "PartitionValues": ["1", "us-east-1", "r"],
            "ErrorDetail": { "ErrorCode": "AlreadyExistsException", "ErrorMessage": "Partition already exists." },
        },
        {
            "PartitionValues": ["2", "us-east-1", "r"],
            "ErrorDetail": { "ErrorCode": "ResourceNumberLimitExceededException", "ErrorMessage": "too many" },
        },
    ]});
    let denied = || Reply::error(400, "AccessDeniedException", "not authorized");
    let gone = || Reply::error(400, "EntityNotFoundException", "Table not found.");
    let list = || Reply::ok(json!({ "Partitions": [partition(1)] }).to_string());
    for (case, ours, theirs, add, expected) in [
        (
            "no right to list",
            denied(),
            list(),
            Reply::ok("{}"),
            Some("list the partitions of table aws_tag: AccessDeniedException: not authorized"),
        ),
        (
            "no right to add",
            Reply::ok("{}"),
            list(),
            denied(),
            Some("the function's role needs glue:BatchCreatePartition"),
        ),
        (
            "one refused",
            Reply::ok("{}"),
            list(),
            Reply::ok(refused.to_string()),
            Some(
                "add partition 2/us-east-1/r to table aws_tag: ResourceNumberLimitExceededException: too many",
            ),
        ),
        (
            "ours gone when listed",
            gone(),
            list(),
            Reply::ok("{}"),
            None,
        ),
        (
            "theirs gone",
            Reply::ok("{}"),
            gone(),
            Reply::ok("{}"),
            None,
        ),
        (
            "ours gone when added to",
            Reply::ok("{}"),
            list(),
            gone(),
            None,
        ),
    ] {
        let http = FakeHttp::new(move |sent| match sent.operation() {
            Some("GetTables") => {
                let tables = [crawled(SECOND, "AWS:Tag", &["value"])];
                Reply::ok(json!({ "TableList": tables }).to_string())
            }
            Some("GetPartitions") if subject(sent) == SECOND => theirs.clone(),
            Some("GetPartitions") => ours.clone(),
            Some("BatchCreatePartition") => add.clone(),
            _ => Reply::ok("{}"),
        });
        let handled = run_at_location(&http).await;
        match expected {
            None => assert!(handled.is_ok(), "{case}: {handled:?}"),
            Some(text) => {
                let error = handled.expect_err(case).to_string();
                assert!(error.contains(text), "{case}: {error}");
            }
        }
    }
}
