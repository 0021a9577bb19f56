//! Athena, Glue and S3 as far as the tool asks them, over HTTP on this machine.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on may as well say so"
)]

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) const QUERIES: [&str; 6] = [
    "QueryNodes",
    "QueryNonCompliantPatch",
    "QueryPendingReboot",
    "QueryAgentsBehind",
    "QuerySilentAccounts",
    "QueryNodesGone",
];

/// How many saved queries Athena lists and gives at a time.
const MOST: usize = 50;

/// How a query goes.
#[derive(Clone, Debug)]
pub(crate) enum Course {
    /// It ends after so many looks at it, with this result in S3.
    Result(u32, String),
    /// As before, but Athena keeps the result.
    Managed(String),
    /// It ends as FAILED or CANCELLED with this reason.
    Ends(&'static str, &'static str),
    /// Its result is there, and S3 refuses it.
    Denied,
    /// It never ends.
    Hangs,
}

/// What the other side does.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) courses: BTreeMap<&'static str, Course>,
    pub(crate) tables: Option<Vec<&'static str>>,
    /// So many calls of an operation are refused with this error first.
    pub(crate) refusals: BTreeMap<&'static str, (u32, &'static str, &'static str)>,
    /// So many calls of an operation are done first, and nobody ever hears of it.
    pub(crate) silences: BTreeMap<&'static str, u32>,
    /// The object of a result comes in pieces of so many bytes, and breaks off after each if so.
    pub(crate) piece: usize,
    pub(crate) breaks: bool,
    /// So many other queries are saved too.
    pub(crate) others: usize,
    /// A copy of these queries with another text is saved too.
    pub(crate) twice: Vec<&'static str>,
    /// Athena lists this query and does not give it.
    pub(crate) withheld: Option<&'static str>,
}

impl World {
    /// Three nodes, of which one is compliant.
    pub(crate) fn good() -> Self {
        let who = "\"accountid\",\"region\",\"resourceid\"\n";
        let nodes = "\
\"accountid\",\"region\",\"resourceid\",\"name\",\"computername\",\"ipaddress\",\"instancestatus\",\"platform\",\
\"platformname\",\"platformversion\",\"agentversion\",\"status\",\"lastscan\",\"scanagedays\",\"stale\",\"patchgroup\",\
\"baselineid\",\"overallseverity\",\"missingcount\",\"failedcount\",\"installedpendingrebootcount\",\
\"installedrejectedcount\",\"lastseen\",\"tags\"\n\
\"111122223333\",\"us-east-1\",\"i-1\",\"web\",\"=cmd|'/C calc'!A0\",,\"Active\",\"Linux\",\"Amazon Linux\",\"2023\",\"3.3.1\",\
\"NON_COMPLIANT\",\"2026-01-15T06:00:00Z\",\"-1\",\"false\",,,,\"1\",\"0\",\"0\",\"0\",\"2026-01-15T07:00:00Z\",\
\"{\"\"Name\"\":\"\"web\"\"}\"\n\
\"111122223333\",\"us-east-1\",\"i-2\",,,,,,,,,\"COMPLIANT\",\"2026-01-15T05:00:00Z\",\"0\",\"false\",,,,\"0\",\"0\",\"0\",\"0\",,\n\
\"111122223333\",\"us-east-1\",\"i-3\",,,,,,,,,\"NOT_SCANNED\",,,\"false\",,,,,,,,,\n";
        let findings = "\
\"accountid\",\"region\",\"resourceid\",\"status\",\"patchstate\",\"id\",\"title\",\"classification\",\"patchseverity\",\
\"severity\",\"cveids\"\n\
\"111122223333\",\"us-east-1\",\"i-1\",\"NON_COMPLIANT\",\"Missing\",\"kernel\",\"kernel:6\",\"Security\",\"Important\",\
\"CRITICAL\",\"CVE-2026-1,CVE-2026-2\"\n";
        let results = [
            nodes.to_owned(),
            findings.to_owned(),
            who.to_owned(),
            format!("{who}\"111122223333\",\"us-east-1\",\"i-2\"\n"),
            "\"accountid\",\"nodes\",\"lastseen\",\"silentdays\"\n".to_owned(),
            "\"accountid\",\"region\",\"resourceid\",\"computername\",\"instancestatus\",\"lastseen\",\"goneagedays\"\n"
                .to_owned(),
        ];
        let courses = QUERIES
            .into_iter()
            .zip(results)
            .map(|(name, result)| (name, Course::Result(1, result)));
        Self {
            courses: courses.collect(),
            tables: Some(vec![
                "aws_instanceinformation",
                "aws_compliancesummary",
                "aws_complianceitem",
                "aws_patchsummary",
                "aws_instancedetailedinformation",
                "aws_tag",
            ]),
            refusals: BTreeMap::new(),
            silences: BTreeMap::new(),
            piece: 64,
            breaks: false,
            others: 0,
            twice: Vec::new(),
            withheld: None,
        }
    }

