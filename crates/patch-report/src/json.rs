//! The report for a machine.

use std::io::{self, Write};

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::report::{Data, FindingColumns, NodeColumns, PatchColumns, Report, time_text};
use crate::summary::Summary;

/// Writes the report as one JSON object:
///
/// ```json
/// {
///   "summary": {
///     "version": 1, "tool": "0.1.0", "made": "2026-01-15T12:00:00Z",
///     "workgroup": "patch-workgroup", "database": "ssm_global_resource_sync",
///     "region": "us-east-1", "account": "111122223333", "staleAfterDays": 30,
///     "queries": [{"name": "QueryNodes", "status": "SUCCEEDED", "reason": null,
///                  "rows": 1, "scannedBytes": 1, "seconds": 1.2}],
///     "incomplete": false, "nodes": 1, "compliant": 0, "nonCompliant": 1, "notScanned": 0,
///     "rate": 0.0, "stale": 0, "pendingReboot": 0, "agentsBehind": 0,
///     "newestScan": "2026-01-15T06:00:00Z", "oldestScan": "2026-01-15T06:00:00Z"
///   },
///   "nodes": [{
///     "account": "111122223333", "region": "us-east-1", "id": "i-0123456789abcdef0",
///     "name": "web-1", "computer": "web-1.example.com", "ip": "10.0.0.1", "state": "Active",
///     "platform": "Linux", "os": "Amazon Linux 2023", "agent": "3.3.1611.0",
///     "status": "NON_COMPLIANT", "lastScan": "2026-01-15T06:00:00Z", "stale": false,
///     "patchGroup": "production", "baseline": "pb-0123456789abcdef0", "severity": "CRITICAL",
///     "missing": 1, "failed": 0, "pendingReboot": 0, "rejected": 0,
///     "behind": false, "waiting": false, "lastSeen": "2026-01-15T06:00:00Z",
///     "tags": {"Name": "web-1"},
///     "findings": [{"id": "kernel.x86_64", "title": "kernel.x86_64:0:6.1.1",
///                   "classification": "Security", "patchSeverity": "Important",
///                   "severity": "CRITICAL", "cves": ["CVE-2026-0001"], "state": "Missing"}]
///   }],
///   "others": [{"account": "…", "region": "…", "id": "…", "findings": []}],
///   "silentAccounts": [{"account": "…", "nodes": 1, "lastSeen": "…", "days": 40}],
///   "gone": [{"account": "…", "region": "…", "id": "…", "name": "…",
///             "state": "Terminated", "lastSeen": "…", "days": 12}]
/// }
/// ```
///
/// - A text, time or number that is not known is `null`. What comes from a query that did not succeed is `null`, whole: `nodes`,
///   `silentAccounts`, `gone`, the `findings` of every node, `behind`, `waiting`, and the summary's numbers. `status` of a query
///   is `SUCCEEDED`, `FAILED`, `CANCELLED`, `TIMED_OUT` or `MISSING`.
/// - `nodes` are in the order of account, Region and id, and their findings in that of the patches' ids and titles.
/// - `others` are nodes with findings that `QueryNodes` does not name; there is one only if that query did not succeed, or where
///   nothing but patches is known of a node.
/// - `version` of the summary changes when a member changes its meaning or goes. Members may be added.
///
/// # Errors
///
/// `out` can't be written to.
pub fn write_json(mut out: impl Write, report: &Report) -> io::Result<()> {
    serde_json::to_writer(&mut out, &Whole(report))?;
    out.write_all(b"\n")
}

struct Whole<'a>(&'a Report);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Report { summary, data } = self.0;
        let mut whole = serializer.serialize_struct("Report", 5)?;
        whole.serialize_field::<Summary>("summary", summary)?;
        let findings = Findings::all(data);
        let known = data.nodes.as_ref().map_or(0, |nodes| nodes.id.len());
        whole.serialize_field(
            "nodes",
            &data.nodes.as_ref().map(|nodes| Nodes {
                data,
                columns: nodes,
                findings: &findings,
            }),
        )?;
        whole.serialize_field("others", &others(data, &findings, known))?;
        whole.serialize_field("silentAccounts", &silent(data))?;
        whole.serialize_field("gone", &gone(data))?;
        whole.end()
    }
}

impl Data {
    /// The text; none if it is absent.
    fn text(&self, number: u32) -> Option<&str> {
        Some(self.strings.get(number)).filter(|text| !text.is_empty())
    }
}

/// A number; none if it is not known.
fn known(number: i64) -> Option<i64> {
    Some(number).filter(|&number| number >= 0)
}

