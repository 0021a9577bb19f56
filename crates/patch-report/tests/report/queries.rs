//! The queries: side by side, each on its own, and with patience.

use std::fmt::Write as _;

use serde_json::Value;

use crate::fake::{Course, Fake, QUERIES, Scratch, World};

/// What became of a query, as the JSON file has it.
fn status(json: &Value, name: &str) -> (String, String) {
    let queries = json["summary"]["queries"].as_array();
    let mut queries = queries.into_iter().flatten();
    let query = queries
        .find(|query| query["name"] == name)
        .expect("all are named");
    let text = |member: &str| query[member].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[test]
fn all_queries_run_side_by_side_and_each_once() {
    let scratch = Scratch::new("side-by-side");
    let mut world = World::good();
    for course in world.courses.values_mut() {
        if let Course::Result(looks, _) = course {
            *looks = 3;
        }
    }
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let operations: Vec<_> = fake
        .calls()
        .into_iter()
        .map(|call| call.operation)
        .collect();
    let last_start = operations
        .iter()
        .rposition(|it| it == "StartQueryExecution");
    let first_result = operations.iter().position(|it| it == "GET");
    assert!(last_start < first_result, "{operations:?}");
    let mut started = fake.subjects("StartQueryExecution");
    started.sort();
    let mut expected: Vec<_> = QUERIES.iter().map(|name| format!("{name} 0")).collect();
    expected.sort();
    assert_eq!(started, expected);
    assert!(fake.subjects("StopQueryExecution").is_empty());
}

#[test]
fn a_query_that_fails_is_named_and_the_rest_is_reported() {
    let rows = [
        (
            "FAILED",
            "FAILED",
            "HIVE_CURSOR_ERROR: Failed to read file at s3://b/k",
        ),
        ("CANCELLED", "CANCELLED", "Bytes scanned limit was exceeded"),
    ];
    for (state, expected, reason) in rows {
        let scratch = Scratch::new(state);
        let fake =
            Fake::new(World::good().with("QueryNonCompliantPatch", Course::Ends(state, reason)));
        let ran = scratch.run(&fake, &["--json", "report.json"]);
        assert_eq!(ran.status, Some(3), "{ran:?}");
        assert!(
            ran.stdout
                .contains("incomplete, without QueryNonCompliantPatch"),
            "{ran:?}"
        );
        let line = format!("QueryNonCompliantPatch: {expected}: {reason}");
        assert!(ran.stderr.lines().any(|it| it == line), "{ran:?}");
        assert!(
            scratch
                .read("report.html")
                .contains(&format!(": {reason}</li>"))
        );
        let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
        assert_eq!(
            status(&json, "QueryNonCompliantPatch"),
            (expected.to_owned(), reason.to_owned())
        );
        assert_eq!(json["summary"]["incomplete"], true);
        assert_eq!(json["summary"]["nodes"], 3);
        assert_eq!(json["nodes"][0]["findings"], Value::Null);
    }
}

#[test]
fn without_the_nodes_the_rest_is_still_reported() {
    let scratch = Scratch::new("no-nodes");
    let fake = Fake::new(World::good().with("QueryNodes", Course::Ends("FAILED", "no")));
    let ran = scratch.run(&fake, &["--json", "report.json", "--fail-under", "90"]);
    assert_eq!(ran.status, Some(3), "{ran:?}");
    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    assert_eq!(json["nodes"], Value::Null);
    assert_eq!(json["summary"]["rate"], Value::Null);
    assert_eq!(json["summary"]["agentsBehind"], 1);
    assert_eq!(json["others"][0]["findings"][0]["cves"][1], "CVE-2026-2");
}

#[test]
fn a_query_that_takes_too_long_is_stopped() {
    let scratch = Scratch::new("timeout");
    let fake = Fake::new(World::good().with("QueryNodesGone", Course::Hangs));
    let ran = scratch.run(&fake, &["--timeout", "2", "--json", "report.json"]);
    assert_eq!(ran.status, Some(3), "{ran:?}");
    assert_eq!(fake.subjects("StopQueryExecution"), ["QueryNodesGone"]);
    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    let expected = (
        "TIMED_OUT".to_owned(),
        "it took longer than 2 s (--timeout)".to_owned(),
    );
    assert_eq!(status(&json, "QueryNodesGone"), expected);
    assert_eq!(json["gone"], Value::Null);
}

#[test]
fn a_start_that_athena_refuses_is_not_made_again() {
    let scratch = Scratch::new("disabled");
    let (code, message) = ("InvalidRequestException", "WorkGroup is disabled.");
    let fake = Fake::new(World::good().refusing("StartQueryExecution", 6, code, message));
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(4), "{ran:?}");
    assert!(
        ran.stderr
            .contains("QueryNodes: start it: InvalidRequestException: WorkGroup is disabled."),
        "{ran:?}"
    );
    assert_eq!(fake.subjects("StartQueryExecution").len(), QUERIES.len());
    assert!(fake.subjects("StopQueryExecution").is_empty());
}

