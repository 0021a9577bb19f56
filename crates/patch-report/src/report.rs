//! The report: the summary, and the data of all nodes in columns, in which every string stands once.

use std::collections::HashMap;

use serde::Serialize;

use crate::intake::Part;
use crate::parts::{
    BehindPart, Compliance, FindingsPart, GonePart, Named, NodeKey, NodesPart, SilentPart,
    WaitingPart,
};
use crate::strings::Strings;
use crate::summary::{Summary, rate};

/// All that is reported.
#[derive(Debug)]
pub struct Report {
    /// The numbers at the top.
    pub summary: Summary,
    pub(crate) data: Data,
}

/// The queries, in the report's order.
pub(crate) const QUERIES: [&str; 6] = [
    NodesPart::QUERY,
    FindingsPart::QUERY,
    WaitingPart::QUERY,
    BehindPart::QUERY,
    SilentPart::QUERY,
    GonePart::QUERY,
];

/// What the queries gave; `None` for one that did not succeed.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) nodes: Option<NodesPart>,
    pub(crate) findings: Option<FindingsPart>,
    pub(crate) waiting: Option<WaitingPart>,
    pub(crate) behind: Option<BehindPart>,
    pub(crate) silent: Option<SilentPart>,
    pub(crate) gone: Option<GonePart>,
}

/// The data as the page reads it. Numbers in columns of texts are indices into `strings`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Data {
    pub(crate) strings: Strings,
    pub(crate) nodes: Option<NodeColumns>,
    pub(crate) patches: Option<PatchColumns>,
    pub(crate) findings: Option<FindingColumns>,
    pub(crate) silent_accounts: Option<SilentColumns>,
    pub(crate) gone: Option<GoneColumns>,
}

/// One entry for each node, by account, Region and id.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeColumns {
    pub(crate) account: Vec<u32>,
    pub(crate) region: Vec<u32>,
    pub(crate) id: Vec<u32>,
    pub(crate) name: Vec<u32>,
    pub(crate) computer: Vec<u32>,
    pub(crate) ip: Vec<u32>,
    pub(crate) state: Vec<u32>,
    pub(crate) platform: Vec<u32>,
    pub(crate) os: Vec<u32>,
    pub(crate) agent: Vec<u32>,
    #[serde(serialize_with = "as_numbers")]
    pub(crate) status: Vec<Compliance>,
    pub(crate) last_scan: Vec<i64>,
    pub(crate) stale: Vec<u8>,
    pub(crate) patch_group: Vec<u32>,
    pub(crate) baseline: Vec<u32>,
    pub(crate) severity: Vec<u32>,
    pub(crate) missing: Vec<i64>,
    pub(crate) failed: Vec<i64>,
    pub(crate) pending_reboot: Vec<i64>,
    pub(crate) rejected: Vec<i64>,
    pub(crate) behind: Option<Vec<u8>>,
    pub(crate) waiting: Option<Vec<u8>>,
    pub(crate) last_seen: Vec<i64>,
    pub(crate) tags: Vec<Vec<u32>>,
}

fn as_numbers<S: serde::Serializer>(
    column: &[Compliance],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(column.iter().map(|&status| status as u8))
}

/// One entry for each distinct patch, by its texts.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PatchColumns {
    pub(crate) id: Vec<u32>,
    pub(crate) title: Vec<u32>,
    pub(crate) classification: Vec<u32>,
    pub(crate) patch_severity: Vec<u32>,
    pub(crate) severity: Vec<u32>,
    pub(crate) cves: Vec<u32>,
}

/// The findings of node after node.
#[derive(Debug, Default, Serialize)]
pub(crate) struct FindingColumns {
    /// How many each node has: those of [`NodeColumns`], then those of `others`.
    pub(crate) count: Vec<u32>,
    /// Index into the patches: the first of a node as it is, each other as the difference to the one before.
    pub(crate) patch: Vec<u32>,
    pub(crate) state: Vec<u32>,
    /// Nodes with findings that `QueryNodes` does not name: all of them if that query failed, and otherwise those of which
    /// nothing but their patches is known.
    #[serde(skip_serializing_if = "Others::is_empty")]
    pub(crate) others: Others,
}