    pub(crate) fn with(mut self, query: &'static str, course: Course) -> Self {
        self.courses.insert(query, course);
        self
    }

    pub(crate) fn refusing(
        mut self,
        operation: &'static str,
        times: u32,
        code: &'static str,
        message: &'static str,
    ) -> Self {
        self.refusals.insert(operation, (times, code, message));
        self
    }

    /// A page of the ids of all queries.
    fn listed(&self, body: &Value) -> (u16, Value) {
        let others = (0..self.others).map(|number| format!("Other{number}"));
        let ours = self.courses.keys().chain(&self.twice);
        let ids: Vec<_> = others.chain(ours.map(ToString::to_string)).collect();
        let start: usize = body["NextToken"]
            .as_str()
            .map_or(0, |token| token.parse().unwrap());
        let token = (ids.len() > start + MOST).then(|| (start + MOST).to_string());
        let page: Vec<_> = ids.iter().skip(start).take(MOST).collect();
        (200, json!({ "NamedQueryIds": page, "NextToken": token }))
    }

    /// The queries with these ids.
    fn given(&self, body: &Value) -> (u16, Value) {
        if body["NamedQueryIds"]
            .as_array()
            .is_none_or(|ids| ids.len() > MOST)
        {
            return (
                400,
                json!({ "__type": "InvalidRequestException", "message": "too many" }),
            );
        }
        let mut seen = Vec::new();
        let query = |id: &Value| {
            let sql = format!(
                "{} {}",
                id.as_str().unwrap(),
                seen.iter().filter(|&it| it == id).count()
            );
            seen.push(id.clone());
            json!({ "Name": id, "Database": "db", "QueryString": sql, "NamedQueryId": id })
        };
        let (withheld, given): (Vec<_>, Vec<_>) = body["NamedQueryIds"]
            .as_array()
            .unwrap()
            .iter()
            .partition(|id| self.withheld == id.as_str());
        let queries: Vec<_> = given.into_iter().map(query).collect();
        let unprocessed: Vec<_> = withheld
                    .into_iter()
                    .map(|id| json!({ "NamedQueryId": id, "ErrorCode": "INTERNAL_FAILURE", "ErrorMessage": "try later" }))
                    .collect();
        (
            200,
            json!({ "NamedQueries": queries, "UnprocessedNamedQueryIds": unprocessed }),
        )
    }
}

/// A request: an operation of Athena or Glue, or a method of S3, and what it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) subject: String,
    pub(crate) range: Option<String>,
    /// Of which version of the object.
    pub(crate) if_match: Option<String>,
    /// The caller's access key.
    pub(crate) key: String,
    /// What makes a start unlike any other.
    pub(crate) token: String,
}

/// The other side, until it is dropped.
pub(crate) struct Fake {
    address: String,
    state: Arc<Mutex<State>>,
}

