//! How the command ends: its exit status, its last line, and its files.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fake::{Course, Fake, QUERIES, Ran, Scratch, World};

/// The last line of standard error, which tells why nothing could be reported.
fn last_line(ran: &Ran) -> &str {
    ran.stderr.lines().last().unwrap_or_default()
}

#[test]
fn all_is_well() {
    let scratch = Scratch::new("well");
    let fake = Fake::new(World::good());
    let ran = scratch.run(
        &fake,
        &[
            "--csv",
            "csv",
            "--json",
            "report.json",
            "--fail-under",
            "33.3",
        ],
    );
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(
        ran.stdout,
        "report.html: 3 nodes, 1 compliant (33.3 %), 1 non-compliant, 1 not scanned\n"
    );
    for name in QUERIES {
        let line = format!("{name}: ");
        let lines = ran.stderr.lines().filter(|it| it.starts_with(&line));
        assert_eq!(lines.count(), 1, "{ran:?}");
    }
    assert!(
        ran.stderr
            .contains("QueryNodes: 3 rows in 1.2 s, 1.5 MB read"),
        "{ran:?}"
    );
    assert_eq!(scratch.names(), ["csv", "report.html", "report.json"]);

    let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    assert_eq!(json["nodes"][0]["tags"], json!({ "Name": "web" }));
    assert_eq!(
        json["nodes"][0]["findings"],
        json!([{
            "id": "kernel", "title": "kernel:6", "classification": "Security", "patchSeverity": "Important",
            "severity": "CRITICAL", "cves": ["CVE-2026-1", "CVE-2026-2"], "state": "Missing",
        }])
    );
    assert_eq!(json["nodes"][1]["findings"], json!([]));
    assert_eq!(json["nodes"][2]["lastScan"], Value::Null);
    assert_eq!(json["summary"]["queries"][0]["seconds"], 1.2);
    assert_eq!(json["summary"]["region"], "us-east-1");

    let mut names: Vec<_> = std::fs::read_dir(scratch.path("csv"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected: Vec<_> = QUERIES.iter().map(|name| format!("{name}.csv")).collect();
    expected.sort();
    assert_eq!(names, expected);
    let nodes = std::fs::read_to_string(scratch.path("csv/QueryNodes.csv")).unwrap();
    let row = nodes.split("\r\n").nth(1).unwrap();
    assert!(row.contains(",'=cmd|'/C calc'!A0,"), "{row}");
    assert!(row.contains(",-1,false,"), "{row}");
}

#[test]
fn a_rate_below_the_bound_is_told_and_counts_before_incompleteness() {
    for (bound, gone, expected) in [
        ("33.4", Course::Hangs, 1),
        // Unrounded it is 33.333…
        ("33.34", Course::Hangs, 1),
        ("33.3", Course::Hangs, 3),
    ] {
        let scratch = Scratch::new("below");
        let fake = Fake::new(World::good().with("QueryNodesGone", gone));
        let ran = scratch.run(&fake, &["--timeout", "2", "--fail-under", bound]);
        assert_eq!(ran.status, Some(expected), "{bound}: {ran:?}");
        let told = ran
            .stdout
            .contains(&format!("the compliance rate is below {bound} %"));
        assert_eq!(told, expected == 1, "{ran:?}");
        assert!(scratch.read("report.html").ends_with("</html>\n"));
    }
}

#[test]
fn a_wrong_command_line_is_usage() {
    let scratch = Scratch::new("usage");
    let fake = Fake::new(World::good());
    for more in [
        &["--fail-under", "101"][..],
        &["--timeout", "0"],
        &["--unknown"],
    ] {
        let ran = scratch.run(&fake, more);
        assert_eq!(ran.status, Some(2), "{ran:?}");
    }
    assert!(fake.calls().is_empty());
    assert!(scratch.names().is_empty());
}

#[test]
fn two_files_in_one_place_are_usage() {
    let scratch = Scratch::new("same");
    std::fs::create_dir(scratch.path("csv")).unwrap();
    let fake = Fake::new(World::good());
    for more in [
        &["--json", "report.html"][..],
        &["--json", "./report.html"],
        &["--json", "csv/../report.html"],
        &["--csv", "csv", "--json", "csv/QueryNodes.csv"],
    ] {
        let ran = scratch.run(&fake, more);
        assert_eq!(ran.status, Some(2), "{more:?}: {ran:?}");
        assert!(last_line(&ran).contains("is named twice"), "{ran:?}");
        assert_eq!(scratch.names(), ["csv"], "{more:?}");
    }
    assert!(fake.calls().is_empty());
}

#[cfg(unix)]
#[test]
fn a_disk_that_gets_full_leaves_everything_as_it_was() {
    let scratch = Scratch::new("full");
    let fake = Fake::new(World::good());
    std::fs::write(scratch.path("report.html"), "old").unwrap();
    // Files may have 512 bytes, and to write more is an error and no signal: the page does not fit, its first bytes do.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 1; exec {} \"$@\"",
        env!("CARGO_BIN_EXE_patch-report")
    );
    let command = scratch.command(&fake, &["--csv", "csv", "--json", "report.json"]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .args(["-c", &limited, "sh"])
        .args(command.get_args())
        .current_dir(scratch.path(""))
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("report.html: File too large"), "{told}");
    assert_eq!(scratch.read("report.html"), "old");
    assert_eq!(scratch.names(), ["csv", "report.html"]);
    assert_eq!(std::fs::read_dir(scratch.path("csv")).unwrap().count(), 0);
}

#[test]
fn help_tells_the_exit_statuses() {
    let scratch = Scratch::new("help");
    let fake = Fake::new(World::good());
    let ran = scratch.run(&fake, &["--help"]);
    assert_eq!(ran.status, Some(0));
    assert!(ran.stdout.contains("--fail-under"), "{ran:?}");
    assert!(
        ran.stdout.contains("  4  nothing could be reported"),
        "{ran:?}"
    );
}

#[test]
fn without_credentials_nothing_is_asked() {
    let scratch = Scratch::new("credentials");
    let fake = Fake::new(World::good());
    let rows: [(&str, &[&str], &str); 2] = [
        ("none", &[], "no usable AWS credentials: "),
        (
            "no such profile",
            &["--profile", "nobody"],
            "no usable AWS credentials of profile \"nobody\": ",
        ),
    ];
    for (name, more, expected) in rows {
        let mut command = scratch.command(&fake, more);
        command.env_remove("AWS_ACCESS_KEY_ID");
        let ran = Ran::wait(command.spawn().unwrap());
        assert_eq!(ran.status, Some(4), "{name}: {ran:?}");
        assert!(last_line(&ran).contains(expected), "{name}: {ran:?}");
        assert!(last_line(&ran).contains("aws sso login"), "{name}: {ran:?}");
    }
    assert!(fake.calls().is_empty());
    assert!(scratch.names().is_empty());
}

#[test]
fn without_a_region_nothing_is_asked() {
    let scratch = Scratch::new("region");
    let fake = Fake::new(World::good());
    let mut command = scratch.command(&fake, &[]);
    command.env_remove("AWS_REGION");
    let ran = Ran::wait(command.spawn().unwrap());
    assert_eq!(ran.status, Some(4), "{ran:?}");
    assert!(last_line(&ran).contains("give --region"), "{ran:?}");
    assert!(fake.calls().is_empty());
}

#[test]
fn a_profile_its_region_and_its_endpoint_are_taken_from_the_files() {
    let keys = "aws_access_key_id = AKIDPROFILE\naws_secret_access_key = x";
    let process = r#"credential_process = sh -c 'echo >>asked; echo "{\"Version\":1,\"AccessKeyId\":\"AKIDPROCESS\",\"SecretAccessKey\":\"x\"}"'"#;
    for (name, credentials) in [("keys", keys), ("process", process)] {
        let scratch = Scratch::new(name);
        let fake = Fake::new(World::good());
        let endpoint = fake.address();
        let config = format!(
            "[profile central]\nregion = eu-west-1\nendpoint_url = {endpoint}\n{credentials}\n"
        );
        std::fs::write(scratch.path("config"), config).unwrap();
        let mut command =
            scratch.command(&fake, &["--profile", "central", "--json", "report.json"]);
        command
            .env("PATH", "/usr/bin:/bin")
            .env_remove("AWS_REGION")
            .env_remove("AWS_ENDPOINT_URL")
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("AWS_CONFIG_FILE", scratch.path("config"));
        let ran = Ran::wait(command.spawn().unwrap());
        assert_eq!(ran.status, Some(0), "{name}: {ran:?}");
        let json: Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
        assert_eq!(json["summary"]["region"], "eu-west-1");
        if name == "process" {
            // It may ask its user for a touch or a password.
            assert_eq!(scratch.read("asked"), "\n", "it ran once");
        }
    }
}

#[test]
fn identity_center_gives_the_credentials_until_its_session_ends() {
    let login = "aws sso login --profile central";
    for (name, expires, status) in [
        ("logged-in", "2999-01-01T00:00:00Z", Some(0)),
        ("logged-out", "2020-01-01T00:00:00Z", Some(4)),
    ] {
        let scratch = Scratch::new(name);
        let fake = Fake::new(World::good());
        let config = "[profile central]\nregion = eu-west-1\nsso_session = s\nsso_account_id = 111122223333\n\
                      sso_role_name = Reader\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://s.example.com/start\n";
        std::fs::write(scratch.path("config"), config).unwrap();
        // The AWS CLI names the file by the SHA-1 of the session's name.
        let cache = scratch.path(".aws/sso/cache");
        std::fs::create_dir_all(&cache).unwrap();
        let token = json!({ "accessToken": "token", "expiresAt": expires, "startUrl": "https://s.example.com/start" });
        std::fs::write(
            cache.join("a0f1490a20d0211c997b44bc357e1972deab8ae3.json"),
            token.to_string(),
        )
        .unwrap();
        let mut command = scratch.command(&fake, &["--profile", "central"]);
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env("AWS_CONFIG_FILE", scratch.path("config"));
        let ran = Ran::wait(command.spawn().unwrap());
        assert_eq!(ran.status, status, "{name}: {ran:?}");
        if status == Some(0) {
            let call = fake.calls().pop().unwrap();
            assert_eq!(call.key, "AKIDSSO");
        } else {
            assert!(last_line(&ran).contains(login), "{ran:?}");
            assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
            assert!(fake.calls().is_empty());
        }
        assert!(!ran.stderr.contains("secret"), "{ran:?}");
    }
}

#[test]
fn a_profile_that_is_named_comes_before_the_environments_credentials() {
    let scratch = Scratch::new("before");
    let fake = Fake::new(World::good());
    let config = "[profile central]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = x\n";
    std::fs::write(scratch.path("config"), config).unwrap();
    for (more, key) in [
        (&["--profile", "central"][..], "AKIDPROFILE"),
        (&[], "AKIDEXAMPLE"),
    ] {
        let before = fake.calls().len();
        let mut command = scratch.command(&fake, more);
        command.env("AWS_CONFIG_FILE", scratch.path("config"));
        let ran = Ran::wait(command.spawn().unwrap());
        assert_eq!(ran.status, Some(0), "{ran:?}");
        assert_eq!(fake.calls()[before].key, key);
    }
}

#[test]
fn a_refusal_is_one_line_with_the_thing_and_the_way_out() {
    let mut empty = World::good();
    empty.courses.clear();
    let mut no_database = World::good();
    no_database.tables = None;
    let mut no_tables = World::good();
    no_tables.tables = Some(vec!["something_else"]);
    let refused = |code, message| World::good().refusing("ListNamedQueries", 100, code, message);
    let rows = [
        (
            refused(
                "InvalidRequestException",
                "WorkGroup patch-workgroup is not found.",
            ),
            [
                "workgroup \"patch-workgroup\" in us-east-1",
                "is not found",
                "--workgroup",
            ],
        ),
        (
            refused("AccessDeniedException", "You are not authorized"),
            [
                "workgroup \"patch-workgroup\"",
                "You are not authorized",
                "athena:ListNamedQueries",
            ],
        ),
        (
            refused("ExpiredTokenException", "The token is expired"),
            [
                "workgroup \"patch-workgroup\"",
                "The token is expired",
                "aws sso login",
            ],
        ),
        (
            refused("UnrecognizedClientException", "The token is invalid"),
            [
                "workgroup \"patch-workgroup\"",
                "The token is invalid",
                "--profile",
            ],
        ),
        (
            empty,
            [
                "workgroup \"patch-workgroup\" in us-east-1",
                "no saved query",
                "--workgroup",
            ],
        ),
        (
            no_database,
            ["database \"db\"", "Glue Data Catalog", "--database"],
        ),
        (
            no_tables,
            [
                "database \"db\" in us-east-1",
                "aws_instanceinformation",
                "crawler",
            ],
        ),
    ];
    for (world, parts) in rows {
        let scratch = Scratch::new("refusal");
        let fake = Fake::new(world);
        std::fs::write(scratch.path("report.html"), "old").unwrap();
        let ran = scratch.run(&fake, &["--json", "report.json"]);
        assert_eq!(ran.status, Some(4), "{parts:?}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        for part in parts {
            assert!(ran.stderr.contains(part), "{part}: {ran:?}");
        }
        assert_eq!(ran.stdout, "");
        assert!(fake.subjects("StartQueryExecution").is_empty());
        assert_eq!(scratch.read("report.html"), "old");
        assert_eq!(scratch.names(), ["report.html"]);
    }
}

#[test]
fn each_service_may_have_an_endpoint_of_its_own() {
    let scratch = Scratch::new("endpoints");
    let (fake, s3) = (Fake::new(World::good()), Fake::new(World::good()));
    let mut command = scratch.command(&fake, &[]);
    command
        .env_remove("AWS_ENDPOINT_URL")
        .env("AWS_ENDPOINT_URL_ATHENA", fake.address())
        .env("AWS_ENDPOINT_URL_GLUE", fake.address())
        .env("AWS_ENDPOINT_URL_S3", s3.address());
    let ran = Ran::wait(command.spawn().unwrap());
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(fake.subjects("GET").is_empty());
    // The bucket stands in the path.
    let read = s3.subjects("GET");
    assert!(
        read.contains(&"/results/QueryNodes.csv".to_owned()),
        "{read:?}"
    );
}

#[test]
fn nobody_at_the_endpoint_is_one_line() {
    let scratch = Scratch::new("nobody");
    let fake = Fake::new(World::good());
    let mut command = scratch.command(&fake, &[]);
    // Nothing listens on port 1, and one attempt shows it as well as ten.
    command
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_MAX_ATTEMPTS", "1");
    let ran = Ran::wait(command.spawn().unwrap());
    assert_eq!(ran.status, Some(4), "{ran:?}");
    assert!(last_line(&ran).contains("AWS_ENDPOINT_URL"), "{ran:?}");
}

#[test]
fn a_proxy_is_used_where_the_environment_names_one() {
    let scratch = Scratch::new("proxy");
    let (fake, proxy) = (Fake::new(World::good()), Fake::new(World::good()));
    let mut command = scratch.command(&fake, &[]);
    command
        .env("AWS_ENDPOINT_URL", "http://aws.example.com")
        .env("HTTP_PROXY", proxy.address());
    let ran = Ran::wait(command.spawn().unwrap());
    assert!(proxy.subjects("ListNamedQueries").len() == 1, "{ran:?}");

    let mut command = scratch.command(&fake, &[]);
    command
        .env("HTTP_PROXY", proxy.address())
        .env("NO_PROXY", "127.0.0.1");
    let ran = Ran::wait(command.spawn().unwrap());
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(proxy.subjects("ListNamedQueries").len() == 1, "{ran:?}");
}

#[test]
fn tables_that_may_not_be_looked_at_are_no_hindrance() {
    let scratch = Scratch::new("glue");
    let world =
        World::good().refusing("GetTables", 1, "AccessDeniedException", "no glue:GetTables");
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("no glue:GetTables"), "{ran:?}");
}