/// See [`FindingColumns::others`].
#[derive(Debug, Default, Serialize)]
pub(crate) struct Others {
    pub(crate) account: Vec<u32>,
    pub(crate) region: Vec<u32>,
    pub(crate) id: Vec<u32>,
}

impl Others {
    fn is_empty(&self) -> bool {
        self.id.is_empty()
    }
}

/// One entry for each silent account.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SilentColumns {
    pub(crate) account: Vec<u32>,
    pub(crate) nodes: Vec<i64>,
    pub(crate) last_seen: Vec<u32>,
    pub(crate) days: Vec<i64>,
}

/// One entry for each node that is gone.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GoneColumns {
    pub(crate) account: Vec<u32>,
    pub(crate) region: Vec<u32>,
    pub(crate) id: Vec<u32>,
    pub(crate) name: Vec<u32>,
    pub(crate) state: Vec<u32>,
    pub(crate) last_seen: Vec<u32>,
    pub(crate) days: Vec<i64>,
}

impl Report {
    /// Joins the parts, and fills in the summary's numbers. The same parts always make the same data, in whatever order they
    /// came.
    pub(crate) fn new(mut summary: Summary, parts: Parts) -> Self {
        count(&mut summary, &parts);
        let mut data = Data::default();
        let strings = &mut data.strings;
        let mut places = Places::default();
        if let Some(part) = parts.nodes {
            let columns = nodes(strings, part);
            places = Places::of(&columns);
            data.nodes = Some(NodeColumns {
                waiting: parts.waiting.map(|part| flags(strings, &part.0, &places)),
                behind: parts.behind.map(|part| flags(strings, &part.0, &places)),
                ..columns
            });
        }
        if let Some(part) = parts.findings {
            let (patches, findings) = findings(strings, &part, &places);
            data.patches = Some(patches);
            data.findings = Some(findings);
        }
        data.silent_accounts = parts.silent.map(|part| silent(strings, &part));
        data.gone = parts.gone.map(|part| gone(strings, &part));
        Self { summary, data }
    }
}

/// Where the nodes that `QueryNodes` names stand.
#[derive(Debug, Default)]
struct Places {
    by_key: HashMap<NodeKey, usize>,
    nodes: usize,
}

impl Places {
    fn of(columns: &NodeColumns) -> Self {
        let nodes = columns.id.len();
        let key = |at| [columns.account[at], columns.region[at], columns.id[at]];
        Self {
            by_key: (0..nodes).map(|at| (key(at), at)).collect(),
            nodes,
        }
    }
}

fn count(summary: &mut Summary, parts: &Parts) {
    let length = |nodes: &Named| nodes.nodes.keys.len() as u64;
    summary.pending_reboot = parts.waiting.as_ref().map(|part| length(&part.0));
    summary.agents_behind = parts.behind.as_ref().map(|part| length(&part.0));
    let Some(NodesPart { nodes, .. }) = &parts.nodes else {
        return;
    };
    let with = |status| nodes.iter().filter(|node| node.status == status).count() as u64;
    let all = nodes.len() as u64;
    let compliant = with(Compliance::Compliant);
    summary.nodes = Some(all);
    summary.compliant = Some(compliant);
    summary.non_compliant = Some(with(Compliance::NonCompliant));
    summary.not_scanned = Some(with(Compliance::NotScanned));
    summary.rate = rate(compliant, all);
    summary.stale = Some(nodes.iter().filter(|node| node.stale).count() as u64);
    let scans = || {
        nodes
            .iter()
            .map(|node| node.last_scan)
            .filter(|&at| at != 0)
    };
    summary.newest_scan = scans().max().and_then(time_text);
    summary.oldest_scan = scans().min().and_then(time_text);
}

/// A time as the queries print it.
pub(crate) fn time_text(seconds: i64) -> Option<String> {
    use aws_smithy_types::{DateTime, date_time::Format};
    DateTime::from_secs(seconds).fmt(Format::DateTime).ok()
}

