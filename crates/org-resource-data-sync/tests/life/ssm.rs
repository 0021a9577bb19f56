//! A stand-in for the resource data syncs of one account and Region, strict where Systems Manager
//! is: names are unique, there is one sync of an organization, lists come in pages, deletions are
//! seen late, and `ListResourceDataSync` does not tell the data sharing type.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use lambda_sdk::test_util::{FakeHttp, Reply, Sent};
use org_resource_data_sync::Handler;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// Where CloudFormation waits for the answer.
pub(crate) const RESPONSE_HOST: &str = "response.example.com";

/// The wall clock when a test begins, in seconds since 1970: 2026-01-15T12:00:00Z.
pub(crate) const NOON: u64 = 1_768_478_400;

/// How many syncs an account and Region can have.
const MAX_SYNCS: usize = 5;

pub(crate) type Fault = Box<dyn FnMut(&str, &Value) -> Option<Reply> + Send>;

/// What comes back instead of the service's answer, and whether the call got to the service.
pub(crate) type Network = Box<dyn FnMut(&str) -> Option<(Reply, bool)> + Send>;

/// What is known to the service.
pub(crate) struct State {
    /// Existing syncs as they were created, with `LastStatus` once there is one.
    pub(crate) syncs: Vec<Value>,
    /// What `LastStatus` (and `LastSyncStatusMessage`) a new sync gets.
    pub(crate) new_status: Value,
    /// How many lists are answered without the status of a new sync.
    pub(crate) lists_until_status: u32,
    /// How many lists a deleted sync still shows up in.
    pub(crate) lists_until_gone: u32,
    /// How many lists don't show a new sync yet.
    pub(crate) lists_until_shown: u32,
    /// Which error a second sync of the organization raises; not documented.
    pub(crate) second_of_organization: &'static str,
    /// Answers a call in place of the service if it wants to.
    pub(crate) fault: Fault,
    /// What happens to each call on its way.
    pub(crate) network: Network,
    /// What happens to each attempt to answer CloudFormation.
    pub(crate) delivery: Box<dyn FnMut() -> Option<Reply> + Send>,
    /// What an invocation has of time; as in the template of the member stack.
    pub(crate) time: Duration,
    /// What CloudFormation took.
    answers: Vec<Value>,
    leaving: Vec<Leaving>,
    /// How many syncs a list has at most.
    pub(crate) page_size: usize,
    start: Instant,
}

/// A deleted sync that is still listed.
struct Leaving {
    /// In how many lists, with the one that doesn't show it any more.
    lists: u32,
    /// Until when, at least.
    until: Instant,
    sync: Value,
}

#[derive(Clone)]
pub(crate) struct FakeSsm {
    pub(crate) http: FakeHttp,
    /// The function, which stays warm for a whole test.
    pub(crate) handler: Handler,
    state: Arc<Mutex<State>>,
}

impl FakeSsm {
    pub(crate) fn new(syncs: impl IntoIterator<Item = Value>) -> Self {
        let state = Arc::new(Mutex::new(State {
            syncs: syncs.into_iter().collect(),
            new_status: json!({"LastStatus": "InProgress"}),
            lists_until_status: 0,
            lists_until_gone: 0,
            lists_until_shown: 0,
            second_of_organization: "ResourceDataSyncCountExceededException",
            fault: Box::new(|_, _| None),
            network: Box::new(|_| None),
            delivery: Box::new(|| None),
            time: Duration::from_mins(10),
            answers: Vec::new(),
            leaving: Vec::new(),
            page_size: 1,
            start: Instant::now(),
        }));
        let shared = Arc::clone(&state);
        let http = FakeHttp::new(move |sent| shared.lock().unwrap().reply(sent));
        Self {
            handler: Handler::new(&http.sdk_config()),
            http,
            state,
        }
    }

    pub(crate) fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.state.lock().unwrap());
        self
    }

    /// Answers calls of `operation` with this error from the `first` on, `times` times.
    pub(crate) fn failing(
        self,
        operation: &'static str,
        error: Reply,
        first: u32,
        times: u32,
    ) -> Self {
        let mut seen = 0;
        self.with(|state| {
            state.fault = Box::new(move |called, _| {
                if called != operation {
                    return None;
                }
                seen += 1;
                (first..first.saturating_add(times))
                    .contains(&seen)
                    .then(|| error.clone())
            });
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let name = |sync: &Value| sync["SyncName"].as_str().unwrap().to_owned();
        state.syncs.iter().map(name).collect()
    }

    pub(crate) fn syncs(&self) -> Vec<Value> {
        self.state.lock().unwrap().syncs.clone()
    }

    /// The operations that change something, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        let sent = self.http.sent();
        let operations = sent.iter().filter_map(Sent::operation);
        operations
            .filter(|it| !it.starts_with("List"))
            .map(str::to_owned)
            .collect()
    }

    /// How often an operation was called.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        let sent = self.http.sent();
        sent.iter()
            .filter(|it| it.operation() == Some(operation))
            .count()
    }

    /// All that CloudFormation took.
    pub(crate) fn answers(&self) -> Vec<Value> {
        self.state.lock().unwrap().answers.clone()
    }

    /// What an invocation has of time.
    pub(crate) fn time(&self) -> Duration {
        self.state.lock().unwrap().time
    }

    /// The wall clock, which goes by tokio's.
    pub(crate) fn now(&self) -> SystemTime {
        self.state.lock().unwrap().now()
    }

    /// Ends all faults.
    pub(crate) fn repaired(self) -> Self {
        self.with(|state| {
            state.fault = Box::new(|_, _| None);
            state.network = Box::new(|_| None);
            state.delivery = Box::new(|| None);
        })
    }
}