struct Nodes<'a> {
    data: &'a Data,
    columns: &'a NodeColumns,
    findings: &'a [Option<Findings<'a>>],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    id: Option<&'a str>,
    name: Option<&'a str>,
    computer: Option<&'a str>,
    ip: Option<&'a str>,
    state: Option<&'a str>,
    platform: Option<&'a str>,
    os: Option<&'a str>,
    agent: Option<&'a str>,
    status: &'static str,
    last_scan: Option<String>,
    stale: bool,
    patch_group: Option<&'a str>,
    baseline: Option<&'a str>,
    severity: Option<&'a str>,
    missing: Option<i64>,
    failed: Option<i64>,
    pending_reboot: Option<i64>,
    rejected: Option<i64>,
    behind: Option<bool>,
    waiting: Option<bool>,
    last_seen: Option<String>,
    tags: Tags<'a>,
    findings: Option<&'a Findings<'a>>,
}

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            data,
            columns: nodes,
            findings,
        } = self;
        let mut rows = serializer.serialize_seq(Some(nodes.id.len()))?;
        let time = |seconds: i64| time_text(seconds).filter(|_| seconds != 0);
        let flag =
            |column: &Option<Vec<u8>>, at: usize| column.as_ref().map(|flags| flags[at] == 1);
        for at in 0..nodes.id.len() {
            rows.serialize_element(&Node {
                account: data.text(nodes.account[at]),
                region: data.text(nodes.region[at]),
                id: data.text(nodes.id[at]),
                name: data.text(nodes.name[at]),
                computer: data.text(nodes.computer[at]),
                ip: data.text(nodes.ip[at]),
                state: data.text(nodes.state[at]),
                platform: data.text(nodes.platform[at]),
                os: data.text(nodes.os[at]),
                agent: data.text(nodes.agent[at]),
                status: nodes.status[at].as_str(),
                last_scan: time(nodes.last_scan[at]),
                stale: nodes.stale[at] == 1,
                patch_group: data.text(nodes.patch_group[at]),
                baseline: data.text(nodes.baseline[at]),
                severity: data.text(nodes.severity[at]),
                missing: known(nodes.missing[at]),
                failed: known(nodes.failed[at]),
                pending_reboot: known(nodes.pending_reboot[at]),
                rejected: known(nodes.rejected[at]),
                behind: flag(&nodes.behind, at),
                waiting: flag(&nodes.waiting, at),
                last_seen: time(nodes.last_seen[at]),
                tags: Tags(data, &nodes.tags[at]),
                findings: findings.get(at).and_then(Option::as_ref),
            })?;
        }
        rows.end()
    }
}

struct Tags<'a>(&'a Data, &'a [u32]);

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |number: &u32| self.0.strings.get(*number);
        serializer.collect_map(
            self.1
                .chunks_exact(2)
                .map(|pair| (text(&pair[0]), text(&pair[1]))),
        )
    }
}

/// The findings of one node.
struct Findings<'a> {
    data: &'a Data,
    patches: &'a PatchColumns,
    patch: &'a [u32],
    state: &'a [u32],
}

impl<'a> Findings<'a> {
    /// Those of every node, then those of the others; nothing if the query failed.
    fn all(data: &'a Data) -> Vec<Option<Self>> {
        let (Some(findings), Some(patches)) = (&data.findings, &data.patches) else {
            return Vec::new();
        };
        let mut start = 0;
        let of_node = |&count: &u32| {
            let range = start..start + count as usize;
            start = range.end;
            Some(Self {
                data,
                patches,
                patch: &findings.patch[range.clone()],
                state: &findings.state[range],
            })
        };
        findings.count.iter().map(of_node).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    id: Option<&'a str>,
    title: Option<&'a str>,
    classification: Option<&'a str>,
    patch_severity: Option<&'a str>,
    severity: Option<&'a str>,
    cves: Vec<&'a str>,
    state: Option<&'a str>,
}

impl Serialize for Findings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { data, patches, .. } = self;
        let mut rows = serializer.serialize_seq(Some(self.patch.len()))?;
        let mut at = 0;
        for (difference, &state) in self.patch.iter().zip(self.state) {
            at += *difference as usize;
            let cves = data.strings.get(patches.cves[at]);
            rows.serialize_element(&Finding {
                id: data.text(patches.id[at]),
                title: data.text(patches.title[at]),
                classification: data.text(patches.classification[at]),
                patch_severity: data.text(patches.patch_severity[at]),
                severity: data.text(patches.severity[at]),
                cves: cves
                    .split(',')
                    .map(str::trim)
                    .filter(|cve| !cve.is_empty())
                    .collect(),
                state: data.text(state),
            })?;
        }
        rows.end()
    }
}

#[derive(Serialize)]
struct Other<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    id: Option<&'a str>,
    findings: Option<&'a Findings<'a>>,
}

fn others<'a>(
    data: &'a Data,
    findings: &'a [Option<Findings<'a>>],
    known: usize,
) -> Vec<Other<'a>> {
    let others = data
        .findings
        .as_ref()
        .map(|FindingColumns { others, .. }| others);
    let one = |(at, &id): (usize, &u32)| {
        let others = others?;
        Some(Other {
            account: data.text(others.account[at]),
            region: data.text(others.region[at]),
            id: data.text(id),
            findings: findings.get(known + at)?.as_ref(),
        })
    };
    others
        .into_iter()
        .flat_map(|others| others.id.iter().enumerate())
        .filter_map(one)
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Silent<'a> {
    account: Option<&'a str>,
    nodes: Option<i64>,
    last_seen: Option<&'a str>,
    days: Option<i64>,
}

fn silent(data: &Data) -> Option<Vec<Silent<'_>>> {
    let columns = data.silent_accounts.as_ref()?;
    let one = |at: usize| Silent {
        account: data.text(columns.account[at]),
        nodes: known(columns.nodes[at]),
        last_seen: data.text(columns.last_seen[at]),
        days: known(columns.days[at]),
    };
    Some((0..columns.account.len()).map(one).collect())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gone<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    id: Option<&'a str>,
    name: Option<&'a str>,
    state: Option<&'a str>,
    last_seen: Option<&'a str>,
    days: Option<i64>,
}

fn gone(data: &Data) -> Option<Vec<Gone<'_>>> {
    let columns = data.gone.as_ref()?;
    let one = |at: usize| Gone {
        account: data.text(columns.account[at]),
        region: data.text(columns.region[at]),
        id: data.text(columns.id[at]),
        name: data.text(columns.name[at]),
        state: data.text(columns.state[at]),
        last_seen: data.text(columns.last_seen[at]),
        days: known(columns.days[at]),
    };
    Some((0..columns.id.len()).map(one).collect())
}