struct State {
    world: World,
    looks: HashMap<String, u32>,
    calls: Vec<Call>,
}

impl Fake {
    pub(crate) fn new(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            world,
            looks: HashMap::new(),
            calls: Vec::new(),
        }));
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// All requests so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.clone()
    }

    /// What requests of this operation were about.
    pub(crate) fn subjects(&self, operation: &str) -> Vec<String> {
        let calls = self.calls().into_iter();
        calls
            .filter(|call| call.operation == operation)
            .map(|call| call.subject)
            .collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
                None => break,
            };
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let key = headers
            .get("authorization")
            .and_then(|signed| signed.split_once("Credential="))
            .and_then(|(_, signed)| signed.split('/').next())
            .unwrap_or_default()
            .to_owned();
        if path.starts_with("/federation/credentials") {
            let role = json!({ "roleCredentials": {
                "accessKeyId": "AKIDSSO", "secretAccessKey": "secret", "sessionToken": "secret",
                "expiration": 32_472_144_000_000_i64,
            } });
            let role = role.to_string();
            write!(
                writer,
                "HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{role}",
                role.len()
            )?;
            continue;
        }
        let Some(target) = headers.get("x-amz-target") else {
            get_object(&mut writer, state, &method, &path, &key, &headers)?;
            continue;
        };
        let operation = target.split('.').nth(1).unwrap().to_owned();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let (status, answer) = lock(state).answer(&operation, &body, &key);
        if lock(state).is_silent(&operation) {
            // Until the other side hangs up.
            return reader.read_line(&mut String::new()).map(drop);
        }
        let answer = answer.to_string();
        write!(
            writer,
            "HTTP/1.1 {status} x\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
    }
}

impl State {
    fn is_silent(&mut self, operation: &str) -> bool {
        match self.world.silences.get_mut(operation) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }

