//! A stand-in for the resource data syncs of one account and Region, strict where Systems Manager
//! is: names are unique, there is one sync of an organization, lists come in pages, deletions are
//! seen late, and `ListResourceDataSync` does not tell the data sharing type.

use std::sync::{Arc, Mutex};

use lambda_sdk::test_util::{FakeHttp, Reply, Sent};
use serde_json::{Map, Value, json};

/// Where CloudFormation waits for the answer.
pub(crate) const RESPONSE_HOST: &str = "response.example.com";

pub(crate) type Fault = Box<dyn FnMut(&str, &Value) -> Option<Reply> + Send>;

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
    /// Answers a call in place of the service if it wants to.
    pub(crate) fault: Fault,
    leaving: Vec<(u32, Value)>,
    page_size: usize,
}

#[derive(Clone)]
pub(crate) struct FakeSsm {
    pub(crate) http: FakeHttp,
    state: Arc<Mutex<State>>,
}

impl FakeSsm {
    pub(crate) fn new(syncs: impl IntoIterator<Item = Value>) -> Self {
        let state = Arc::new(Mutex::new(State {
            syncs: syncs.into_iter().collect(),
            new_status: json!({"LastStatus": "InProgress"}),
            lists_until_status: 0,
            lists_until_gone: 0,
            fault: Box::new(|_, _| None),
            leaving: Vec::new(),
            page_size: 1,
        }));
        let shared = Arc::clone(&state);
        Self {
            http: FakeHttp::new(move |sent| shared.lock().unwrap().reply(sent)),
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

    /// All that CloudFormation was sent.
    pub(crate) fn answers(&self) -> Vec<Value> {
        let sent = self.http.sent();
        sent.iter()
            .filter(|it| it.uri.contains(RESPONSE_HOST))
            .map(|it| serde_json::from_str(&it.body).unwrap())
            .collect()
    }
}

impl State {
    fn reply(&mut self, sent: &Sent) -> Reply {
        let Some(operation) = sent.operation() else {
            return Reply::ok("");
        };
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
        let mut existing = self
            .syncs
            .iter()
            .chain(self.leaving.iter().map(|(_, it)| it));
        if existing.any(|it| it["SyncName"] == input["SyncName"]) {
            // This error has no message.
            return Reply::status(
                400,
                r#"{"__type":"ResourceDataSyncAlreadyExistsException","SyncName":"x"}"#,
            );
        }
        if !self.syncs.is_empty() {
            let message = "Resource data sync count exceeded";
            return Reply::error(400, "ResourceDataSyncCountExceededException", message);
        }
        let mut sync = input.clone();
        for (name, value) in self.new_status.as_object().unwrap_or(&Map::new()) {
            sync[name] = value.clone();
        }
        self.syncs.push(sync);
        Reply::ok("{}")
    }

    fn list(&mut self, input: &Value) -> Reply {
        let first: usize = input["NextToken"].as_str().unwrap_or("0").parse().unwrap();
        if first == 0 {
            self.leaving.retain_mut(|(lists, _)| {
                *lists = lists.saturating_sub(1);
                *lists > 0
            });
        }
        let hide_status = first == 0 && self.lists_until_status > 0;
        self.lists_until_status -= u32::from(hide_status);
        let listed: Vec<Value> = self
            .syncs
            .iter()
            .chain(self.leaving.iter().map(|(_, it)| it))
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
                self.leaving.push((self.lists_until_gone + 1, sync));
                Reply::ok("{}")
            }
            None => Reply::error(400, "ResourceDataSyncNotFoundException", "Not found."),
        }
    }
}
