//! The k-th call of a repair fails, for every k, in every way, once or from there on. Whatever happens, what is not
//! repaired is named, what is repaired is right, and the next run does the rest.

use std::sync::mpsc::{Receiver, channel};

use glue_column_deleter::{Error, Summary};
use lambda_sdk::test_util::Reply;
use serde_json::{Value, json};

use crate::glue::FakeGlue;
use crate::support::{DATABASE, KNOWN, crawled, operations, run, run_at_location, table};

/// A database of three pages: one table that needs nothing, one that changes underneath, and a view.
fn database(moved: &'static str) -> FakeGlue {
    let mut view = table("view", 1, &["region"]);
    view["TableType"] = "VIRTUAL_VIEW".into();
    let mut first = table("first", 3, &["a", "resourcetype", "b"]);
    first["Parameters"] = json!({ "classification": "json" });
    first["Retention"] = 7.into();
    let tables = [
        first,
        table("sound", 1, &["key", "value"]),
        table("moving", 1, &["Region", "slot"]),
        view,
        table("last", 9, &["accountid", "region"]),
    ];
    FakeGlue::new(tables).with(|state| {
        state.faster_writers = [("moving", 1)].into();
        state.moved = moved;
    })
}

fn column_names(table: &Value) -> Vec<&str> {
    let columns = table["StorageDescriptor"]["Columns"].as_array();
    let columns = columns.expect("an array").iter();
    columns
        .map(|it| it["Name"].as_str().expect("a string"))
        .collect()
}

/// Whether a table is as it should be; what it should be apart from the columns never changes.
fn is_repaired(table: &Value) -> bool {
    let columns = column_names(table);
    let name = table["Name"].as_str().expect("a string");
    let tables = database("").tables();
    let original = tables.iter().find(|it| it["Name"] == name).expect("known");
    for (member, value) in original.as_object().expect("an object") {
        if member != "VersionId" && member != "StorageDescriptor" {
            assert_eq!(table[member], *value, "{member} of {name}");
        }
    }
    match name {
        "first" => columns == ["a", "b"],
        "sound" => columns == ["key", "value"],
        "moving" => columns == ["slot", "added_meanwhile"] || columns == ["slot"],
        "view" => columns == ["region"],
        "last" => columns.is_empty(),
        other => panic!("{other} was made"),
    }
}

/// What goes wrong with a call, and whether it gets to the service all the same.
fn faults() -> Vec<(&'static str, Reply, bool)> {
    let throttled = Reply::error(400, "ThrottlingException", "Rate exceeded");
    let denied = Reply::error(400, "AccessDeniedException", "not authorized");
    let fault = Reply::error(500, "InternalServiceException", "Oops");
    vec![
        ("throttled", throttled, false),
        ("denied", denied, false),
        ("reset", Reply::Reset, false),
        ("reset after it was done", Reply::Reset, true),
        ("hangs", Reply::Hang, false),
        ("hangs after it was done", Reply::Hang, true),
        ("fault", fault, false),
        (
            "fault after it was done",
            Reply::status(502, "<html>"),
            true,
        ),
        // An empty output is not read, so that garbage in its place is a success.
        ("garbage", Reply::ok("<html>"), true),
    ]
}

/// Lets the calls from `first` on fail, `times` times. The receiver gets one message for each.
fn failing(
    glue: FakeGlue,
    fault: (&Reply, bool),
    first: u32,
    times: u32,
) -> (FakeGlue, Receiver<()>) {
    let (sender, hits) = channel();
    let (reply, is_carried_out) = (fault.0.clone(), fault.1);
    let mut calls = 0;
    let glue = glue.with(|state| {
        state.network = Box::new(move || {
            calls += 1;
            let is_hit = (first..first.saturating_add(times)).contains(&calls);
            is_hit.then(|| {
                sender.send(()).expect("the test listens");
                (reply.clone(), is_carried_out)
            })
        });
    });
    (glue, hits)
}

#[track_caller]
fn assert_repaired(case: &str, glue: &FakeGlue) {
    let tables = glue.tables();
    let bad: Vec<_> = tables.iter().filter(|it| !is_repaired(it)).collect();
    assert!(bad.is_empty(), "{case}: {bad:?}");
}

/// What must hold after a run, and after the next ones.
async fn check(case: &str, glue: FakeGlue, result: Result<Summary, Error>) {
    match result {
        Ok(summary) => {
            assert_eq!(summary.tables_checked, 5, "{case}");
            assert_repaired(case, &glue);
        }
        Err(error @ Error::Tables { .. }) => {
            let error = error.to_string();
            for table in glue.tables().iter().filter(|it| !is_repaired(it)) {
                let name = format!("table {}", table["Name"].as_str().expect("a string"));
                assert!(error.contains(&name), "{case}: {error}");
            }
        }
        Err(error) => {
            assert!(error.to_string().contains(DATABASE), "{case}: {error}");
            let is_list = |it: &String| it == "GetTables";
            assert!(operations(&glue.http).iter().all(is_list), "{case}");
        }
    }

    let glue = glue.with(|state| state.network = Box::new(|| None));
    run(&glue.http).await.expect(case);
    assert_repaired(case, &glue);
    let before = glue.http.sent().len();
    run(&glue.http).await.expect(case);
    let calls = operations(&glue.http).split_off(before);
    assert_eq!(calls, ["GetTables"; 3], "{case}: nothing is left to do");
}