#[test]
fn the_queries_are_found_among_many() {
    let scratch = Scratch::new("many");
    let mut world = World::good();
    world.others = 60;
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(fake.subjects("ListNamedQueries").len(), 2);
    assert_eq!(fake.subjects("BatchGetNamedQuery").len(), 2);
}

#[test]
fn a_query_that_can_no_longer_be_looked_at_is_stopped() {
    let scratch = Scratch::new("looked-at");
    let world = World::good().refusing("GetQueryExecution", 6, "AccessDeniedException", "not you");
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(4), "{ran:?}");
    assert!(
        ran.stderr
            .contains("QueryNodes: FAILED: see how it goes: AccessDeniedException: not you"),
        "{ran:?}"
    );
    let mut stopped = fake.subjects("StopQueryExecution");
    stopped.sort();
    let mut expected = QUERIES;
    expected.sort_unstable();
    assert_eq!(stopped, expected);
}

#[test]
fn throttling_is_waited_out() {
    for (operation, code) in [
        ("ListNamedQueries", "TooManyRequestsException"),
        ("StartQueryExecution", "TooManyRequestsException"),
        ("GetQueryExecution", "ThrottlingException"),
        ("GetTables", "ThrottlingException"),
    ] {
        let scratch = Scratch::new(operation);
        let fake = Fake::new(World::good().refusing(operation, 2, code, "Rate exceeded"));
        let ran = scratch.run(&fake, &[]);
        assert_eq!(ran.status, Some(0), "{operation}: {ran:?}");
        let good = if operation.ends_with("Execution") {
            6
        } else {
            1
        };
        assert!(fake.subjects(operation).len() >= good + 2, "{operation}");
    }
}

#[test]
fn a_query_that_is_not_saved_or_saved_twice_is_named() {
    let scratch = Scratch::new("missing");
    let mut world = World::good();
    world.courses.remove("QuerySilentAccounts");
    world.twice.push("QueryNodesGone");
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &["--json", "report.json"]);
    assert_eq!(ran.status, Some(3), "{ran:?}");
    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    let (missing, reason) = status(&json, "QuerySilentAccounts");
    assert_eq!(
        (missing.as_str(), reason.as_str()),
        ("MISSING", "the workgroup has no saved query of this name")
    );
    let (missing, reason) = status(&json, "QueryNodesGone");
    assert_eq!(missing, "MISSING");
    assert!(
        reason.contains("2 saved queries of this name, which differ"),
        "{reason}"
    );
}

#[test]
fn a_query_that_athena_does_not_give_is_not_called_unsaved() {
    let scratch = Scratch::new("withheld");
    let mut world = World::good();
    world.withheld = Some("QueryNodes");
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &["--json", "report.json"]);
    assert_eq!(ran.status, Some(3), "{ran:?}");
    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    let (missing, reason) = status(&json, "QueryNodes");
    assert_eq!(missing, "MISSING");
    assert!(
        reason.ends_with("it did not give 1: INTERNAL_FAILURE: try later"),
        "{reason}"
    );
}