fn nodes(strings: &mut Strings, part: NodesPart) -> NodeColumns {
    let NodesPart {
        strings: theirs,
        mut nodes,
    } = part;
    nodes.sort_by(|a, b| {
        let texts = |key: NodeKey| key.map(|text| theirs.get(text));
        texts(a.key).cmp(&texts(b.key))
    });
    let mut columns = NodeColumns::default();
    for node in nodes {
        let mut take = |number| strings.take(&theirs, number);
        let [account, region, id] = node.key;
        columns.account.push(take(account));
        columns.region.push(take(region));
        columns.id.push(take(id));
        columns.name.push(take(node.name));
        columns.computer.push(take(node.computer));
        columns.ip.push(take(node.ip));
        columns.state.push(take(node.state));
        columns.platform.push(take(node.platform));
        columns.os.push(take(node.os));
        columns.agent.push(take(node.agent));
        columns.patch_group.push(take(node.patch_group));
        columns.baseline.push(take(node.baseline));
        columns.severity.push(take(node.severity));
        columns.tags.push(node.tags.into_iter().map(take).collect());
        columns.status.push(node.status);
        columns.last_scan.push(node.last_scan);
        columns.last_seen.push(node.last_seen);
        columns.stale.push(node.stale.into());
        columns.missing.push(node.missing);
        columns.failed.push(node.failed);
        columns.pending_reboot.push(node.pending_reboot);
        columns.rejected.push(node.rejected);
    }
    columns
}

/// For each node, whether the query names it.
fn flags(strings: &mut Strings, named: &Named, places: &Places) -> Vec<u8> {
    let mut flags = vec![0; places.nodes];
    for key in &named.nodes.keys {
        let key = key.map(|text| strings.take(&named.strings, text));
        if let Some(&at) = places.by_key.get(&key) {
            flags[at] = 1;
        }
    }
    flags
}

fn findings(
    strings: &mut Strings,
    part: &FindingsPart,
    places: &Places,
) -> (PatchColumns, FindingColumns) {
    let theirs = &part.strings;
    let mut columns = FindingColumns::default();

    // Where each node of the findings stands: behind those that are known if it is none of them.
    let keys = &part.nodes.keys;
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|&at| keys[at].map(|text| theirs.get(text)));
    let mut place = vec![0; keys.len()];
    for at in order {
        let key = keys[at].map(|text| strings.take(theirs, text));
        place[at] = places.by_key.get(&key).copied().unwrap_or_else(|| {
            columns.others.account.push(key[0]);
            columns.others.region.push(key[1]);
            columns.others.id.push(key[2]);
            places.nodes + columns.others.id.len() - 1
        });
    }

    let mut patches = PatchColumns::default();
    let mut order: Vec<usize> = (0..part.patches.len()).collect();
    order.sort_by_key(|&at| part.patches[at].map(|text| theirs.get(text)));
    let mut index = vec![0_u32; part.patches.len()];
    for (new, at) in order.into_iter().enumerate() {
        index[at] = u32::try_from(new).expect("as many as before");
        let [id, title, class, vendors, severity, cves] =
            part.patches[at].map(|text| strings.take(theirs, text));
        patches.id.push(id);
        patches.title.push(title);
        patches.classification.push(class);
        patches.patch_severity.push(vendors);
        patches.severity.push(severity);
        patches.cves.push(cves);
    }

    let mut rows: Vec<(usize, u32, u32)> = part
        .findings
        .iter()
        .map(|finding| {
            (
                place[finding.node as usize],
                index[finding.patch as usize],
                finding.state,
            )
        })
        .collect();
    rows.sort_unstable_by_key(|&(node, patch, state)| (node, patch, theirs.get(state)));
    columns.count = vec![0; places.nodes + columns.others.id.len()];
    let mut before = None;
    for (node, patch, state) in rows {
        let base = before
            .filter(|&(same, _)| same == node)
            .map_or(0, |(_, patch)| patch);
        columns.count[node] += 1;
        columns.patch.push(patch - base);
        columns.state.push(strings.take(theirs, state));
        before = Some((node, patch));
    }
    (patches, columns)
}