async fn survives_every_fault(moved: &'static str) {
    for (fault, reply, is_carried_out) in faults() {
        for (kind, times) in [("once", 1), ("from there on", u32::MAX)] {
            for first in 1.. {
                let case = format!("call {first} {fault} {kind}, {moved}");
                let fault = (&reply, is_carried_out);
                let (glue, hits) = failing(database(moved), fault, first, times);
                let result = run(&glue.http).await;
                if hits.try_recv().is_err() {
                    result.expect("nothing failed");
                    // Three lists, three updates, and one update more with a look before it.
                    assert_eq!(first, 8 + 1, "{case}: not every call was hit");
                    break;
                }
                check(&case, glue, result).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_survives_every_fault() {
    survives_every_fault("ConcurrentModificationException").await;
}

#[tokio::test(start_paused = true)]
async fn a_repair_survives_every_fault_where_a_version_that_moved_is_an_invalid_input() {
    survives_every_fault("InvalidInputException").await;
}

const NODES: &str = "aws_instanceinformation";
const SECOND: &str = "aws_tag_0123456789abcdef0123456789abcdef";

/// A database that has a table with columns too many and too few, lacks all others, and has a second one in the place of
/// one that is to be made.
fn incomplete_database() -> FakeGlue {
    let nodes = crawled(
        NODES,
        "AWS:InstanceInformation",
        &["agenttype", "resourcetype"],
    );
    let second = crawled(SECOND, "AWS:Tag", &["key"]);
    FakeGlue::new([nodes, second]).with(|state| {
        let partitions = ["a", "b", "c"].map(|it| {
            json!({ "Values": [it, "r", "t"], "StorageDescriptor": { "Location": format!("s3://{it}/") } })
        });
        state.partitions.insert(SECOND.to_owned(), partitions.into());
    })
}

/// The tables that are not as they should be.
fn incomplete_tables(glue: &FakeGlue) -> Vec<&'static str> {
    let is_complete = |name: &str| {
        let Some(table) = glue.table(name) else {
            return false;
        };
        let columns = column_names(&table);
        let places = |table| -> Vec<Value> {
            let partitions = glue.partitions(table).into_iter();
            partitions
                .map(|it| json!([it["Values"], it["StorageDescriptor"]["Location"]]))
                .collect()
        };
        !columns.contains(&"resourcetype")
            && columns.ends_with(&["resourceid", "capturetime", "schemaversion"])
            && (name != "aws_tag" || places(name) == places(SECOND))
    };
    let names = KNOWN.into_iter();
    names.filter(|name| !is_complete(name)).collect()
}

/// What must hold after a run, and after the next ones.
async fn check_completion(case: &str, glue: FakeGlue, result: Result<Summary, Error>) {
    let incomplete = incomplete_tables(&glue);
    match result {
        Ok(_) => assert_eq!(incomplete, [""; 0], "{case}"),
        Err(error @ Error::Tables { .. }) => {
            let error = error.to_string();
            for name in incomplete {
                assert!(error.contains(&format!("table {name}")), "{case}: {error}");
            }
        }
        Err(error) => {
            assert!(error.to_string().contains(DATABASE), "{case}: {error}");
            let is_list = |it: &String| it == "GetTables";
            assert!(operations(&glue.http).iter().all(is_list), "{case}");
        }
    }

    let glue = glue.with(|state| state.network = Box::new(|| None));
    run_at_location(&glue.http).await.expect(case);
    assert_eq!(incomplete_tables(&glue), [""; 0], "{case}");
    let before = glue.http.sent().len();
    run_at_location(&glue.http).await.expect(case);
    let calls = operations(&glue.http).split_off(before);
    let is_read = |it: &String| it.starts_with("Get");
    assert!(
        calls.iter().all(is_read),
        "{case}: nothing is left to do: {calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_completion_survives_every_fault() {
    for (fault, reply, is_carried_out) in faults() {
        for (kind, times) in [("once", 1), ("from there on", u32::MAX)] {
            for first in 1.. {
                let case = format!("call {first} {fault} {kind}");
                let fault = (&reply, is_carried_out);
                let (glue, hits) = failing(incomplete_database(), fault, first, times);
                let result = run_at_location(&glue.http).await;
                if hits.try_recv().is_err() {
                    result.expect("nothing failed");
                    // A list, an update, six creations, three lists of partitions, and their registration.
                    assert_eq!(first, 12 + 1, "{case}: not every call was hit");
                    break;
                }
                check_completion(&case, glue, result).await;
            }
        }
    }
}