#[test]
fn a_result_of_another_query_is_refused_with_the_columns_that_it_lacks() {
    let scratch = Scratch::new("columns");
    let other = "\"accountid\",\"resourceid\"\n".to_owned();
    let fake = Fake::new(World::good().with("QueryPendingReboot", Course::Result(1, other)));
    let ran = scratch.run(&fake, &["--json", "report.json"]);
    assert_eq!(ran.status, Some(3), "{ran:?}");
    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    let (status, reason) = status(&json, "QueryPendingReboot");
    assert_eq!(status, "FAILED");
    assert!(reason.contains("has no column region;"), "{reason}");
    assert_eq!(json["nodes"][0]["waiting"], Value::Null);
    assert_eq!(json["nodes"][0]["behind"], false);
}

#[test]
fn a_result_that_may_not_be_read_is_named() {
    let scratch = Scratch::new("denied");
    let fake = Fake::new(World::good().with("QueryNodesGone", Course::Denied));
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(3), "{ran:?}");
    let line = "QueryNodesGone: FAILED: read its result from s3://results/QueryNodesGone.csv: AccessDenied: Access Denied";
    assert!(ran.stderr.contains(line), "{ran:?}");
    assert!(ran.stderr.contains("s3:GetObject"), "{ran:?}");
    // The query has ended.
    assert!(fake.subjects("StopQueryExecution").is_empty());
}

#[test]
fn a_large_result_is_read_as_it_comes() {
    let scratch = Scratch::new("large");
    let mut nodes = match &World::good().courses["QueryNodes"] {
        Course::Result(_, csv) => csv.lines().next().unwrap().to_owned() + "\n",
        _ => unreachable!("it has a result"),
    };
    for number in 0..20_000 {
        let _ = writeln!(
            nodes,
            "\"1\",\"us-east-1\",\"i-{number:05}\",,\"host, \"\"{number}\"\"\",,,,,,,\"COMPLIANT\",,,\"false\",,,,,,,,,"
        );
    }
    let mut world = World::good().with("QueryNodes", Course::Result(1, nodes));
    world.piece = 50_001;
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &["--json", "report.json"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 20_000);
    assert_eq!(json["nodes"][19_999]["computer"], "host, \"19999\"");
}

#[test]
fn a_result_that_breaks_off_is_resumed_where_it_broke() {
    let scratch = Scratch::new("resumed");
    let mut world = World::good();
    // Of the longest result that makes three breaks.
    world.piece = 300;
    world.breaks = true;
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let resumed: Vec<_> = fake
        .calls()
        .into_iter()
        .filter(|call| call.range.is_some())
        .map(|call| (call.range, call.if_match))
        .collect();
    let first = (Some("bytes=300-".to_owned()), Some("\"one\"".to_owned()));
    assert!(resumed.contains(&first), "{resumed:?}");
    assert!(
        ran.stdout.contains("3 nodes, 1 compliant (33.3 %)"),
        "{ran:?}"
    );
}

#[test]
fn a_result_that_keeps_breaking_off_fails_its_query() {
    let scratch = Scratch::new("broken");
    let mut world = World::good();
    world.piece = 100;
    world.breaks = true;
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(3), "{ran:?}");
    assert!(
        ran.stderr
            .contains("QueryNodes: FAILED: read its result from s3://results/QueryNodes.csv: "),
        "{ran:?}"
    );
}

#[test]
fn a_result_that_athena_keeps_is_read_page_by_page() {
    let scratch = Scratch::new("managed");
    let behind = "\"accountid\",\"region\",\"resourceid\"\n\"111122223333\",\"us-east-1\",\"i-1\"\n\
                  \"111122223333\",\"us-east-1\",\"i-2\"\n\"111122223333\",\"us-east-1\",\"i-3\"\n";
    let fake =
        Fake::new(World::good().with("QueryAgentsBehind", Course::Managed(behind.to_owned())));
    let ran = scratch.run(&fake, &["--json", "report.json"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(fake.subjects("GetQueryResults").len(), 2);
    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    assert_eq!(json["summary"]["agentsBehind"], 3);
    assert_eq!(json["nodes"][2]["behind"], true);
}

#[test]
fn the_database_of_the_command_line_is_the_one_that_is_read() {
    let scratch = Scratch::new("database");
    let fake = Fake::new(World::good());
    let ran = scratch.run(&fake, &["--database", "another", "--json", "report.json"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(fake.subjects("GetTables"), ["another"]);
    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    assert_eq!(json["summary"]["database"], "another");
}