#[test]
fn a_table_that_is_not_there_yet_is_named() {
    let scratch = Scratch::new("table");
    let mut world = World::good();
    world.tables = world.tables.map(|tables| tables[..1].to_vec());
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(
        ran.stderr.contains("aws_tag: queries on them will fail"),
        "{ran:?}"
    );
}

#[test]
fn if_no_query_succeeds_nothing_is_written() {
    let scratch = Scratch::new("no-results");
    let mut world = World::good();
    for course in world.courses.values_mut() {
        *course = Course::Ends("FAILED", "Insufficient permissions");
    }
    let fake = Fake::new(world);
    std::fs::write(scratch.path("report.html"), "old").unwrap();
    let ran = scratch.run(&fake, &[]);
    assert_eq!(ran.status, Some(4), "{ran:?}");
    assert!(
        last_line(&ran).contains("no query succeeded; QueryNodes: Insufficient permissions"),
        "{ran:?}"
    );
    assert_eq!(scratch.read("report.html"), "old");
    assert_eq!(scratch.names(), ["report.html"]);
}

#[test]
fn a_file_that_can_t_be_written_is_told_before_a_query_runs() {
    let scratch = Scratch::new("unwritable");
    std::fs::write(scratch.path("file"), "").unwrap();
    let fake = Fake::new(World::good());
    for more in [
        &["--json", "no/such/report.json"][..],
        &["--csv", "file"],
        &["--json", "."],
    ] {
        let ran = scratch.run(&fake, more);
        assert_eq!(ran.status, Some(4), "{ran:?}");
        assert!(
            last_line(&ran).contains(&format!("write {}: ", more[1])),
            "{ran:?}"
        );
    }
    assert!(fake.calls().is_empty());
    assert_eq!(scratch.names(), ["file"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_the_queries_and_changes_nothing() {
    for signal in ["-INT", "-TERM"] {
        let scratch = Scratch::new(signal);
        let mut world = World::good();
        for course in world.courses.values_mut() {
            *course = Course::Hangs;
        }
        let fake = Fake::new(world);
        std::fs::write(scratch.path("report.html"), "old").unwrap();
        // From then on the ids of all six are known.
        let ran = interrupted(&scratch, &fake, signal, "GetQueryExecution", 12);
        assert_eq!(ran.status, Some(130), "{ran:?}");
        assert_eq!(stopped(&fake), sorted(QUERIES));
        assert_eq!(scratch.read("report.html"), "old");
        assert_eq!(scratch.names(), ["csv", "report.html"]);
        assert_eq!(std::fs::read_dir(scratch.path("csv")).unwrap().count(), 0);
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_the_queries_whose_start_is_not_answered_yet() {
    let scratch = Scratch::new("start-interrupted");
    let mut world = World::good();
    world.silences.insert("StartQueryExecution", 6);
    let fake = Fake::new(world);
    let ran = interrupted(&scratch, &fake, "-INT", "StartQueryExecution", 6);
    assert_eq!(ran.status, Some(130), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    assert_eq!(stopped(&fake), sorted(QUERIES));
    assert_starts_are_the_same(&fake);
}

#[test]
fn a_query_that_is_too_late_is_stopped_also_if_its_start_is_not_answered() {
    let scratch = Scratch::new("start-late");
    let mut world = World::good();
    world.silences.insert("StartQueryExecution", 6);
    let fake = Fake::new(world);
    let ran = scratch.run(&fake, &["--timeout", "1"]);
    assert_eq!(ran.status, Some(4), "{ran:?}");
    assert_eq!(stopped(&fake), sorted(QUERIES));
    assert_starts_are_the_same(&fake);
}

/// Runs the command until so many calls of an operation came, and then sends it the signal.
#[cfg(unix)]
fn interrupted(scratch: &Scratch, fake: &Fake, signal: &str, operation: &str, calls: usize) -> Ran {
    let mut command = scratch.command(fake, &["--csv", "csv"]);
    let child = command.spawn().expect("it is built");
    let start = Instant::now();
    while fake.subjects(operation).len() < calls {
        assert!(start.elapsed() < Duration::from_mins(1), "no queries");
        thread::sleep(Duration::from_millis(10));
    }
    let killed = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(killed.is_ok_and(|killed| killed.success()));
    Ran::wait(child)
}

/// Each query was started twice with one token, and no other had it.
fn assert_starts_are_the_same(fake: &Fake) {
    let mut starts: Vec<_> = fake
        .calls()
        .into_iter()
        .filter(|call| call.operation == "StartQueryExecution")
        .map(|call| (call.token, call.subject))
        .collect();
    starts.sort();
    let (pairs, rest) = starts.as_chunks::<2>();
    assert!(
        rest.is_empty() && pairs.len() == QUERIES.len(),
        "{starts:?}"
    );
    for [one, other] in pairs {
        assert_eq!(one, other);
        assert!((32..=128).contains(&one.0.len()), "{one:?}");
    }
}

fn stopped(fake: &Fake) -> Vec<String> {
    let mut stopped = fake.subjects("StopQueryExecution");
    stopped.sort();
    stopped
}

fn sorted(mut names: [&'static str; 6]) -> [&'static str; 6] {
    names.sort_unstable();
    names
}