impl State {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOON) + self.start.elapsed()
    }

    /// Deletes what is not deleted yet, and lists all of it for that long.
    pub(crate) fn vanish_in(&mut self, time: Duration) {
        let until = Instant::now() + time;
        let deleted = self.leaving.drain(..).map(|it| it.sync);
        let syncs: Vec<_> = deleted.chain(self.syncs.drain(..)).collect();
        self.leaving.extend(syncs.into_iter().map(|sync| Leaving {
            lists: 0,
            until,
            sync,
        }));
    }

    fn reply(&mut self, sent: &Sent) -> Reply {
        let Some(operation) = sent.operation() else {
            return self.take_answer(sent);
        };
        match (self.network)(operation) {
            Some((reply, is_carried_out)) => {
                if is_carried_out {
                    self.serve(operation, sent);
                }
                reply
            }
            None => self.serve(operation, sent),
        }
    }

    fn take_answer(&mut self, sent: &Sent) -> Reply {
        assert!(sent.uri.contains(RESPONSE_HOST), "{}", sent.uri);
        if let Some(reply) = (self.delivery)() {
            return reply;
        }
        assert!(sent.body.len() <= 4_096, "{}", sent.body);
        self.answers.push(serde_json::from_str(&sent.body).unwrap());
        Reply::ok("")
    }

    fn serve(&mut self, operation: &str, sent: &Sent) -> Reply {
        let input: Value = serde_json::from_str(&sent.body).unwrap();
        if let Some(reply) = (self.fault)(operation, &input) {
            return reply;
        }
        assert_eq!(input["SyncType"], "SyncToDestination");
        match operation {
            "CreateResourceDataSync" => self.create(&input),
            "ListResourceDataSync" => self.list(&input),
            "DeleteResourceDataSync" => self.delete(&input),
            other => panic!("{other} was called"),
        }
    }

    fn create(&mut self, input: &Value) -> Reply {
        let leaving = self.leaving.iter().map(|it| &it.sync);
        let existing: Vec<_> = self.syncs.iter().chain(leaving).collect();
        if existing
            .iter()
            .any(|it| it["SyncName"] == input["SyncName"])
        {
            // This error has no message.
            return Reply::status(
                400,
                r#"{"__type":"ResourceDataSyncAlreadyExistsException","SyncName":"x"}"#,
            );
        }
        if existing.iter().any(|it| is_of_organization(it)) {
            return Reply::error(400, self.second_of_organization, "Not another one");
        }
        if existing.len() >= MAX_SYNCS {
            let message = "Resource data sync count exceeded";
            return Reply::error(400, "ResourceDataSyncCountExceededException", message);
        }
        let mut sync = input.clone();
        let now = self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        sync["SyncCreatedTime"] = now.as_secs_f64().into();
        for (name, value) in self.new_status.as_object().unwrap_or(&Map::new()) {
            sync[name] = value.clone();
        }
        self.syncs.push(sync);
        Reply::ok("{}")
    }

    fn list(&mut self, input: &Value) -> Reply {
        let first: usize = input["NextToken"].as_str().unwrap_or("0").parse().unwrap();
        if first == 0 {
            let now = Instant::now();
            self.leaving.retain_mut(|it| {
                it.lists = it.lists.saturating_sub(1);
                it.lists > 0 || now < it.until
            });
        }
        let hide_all = first == 0 && self.lists_until_shown > 0;
        self.lists_until_shown -= u32::from(hide_all);
        if hide_all {
            return Reply::ok(r#"{"ResourceDataSyncItems":[]}"#);
        }
        let hide_status = first == 0 && self.lists_until_status > 0;
        self.lists_until_status -= u32::from(hide_status);
        let listed: Vec<Value> = self
            .syncs
            .iter()
            .chain(self.leaving.iter().map(|it| &it.sync))
            .map(|sync| {
                let mut item = sync.clone();
                let item_map = item.as_object_mut().unwrap();
                if self.lists_until_status > 0 || hide_status {
                    item_map.remove("LastStatus");
                }
                let destination = item_map["S3Destination"].as_object_mut().unwrap();
                destination.remove("DestinationDataSharing");
                item
            })
            .collect();
        let mut output = json!({});
        let page: Vec<_> = listed.iter().skip(first).take(self.page_size).collect();
        output["ResourceDataSyncItems"] = json!(page);
        if first + self.page_size < listed.len() {
            output["NextToken"] = (first + self.page_size).to_string().into();
        }
        Reply::ok(output.to_string())
    }

    fn delete(&mut self, input: &Value) -> Reply {
        let name = &input["SyncName"];
        if name.as_str().is_none_or(|name| name.len() > 64) {
            return Reply::error(
                400,
                "ValidationException",
                "Value at 'syncName' failed to satisfy constraint",
            );
        }
        match self.syncs.iter().position(|it| it["SyncName"] == *name) {
            Some(index) => {
                let sync = self.syncs.remove(index);
                self.leaving.push(Leaving {
                    lists: self.lists_until_gone + 1,
                    until: Instant::now(),
                    sync,
                });
                Reply::ok("{}")
            }
            None => Reply::error(400, "ResourceDataSyncNotFoundException", "Not found."),
        }
    }
}

fn is_of_organization(sync: &Value) -> bool {
    sync["S3Destination"]
        .get("DestinationDataSharing")
        .is_some()
}