fn silent(strings: &mut Strings, part: &SilentPart) -> SilentColumns {
    let mut columns = SilentColumns::default();
    for (texts, &[nodes, days]) in part.texts.iter().zip(&part.numbers) {
        let [account, last_seen] = texts.map(|text| strings.take(&part.strings, text));
        columns.account.push(account);
        columns.last_seen.push(last_seen);
        columns.nodes.push(nodes);
        columns.days.push(days);
    }
    columns
}

fn gone(strings: &mut Strings, part: &GonePart) -> GoneColumns {
    let mut columns = GoneColumns::default();
    for (texts, &days) in part.texts.iter().zip(&part.days) {
        let [account, region, id, name, state, last_seen] =
            texts.map(|text| strings.take(&part.strings, text));
        columns.account.push(account);
        columns.region.push(region);
        columns.id.push(id);
        columns.name.push(name);
        columns.state.push(state);
        columns.last_seen.push(last_seen);
        columns.days.push(days);
    }
    columns
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::intake::tests::taken;
    use crate::summary::{QuerySummary, Status};

    pub(crate) const NODES: &str = "\
accountid,region,resourceid,name,computername,ipaddress,instancestatus,platform,platformname,platformversion,agentversion,\
status,lastscan,stale,patchgroup,baselineid,overallseverity,missingcount,failedcount,installedpendingrebootcount,\
installedrejectedcount,lastseen,tags\n";

    pub(crate) fn summary() -> Summary {
        let query = QuerySummary {
            name: "QueryNodes",
            status: Status::Succeeded,
            reason: None,
            rows: Some(3),
            scanned_bytes: Some(1),
            seconds: Some(1.2),
        };
        Summary {
            workgroup: "patch-workgroup".to_owned(),
            database: "db".to_owned(),
            region: "us-east-1".to_owned(),
            stale_after_days: Some(30),
            ..Summary::new("2026-01-15T12:00:00Z".to_owned(), vec![query])
        }
    }

    pub(crate) fn part<P: Part>(csv: &str) -> P {
        taken(csv.as_bytes(), 1000).unwrap()
    }

    fn three_nodes() -> NodesPart {
        part(&format!(
            "{NODES}\
             2,us-east-1,i-1,,,,,,,,,NOT_SCANNED,,false,,,,,,,,,\n\
             1,us-east-1,i-2,web,web.example.com,10.0.0.1,Active,Linux,Amazon Linux,2023,3.3.1,NON_COMPLIANT,\
             2026-01-15T06:00:00Z,true,prod,pb-1,CRITICAL,2,0,1,0,2026-01-15T07:00:00Z,\
             \"{{\"\"Name\"\":\"\"web\"\",\"\"Env\"\":null}}\"\n\
             1,us-east-1,i-1,,db,,Stopped,Windows,Windows,,3.3.0,COMPLIANT,\
             2026-01-10T06:00:00Z,false,,,,0,99999999999,x,-5,,\n"
        ))
    }

    fn parts() -> Parts {
        let who = "accountid,region,resourceid\n";
        Parts {
            nodes: Some(three_nodes()),
            findings: Some(part(
                "accountid,region,resourceid,patchstate,id,title,classification,patchseverity,severity,cveids\n\
                 1,us-east-1,i-2,Missing,b,B,Security,Important,HIGH,\"CVE-1,CVE-2\"\n\
                 1,us-east-1,i-2,Failed,a,A,,,LOW,\n\
                 0,us-east-1,i-9,Missing,b,B,Security,Important,HIGH,\"CVE-1,CVE-2\"\n",
            )),
            waiting: Some(part(&format!("{who}1,us-east-1,i-2\n0,us-east-1,i-9\n"))),
            behind: Some(part(&format!("{who}1,us-east-1,i-1\n"))),
            silent: Some(part(
                "accountid,nodes,lastseen,silentdays\n2,1,2025-11-01T00:00:00Z,75\n",
            )),
            gone: Some(part(
                "accountid,region,resourceid,computername,instancestatus,lastseen,goneagedays\n\
                 1,us-east-1,i-0,old,Terminated,2025-11-01T00:00:00Z,75\n",
            )),
        }
    }

    /// The data with every number of a string replaced by its text.
    fn readable(report: &Report) -> Value {
        const TEXTS: [&str; 19] = [
            "account",
            "region",
            "id",
            "name",
            "computer",
            "ip",
            "platform",
            "os",
            "agent",
            "patchGroup",
            "baseline",
            "severity",
            "title",
            "classification",
            "patchSeverity",
            "cves",
            "state",
            "tags",
            "lastSeen",
        ];
        fn walk(value: &mut Value, strings: &[Value], is_text: bool) {
            match value {
                Value::Array(all) => all.iter_mut().for_each(|one| walk(one, strings, is_text)),
                Value::Number(number) if is_text => {
                    let at = usize::try_from(number.as_u64().unwrap()).unwrap();
                    *value = strings[at].clone();
                }
                Value::Object(members) => {
                    for (name, member) in members {
                        walk(member, strings, TEXTS.contains(&name.as_str()));
                    }
                }
                _ => {}
            }
        }
        let mut data = serde_json::to_value(&report.data).unwrap();
        let strings = data["strings"].take();
        let strings = strings.as_array().unwrap();
        // Of nodes it is a number.
        let last_seen = data.pointer_mut("/nodes/lastSeen").map(Value::take);
        walk(&mut data, strings, false);
        if let Some(last_seen) = last_seen {
            data["nodes"]["lastSeen"] = last_seen;
        }
        data.as_object_mut().unwrap().remove("strings");
        data
    }

    #[test]
    fn the_data_is_in_columns() {
        let report = Report::new(summary(), parts());
        let expected = json!({
            "nodes": {
                "account": ["1", "1", "2"],
                "region": ["us-east-1", "us-east-1", "us-east-1"],
                "id": ["i-1", "i-2", "i-1"],
                "name": ["", "web", ""],
                "computer": ["db", "web.example.com", ""],
                "ip": ["", "10.0.0.1", ""],
                "state": ["Stopped", "Active", ""],
                "platform": ["Windows", "Linux", ""],
                "os": ["Windows", "Amazon Linux 2023", ""],
                "agent": ["3.3.0", "3.3.1", ""],
                "status": [0, 1, 2],
                "lastScan": [1_768_024_800, 1_768_456_800, 0],
                "stale": [0, 1, 0],
                "patchGroup": ["", "prod", ""],
                "baseline": ["", "pb-1", ""],
                "severity": ["", "CRITICAL", ""],
                "missing": [0, 2, -1],
                "failed": [99_999_999_999_i64, 0, -1],
                "pendingReboot": [-1, 1, -1],
                "rejected": [-1, 0, -1],
                "behind": [1, 0, 0],
                "waiting": [0, 1, 0],
                "lastSeen": [0, 1_768_460_400, 0],
                "tags": [[], ["Env", "", "Name", "web"], []],
            },
            "patches": {
                "id": ["a", "b"],
                "title": ["A", "B"],
                "classification": ["", "Security"],
                "patchSeverity": ["", "Important"],
                "severity": ["LOW", "HIGH"],
                "cves": ["", "CVE-1,CVE-2"],
            },
            "findings": {
                "count": [0, 2, 0, 1],
                "patch": [0, 1, 1],
                "state": ["Failed", "Missing", "Missing"],
                "others": { "account": ["0"], "region": ["us-east-1"], "id": ["i-9"] },
            },
            "silentAccounts": { "account": ["2"], "nodes": [1], "lastSeen": ["2025-11-01T00:00:00Z"], "days": [75] },
            "gone": {
                "account": ["1"], "region": ["us-east-1"], "id": ["i-0"], "name": ["old"], "state": ["Terminated"],
                "lastSeen": ["2025-11-01T00:00:00Z"], "days": [75],
            },
        });
        assert_eq!(readable(&report), expected);
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        fn made(reversed: bool) -> Value {
            let in_order = |rows: &str| {
                let (head, rows) = rows.split_once('\n').unwrap();
                let mut rows: Vec<_> = rows.lines().collect();
                if reversed {
                    rows.reverse();
                }
                format!("{head}\n{}\n", rows.join("\n"))
            };
            let nodes = format!(
                "{NODES}2,r,i-1,,,,,,,,,NOT_SCANNED,,false,,,,,,,,,\n1,r,i-2,,,,,,,,,COMPLIANT,,false,,,,,,,,,\n"
            );
            let findings = "accountid,region,resourceid,patchstate,id,title,classification,patchseverity,severity,cveids\n\
                1,r,i-2,Missing,b,B,,,,\n1,r,i-2,Failed,b,B,,,,\n1,r,i-2,Failed,a,A,,,,\n\
                0,r,i-9,Failed,b,B,,,,\n0,r,i-8,Failed,c,C,,,,\n2,r,i-1,Rejected,a,A,,,,\n";
            let parts = Parts {
                nodes: Some(part(&in_order(&nodes))),
                findings: Some(part(&in_order(findings))),
                ..Parts::default()
            };
            serde_json::to_value(Report::new(summary(), parts).data).unwrap()
        }
        assert_eq!(made(false), made(true));
    }

    #[test]
    fn every_string_stands_once_and_the_first_is_empty() {
        let report = Report::new(summary(), parts());
        let data = serde_json::to_value(&report.data).unwrap();
        let mut strings: Vec<_> = data["strings"].as_array().unwrap().iter().collect();
        assert_eq!(strings[0], "");
        let all = strings.len();
        strings.sort_by_key(ToString::to_string);
        strings.dedup();
        assert_eq!(strings.len(), all);
    }

    #[test]
    fn the_summary_counts() {
        let summary = Report::new(summary(), parts()).summary;
        assert_eq!(
            (
                summary.nodes,
                summary.compliant,
                summary.non_compliant,
                summary.not_scanned
            ),
            (Some(3), Some(1), Some(1), Some(1))
        );
        assert_eq!((summary.rate, summary.stale), (Some(33.3), Some(1)));
        assert_eq!(
            (summary.pending_reboot, summary.agents_behind),
            (Some(2), Some(1))
        );
        assert_eq!(summary.newest_scan.as_deref(), Some("2026-01-15T06:00:00Z"));
        assert_eq!(summary.oldest_scan.as_deref(), Some("2026-01-10T06:00:00Z"));
    }

    #[test]
    fn a_part_that_is_not_there_takes_nothing_else_with_it() {
        type Take = fn(&mut Parts);
        let whole = readable(&Report::new(summary(), parts()));
        let rows: [(&str, Take, &[&str]); 5] = [
            ("waiting", |parts| parts.waiting = None, &["/nodes/waiting"]),
            ("behind", |parts| parts.behind = None, &["/nodes/behind"]),
            ("silent", |parts| parts.silent = None, &["/silentAccounts"]),
            ("gone", |parts| parts.gone = None, &["/gone"]),
            (
                "findings",
                |parts| parts.findings = None,
                &["/patches", "/findings"],
            ),
        ];
        for (name, take, gone) in rows {
            let mut expected = whole.clone();
            for pointer in gone {
                *expected.pointer_mut(pointer).unwrap() = Value::Null;
            }
            let mut parts = parts();
            take(&mut parts);
            assert_eq!(readable(&Report::new(summary(), parts)), expected, "{name}");
        }
    }

    #[test]
    fn findings_name_their_nodes_if_nobody_else_does() {
        let mut parts = parts();
        parts.nodes = None;
        let report = Report::new(summary(), parts);
        let data = readable(&report);
        assert_eq!(data["nodes"], Value::Null);
        assert_eq!(data["findings"]["count"], json!([1, 2]));
        assert_eq!(data["findings"]["others"]["id"], json!(["i-9", "i-2"]));
        assert_eq!((report.summary.nodes, report.summary.rate), (None, None));
        assert_eq!(report.summary.pending_reboot, Some(2));
    }

    #[test]
    fn a_value_that_the_query_never_gives_is_named() {
        let row =
            |status: &str, tags: &str| format!("{NODES}1,r,i,,,,,,,,,{status},,,,,,,,,,,{tags}\n");
        for (csv, message) in [
            (row("FINE", ""), "row 1 of the result: status is \"FINE\""),
            (
                row("COMPLIANT", "[1]"),
                "row 1 of the result: tags is \"[1]\"",
            ),
        ] {
            let error = taken::<NodesPart>(csv.as_bytes(), 1000).expect_err(message);
            assert_eq!(error.to_string(), message);
        }
    }
}
