//! Events and tables as AWS makes them, and the function over a programmable HTTP client.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use glue_column_deleter::{ColumnDeleter, Config, Error, Summary};
use lambda_sdk::test_util::{FakeHttp, Sent};
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) const DATABASE: &str = "ssm_global_resource_sync";
pub(crate) const CRAWLER: &str = "SSM-GlueCrawler";

/// Where the crawler looks, as the template of the central stack tells the function.
pub(crate) const LOCATION: &str = "s3://ssm-resource-sync-us-east-1-111122223333/ResourceDataSync/";

/// The tables that the queries read.
pub(crate) const KNOWN: [&str; 7] = [
    "aws_instanceinformation",
    "aws_compliancesummary",
    "aws_complianceitem",
    "aws_patchsummary",
    "aws_application",
    "aws_tag",
    "aws_instancedetailedinformation",
];

/// The function's time, as in the template of the central stack.
pub(crate) const TIME: Duration = Duration::from_mins(5);

/// An event as EventBridge delivers it.
pub(crate) fn event(crawler: &str, state: &str) -> Value {
    json!({
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
    })
}

/// A table as the crawler makes it, with these data columns and partitioned by account, Region and resource type.
pub(crate) fn table(name: &str, version: u32, columns: &[&str]) -> Value {
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

/// A table as the crawler makes it, at its place and with the crawler's name on it.
pub(crate) fn crawled(name: &str, folder: &str, columns: &[&str]) -> Value {
    let mut table = table(name, 1, columns);
    table["StorageDescriptor"]["Location"] = format!("{LOCATION}{folder}/").into();
    table["Parameters"] = json!({ "classification": "json", "UPDATED_BY_CRAWLER": CRAWLER });
    table
}

/// The function as Lambda starts it, without a place to make tables at.
pub(crate) fn deleter(http: &FakeHttp) -> ColumnDeleter {
    deleter_with(http, &[])
}

fn deleter_with(http: &FakeHttp, more: &[(&str, &str)]) -> ColumnDeleter {
    let mut env = vec![("CRAWLER_NAME", CRAWLER), ("DATABASE_NAME", DATABASE)];
    env.extend(more);
    let env: BTreeMap<_, _> = env
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let config = Config::from_env(&env).expect("a good environment");
    ColumnDeleter::new(&http.sdk_config(), config)
}

/// What the function makes of an event.
pub(crate) async fn handle(http: &FakeHttp, event: Value) -> Result<Option<Summary>, Error> {
    let event: EventBridgeEvent = serde_json::from_value(event).expect("an event");
    deleter(http).handle(event, Instant::now() + TIME).await
}

/// What the function makes of the crawler's success, within its time.
pub(crate) async fn run(http: &FakeHttp) -> Result<Summary, Error> {
    let start = Instant::now();
    let handled = handle(http, event(CRAWLER, "Succeeded")).await;
    assert!(start.elapsed() < TIME, "Lambda cuts the invocation off");
    handled.map(|summary| summary.expect("not ignored"))
}

/// The same of the function that knows where the tables belong.
pub(crate) async fn run_at_location(http: &FakeHttp) -> Result<Summary, Error> {
    let start = Instant::now();
    let event: EventBridgeEvent =
        serde_json::from_value(event(CRAWLER, "Succeeded")).expect("an event");
    let handled = deleter_with(http, &[("DATA_LOCATION", LOCATION)])
        .handle(event, start + TIME)
        .await;
    assert!(start.elapsed() < TIME, "Lambda cuts the invocation off");
    handled.map(|summary| summary.expect("not ignored"))
}

pub(crate) fn body(sent: &Sent) -> Value {
    serde_json::from_str(&sent.body).expect("JSON")
}

/// The name of the table that a call is for.
pub(crate) fn subject(sent: &Sent) -> String {
    let body = body(sent);
    let names = [
        &body["TableInput"]["Name"],
        &body["TableName"],
        &body["Name"],
    ];
    let name = names.into_iter().find_map(Value::as_str);
    name.expect("a name").to_owned()
}

pub(crate) fn operations(http: &FakeHttp) -> Vec<String> {
    let sent = http.sent();
    let operations = sent
        .iter()
        .map(|sent| sent.operation().expect("a call").to_owned());
    operations.collect()
}

pub(crate) fn columns_by_table(of: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let owned = |columns: &[&str]| columns.iter().map(|&column| column.to_owned()).collect();
    of.iter()
        .map(|&(table, columns)| (table.to_owned(), owned(columns)))
        .collect()
}
