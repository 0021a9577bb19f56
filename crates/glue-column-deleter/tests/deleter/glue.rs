//! A stand-in for a database of the data catalog: lists in pages of two, versions that are enforced, partitions, and
//! a writer who is faster.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lambda_sdk::test_util::{FakeHttp, Reply, Sent};
use serde_json::{Value, json};

use crate::support::{DATABASE, body};

const PAGE_SIZE: usize = 2;

/// What comes back instead of the service's answer, and whether the call got to the service.
pub(crate) type Network = Box<dyn FnMut() -> Option<(Reply, bool)> + Send>;

/// What is known to the service.
pub(crate) struct State {
    pub(crate) tables: Vec<Value>,
    /// The partitions by table.
    pub(crate) partitions: BTreeMap<String, Vec<Value>>,
    /// How often another writer comes first, by table: it adds a column.
    pub(crate) faster_writers: BTreeMap<&'static str, u32>,
    /// The error for a version that has moved; which one Glue gives, if any, is not documented.
    pub(crate) moved: &'static str,
    /// What happens to each call on its way.
    pub(crate) network: Network,
}

#[derive(Clone)]
pub(crate) struct FakeGlue {
    pub(crate) http: FakeHttp,
    state: Arc<Mutex<State>>,
}

impl FakeGlue {
    pub(crate) fn new(tables: impl IntoIterator<Item = Value>) -> Self {
        let state = Arc::new(Mutex::new(State {
            tables: tables.into_iter().collect(),
            partitions: BTreeMap::new(),
            faster_writers: BTreeMap::new(),
            moved: "ConcurrentModificationException",
            network: Box::new(|| None),
        }));
        let shared = Arc::clone(&state);
        Self {
            http: FakeHttp::new(move |sent| shared.lock().expect("no panic").reply(sent)),
            state,
        }
    }

    pub(crate) fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.state.lock().expect("no panic"));
        self
    }

    pub(crate) fn tables(&self) -> Vec<Value> {
        self.state.lock().expect("no panic").tables.clone()
    }

    pub(crate) fn table(&self, name: &str) -> Option<Value> {
        self.tables().into_iter().find(|it| it["Name"] == name)
    }

    pub(crate) fn partitions(&self, table: &str) -> Vec<Value> {
        let state = self.state.lock().expect("no panic");
        state.partitions.get(table).cloned().unwrap_or_default()
    }
}

impl State {
    fn reply(&mut self, sent: &Sent) -> Reply {
        match (self.network)() {
            Some((reply, false)) => reply,
            // What the service refuses does not become a success on its way.
            Some((reply, true)) => match (self.serve(sent), reply) {
                (refusal @ Reply::Response(400.., ..), Reply::Response(200, ..)) => refusal,
                (_, reply) => reply,
            },
            None => self.serve(sent),
        }
    }

    fn serve(&mut self, sent: &Sent) -> Reply {
        let input = body(sent);
        assert_eq!(input["DatabaseName"], DATABASE);
        match sent.operation() {
            Some("GetTables") => self.list(&input),
            Some("GetTable") => match self.find(&input["Name"]) {
                Some(table) => Reply::ok(json!({ "Table": table }).to_string()),
                None => Reply::error(400, "EntityNotFoundException", "Entity Not Found"),
            },
            Some("UpdateTable") => self.update(&input),
            Some("CreateTable") => self.create(&input),
            Some("GetPartitions") => self.list_partitions(&input),
            Some("BatchCreatePartition") => self.create_partitions(&input),
            other => panic!("{other:?} was called"),
        }
    }

    fn find(&mut self, name: &Value) -> Option<&mut Value> {
        self.tables.iter_mut().find(|it| it["Name"] == *name)
    }

    fn list(&self, input: &Value) -> Reply {
        page("TableList", &self.tables, input)
    }

    fn create(&mut self, input: &Value) -> Reply {
        let mut table = input["TableInput"].clone();
        if self.find(&table["Name"]).is_some() {
            return Reply::error(400, "AlreadyExistsException", "Table already exists.");
        }
        table["VersionId"] = "0".into();
        table["DatabaseName"] = DATABASE.into();
        self.tables.push(table);
        Reply::ok("{}")
    }

    fn list_partitions(&mut self, input: &Value) -> Reply {
        if self.find(&input["TableName"]).is_none() {
            return Reply::error(400, "EntityNotFoundException", "Table not found.");
        }
        let name = input["TableName"].as_str().expect("a string");
        let none = Vec::new();
        page(
            "Partitions",
            self.partitions.get(name).unwrap_or(&none),
            input,
        )
    }

    fn create_partitions(&mut self, input: &Value) -> Reply {
        if self.find(&input["TableName"]).is_none() {
            return Reply::error(400, "EntityNotFoundException", "Table not found.");
        }
        let name = input["TableName"].as_str().expect("a string").to_owned();
        let partitions = self.partitions.entry(name).or_default();
        let mut errors = Vec::new();
        let inputs = input["PartitionInputList"].as_array().expect("an array");
        assert!(inputs.len() <= 100, "Glue refuses {}", inputs.len());
        for input in inputs {
            if partitions.iter().any(|it| it["Values"] == input["Values"]) {
                errors.push(json!({
                    "PartitionValues": input["Values"],
                    "ErrorDetail": {
                        "ErrorCode": "AlreadyExistsException",
                        "ErrorMessage": "Partition already exists.",
                    },
                }));
            } else {
                partitions.push(input.clone());
            }
        }
        Reply::ok(json!({ "Errors": errors }).to_string())
    }

    fn update(&mut self, input: &Value) -> Reply {
        let name = &input["TableInput"]["Name"];
        let moved = self.moved;
        let mut writers = self.faster_writers.iter_mut();
        let writer = writers.find(|(table, left)| *name == ***table && **left > 0);
        let is_overtaken = writer.map(|(_, left)| *left -= 1).is_some();
        let Some(table) = self.find(name) else {
            return Reply::error(400, "EntityNotFoundException", "Entity Not Found");
        };
        if is_overtaken {
            let columns = table["StorageDescriptor"]["Columns"].as_array_mut();
            let column = json!({ "Name": "added_meanwhile", "Type": "string" });
            columns.expect("an array").push(column);
            count_version(table);
        }
        if input["VersionId"] != table["VersionId"] {
            return Reply::error(
                400,
                moved,
                "Update table failed due to concurrent modifications.",
            );
        }
        // A member that is not sent is lost.
        let mut replaced = input["TableInput"].clone();
        for member in ["DatabaseName", "CreateTime", "VersionId"] {
            replaced[member] = table[member].take();
        }
        *table = replaced;
        count_version(table);
        Reply::ok("{}")
    }
}

/// A page of a list, under the output's member of that name.
fn page(member: &str, all: &[Value], input: &Value) -> Reply {
    let first = input["NextToken"].as_str().unwrap_or("0");
    let first: usize = first.parse().expect("a token of ours");
    let page: Vec<_> = all.iter().skip(first).take(PAGE_SIZE).collect();
    let mut output = json!({ member: page });
    if first + PAGE_SIZE < all.len() {
        output["NextToken"] = (first + PAGE_SIZE).to_string().into();
    }
    Reply::ok(output.to_string())
}

fn count_version(table: &mut Value) {
    let version = table["VersionId"].as_str().expect("a string");
    let version: u32 = version.parse().expect("a number");
    table["VersionId"] = (version + 1).to_string().into();
}