    fn answer(&mut self, operation: &str, body: &Value, key: &str) -> (u16, Value) {
        let subject = [
            "QueryString",
            "QueryExecutionId",
            "WorkGroup",
            "DatabaseName",
        ]
        .iter()
        .find_map(|name| body[name].as_str())
        .unwrap_or_default();
        self.calls.push(Call {
            operation: operation.to_owned(),
            subject: subject.to_owned(),
            range: None,
            if_match: None,
            key: key.to_owned(),
            token: body["ClientRequestToken"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        });
        if let Some((times, code, message)) = self.world.refusals.get_mut(operation)
            && *times > 0
        {
            *times -= 1;
            return (400, json!({ "__type": code, "message": message }));
        }
        let world = &self.world;
        match operation {
            "ListNamedQueries" => world.listed(body),
            "BatchGetNamedQuery" => world.given(body),
            "GetTables" => match &world.tables {
                Some(tables) => {
                    let tables: Vec<_> =
                        tables.iter().map(|name| json!({ "Name": name })).collect();
                    (200, json!({ "TableList": tables }))
                }
                None => (
                    400,
                    json!({ "__type": "EntityNotFoundException", "Message": "Database db not found." }),
                ),
            },
            "StartQueryExecution" => {
                let id = subject.split_whitespace().next();
                (200, json!({ "QueryExecutionId": id }))
            }
            "GetQueryExecution" => {
                let looks = self.looks.entry(subject.to_owned()).or_default();
                *looks += 1;
                (
                    200,
                    json!({ "QueryExecution": execution(&world.courses[subject], subject, *looks) }),
                )
            }
            "GetQueryResults" => {
                let Course::Managed(result) = &world.courses[subject] else {
                    return (
                        400,
                        json!({ "__type": "InvalidRequestException", "message": "not managed" }),
                    );
                };
                let start: usize = body["NextToken"]
                    .as_str()
                    .map_or(0, |token| token.parse().unwrap());
                let rows: Vec<_> = result.lines().skip(start).take(2).map(row).collect();
                let more = result.lines().count() > start + 2;
                let token = more.then(|| (start + 2).to_string());
                (
                    200,
                    json!({ "ResultSet": { "Rows": rows }, "NextToken": token }),
                )
            }
            _ => (200, json!({})),
        }
    }
}

/// Without commas in the values.
fn row(line: &str) -> Value {
    let datum = |value: &str| match value.trim_matches('"') {
        "" => json!({}),
        value => json!({ "VarCharValue": value.replace("\"\"", "\"") }),
    };
    json!({ "Data": line.split(',').map(datum).collect::<Vec<_>>() })
}

fn execution(course: &Course, id: &str, looks: u32) -> Value {
    let running = json!({ "Status": { "State": "RUNNING" } });
    let statistics = json!({ "DataScannedInBytes": 1_500_000, "TotalExecutionTimeInMillis": 1200 });
    match course {
        Course::Result(after, _) if looks < *after => running,
        Course::Result(..) | Course::Denied => json!({
            "Status": { "State": "SUCCEEDED" },
            "Statistics": statistics,
            "ResultConfiguration": { "OutputLocation": format!("s3://results/{id}.csv") },
        }),
        Course::Managed(_) => json!({
            "Status": { "State": "SUCCEEDED" },
            "Statistics": statistics,
            "ManagedQueryResultsConfiguration": { "Enabled": true },
        }),
        Course::Ends(state, reason) => json!({
            "Status": { "State": state, "StateChangeReason": reason },
            "Statistics": statistics,
        }),
        Course::Hangs => running,
    }
}

/// The object of a result, in pieces.
fn get_object(
    writer: &mut TcpStream,
    state: &Mutex<State>,
    method: &str,
    path: &str,
    key: &str,
    headers: &HashMap<String, String>,
) -> io::Result<()> {
    let range = headers.get("range");
    // A proxy gets the whole address.
    let path = path.trim_start_matches("http://aws.example.com");
    let path = path.split('?').next().unwrap_or_default();
    let (content, piece, breaks) = {
        let mut state = lock(state);
        state.calls.push(Call {
            operation: method.to_owned(),
            subject: path.to_owned(),
            range: range.cloned(),
            if_match: headers.get("if-match").cloned(),
            key: key.to_owned(),
            token: String::new(),
        });
        let name = path
            .trim_start_matches("/results/")
            .trim_end_matches(".csv");
        let content = match state.world.courses.get(name) {
            Some(Course::Result(_, content)) => Some(content.clone().into_bytes()),
            _ => None,
        };
        (content, state.world.piece, state.world.breaks)
    };
    let Some(content) = content else {
        let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        return write!(
            writer,
            "HTTP/1.1 403 x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
    };
    let start = range.map_or(0, |range| {
        range
            .trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .unwrap()
    });
    let rest = &content[start..];
    let status = if range.is_some() { 206 } else { 200 };
    write!(
        writer,
        "HTTP/1.1 {status} x\r\netag: \"one\"\r\ncontent-length: {}\r\n\r\n",
        rest.len()
    )?;
    for some in rest.chunks(piece) {
        writer.write_all(some)?;
        writer.flush()?;
        if breaks && some.len() < rest.len() {
            writer.shutdown(std::net::Shutdown::Both)?;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A directory of its own for a test, which ends with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("patch-report-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The command with these arguments and the caller's environment, which has credentials and a Region.
    pub(crate) fn command(&self, fake: &Fake, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patch-report"));
        command
            .current_dir(&self.0)
            .env_clear()
            .env("HOME", &self.0)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", &fake.address)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .args(["--workgroup", "patch-workgroup", "--out", "report.html"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, fake: &Fake, more: &[&str]) -> Ran {
        Ran::of(&self.command(fake, more).output().unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How the command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    pub(crate) fn wait(child: Child) -> Self {
        Self::of(&child.wait_with_output().unwrap())
    }
}
