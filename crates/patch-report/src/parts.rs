//! What the single queries give, each as it came. The repository's docs/queries.md says what they mean.

use std::collections::HashMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::intake::{Part, Row, ValueError};
use crate::strings::Strings;

/// Account, Region and id of a node, as numbers of strings.
pub(crate) type NodeKey = [u32; 3];

/// Nodes by their keys, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct NodeKeys {
    pub(crate) keys: Vec<NodeKey>,
    numbers: HashMap<NodeKey, u32>,
}

impl NodeKeys {
    fn add(&mut self, key: NodeKey) -> u32 {
        *self.numbers.entry(key).or_insert_with(|| {
            self.keys.push(key);
            u32::try_from(self.keys.len() - 1).expect("fewer than four billion nodes")
        })
    }
}

/// `QueryNodes`.
#[derive(Debug, Default)]
pub(crate) struct NodesPart {
    pub(crate) strings: Strings,
    pub(crate) nodes: Vec<Node>,
}

/// One node. Fields of type `u32` are numbers of strings.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) key: NodeKey,
    pub(crate) name: u32,
    pub(crate) computer: u32,
    pub(crate) ip: u32,
    pub(crate) state: u32,
    pub(crate) platform: u32,
    pub(crate) os: u32,
    pub(crate) agent: u32,
    pub(crate) patch_group: u32,
    pub(crate) baseline: u32,
    pub(crate) severity: u32,
    pub(crate) status: Compliance,
    /// Seconds of Unix time; 0 if absent.
    pub(crate) last_scan: i64,
    pub(crate) last_seen: i64,
    pub(crate) stale: bool,
    /// -1 if not reported, as the three after it.
    pub(crate) missing: i64,
    pub(crate) failed: i64,
    pub(crate) pending_reboot: i64,
    pub(crate) rejected: i64,
    /// Keys and values in turn.
    pub(crate) tags: Vec<u32>,
}

/// A node's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compliance {
    Compliant = 0,
    NonCompliant = 1,
    NotScanned = 2,
}

impl Compliance {
    fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "COMPLIANT" => Ok(Self::Compliant),
            "NON_COMPLIANT" => Ok(Self::NonCompliant),
            "NOT_SCANNED" => Ok(Self::NotScanned),
            _ => Err(ValueError {
                column: "status",
                value: text.to_owned(),
            }),
        }
    }

    /// Systems Manager's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Compliant => "COMPLIANT",
            Self::NonCompliant => "NON_COMPLIANT",
            Self::NotScanned => "NOT_SCANNED",
        }
    }
}

impl Part for NodesPart {
    const QUERY: &'static str = "QueryNodes";
    const COLUMNS: &'static [&'static str] = &[
        "accountid",
        "region",
        "resourceid",
        "name",
        "computername",
        "ipaddress",
        "instancestatus",
        "platform",
        "platformname",
        "platformversion",
        "agentversion",
        "status",
        "lastscan",
        "stale",
        "patchgroup",
        "baselineid",
        "overallseverity",
        "missingcount",
        "failedcount",
        "installedpendingrebootcount",
        "installedrejectedcount",
        "lastseen",
        "tags",
    ];

    fn row(&mut self, row: &Row<'_>) -> Result<(), ValueError> {
        let [
            account,
            region,
            id,
            name,
            computer,
            ip,
            state,
            platform,
            platform_name,
            platform_version,
            agent,
            status,
            last_scan,
            is_stale,
            patch_group,
            baseline,
            severity,
            missing,
            failed,
            pending_reboot,
            rejected,
            last_seen,
            tags,
        ] = row.texts();
        let status = Compliance::parse(&status)?;
        let tags = self.tags(&tags)?;
        let os = format!("{platform_name} {platform_version}");
        let strings = &mut self.strings;
        self.nodes.push(Node {
            key: [
                strings.add(&account),
                strings.add(&region),
                strings.add(&id),
            ],
            name: strings.add(&name),
            computer: strings.add(&computer),
            ip: strings.add(&ip),
            state: strings.add(&state),
            platform: strings.add(&platform),
            os: strings.add(os.trim()),
            agent: strings.add(&agent),
            patch_group: strings.add(&patch_group),
            baseline: strings.add(&baseline),
            severity: strings.add(&severity),
            status,
            last_scan: seconds(&last_scan),
            last_seen: seconds(&last_seen),
            stale: is_stale == "true",
            missing: count(&missing),
            failed: count(&failed),
            pending_reboot: count(&pending_reboot),
            rejected: count(&rejected),
            tags,
        });
        Ok(())
    }
}

impl NodesPart {
    fn tags(&mut self, text: &str) -> Result<Vec<u32>, ValueError> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        // The map's order is not the text's; this one is the same every time.
        let tags: std::collections::BTreeMap<String, Option<String>> = serde_json::from_str(text)
            .map_err(|_| ValueError {
            column: "tags",
            value: text.to_owned(),
        })?;
        let strings = &mut self.strings;
        let pairs = tags.iter().flat_map(|(key, value)| {
            [
                strings.add(key),
                strings.add(value.as_deref().unwrap_or_default()),
            ]
        });
        Ok(pairs.collect())
    }
}

/// A time as the queries print it, in seconds of Unix time; 0 if it is absent or none.
fn seconds(text: &str) -> i64 {
    DateTime::from_str(text, Format::DateTime).map_or(0, |time| time.secs())
}

/// A number of a node's; -1 if it is absent or none.
fn count(text: &str) -> i64 {
    text.parse().ok().filter(|&count| count >= 0).unwrap_or(-1)
}

/// `QueryNonCompliantPatch`.
#[derive(Debug, Default)]
pub(crate) struct FindingsPart {
    pub(crate) strings: Strings,
    pub(crate) nodes: NodeKeys,
    /// Distinct patches: id, title, classification, the vendor's severity, the baseline's severity, CVE ids.
    pub(crate) patches: Vec<[u32; 6]>,
    pub(crate) findings: Vec<Finding>,
    numbers: HashMap<[u32; 6], u32>,
}

/// A patch that is not in order on a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding {
    /// Index into [`FindingsPart::nodes`].
    pub(crate) node: u32,
    /// Index into [`FindingsPart::patches`].
    pub(crate) patch: u32,
    /// Number of a string.
    pub(crate) state: u32,
}

impl Part for FindingsPart {
    const QUERY: &'static str = "QueryNonCompliantPatch";
    const COLUMNS: &'static [&'static str] = &[
        "accountid",
        "region",
        "resourceid",
        "patchstate",
        "id",
        "title",
        "classification",
        "patchseverity",
        "severity",
        "cveids",
    ];

    fn row(&mut self, row: &Row<'_>) -> Result<(), ValueError> {
        let [
            account,
            region,
            node,
            state,
            id,
            title,
            class,
            vendors,
            severity,
            cves,
        ] = row.texts();
        let strings = &mut self.strings;
        let key = [&account, &region, &node].map(|text| strings.add(text));
        let patch = [&id, &title, &class, &vendors, &severity, &cves].map(|text| strings.add(text));
        let patches = &mut self.patches;
        let number = *self.numbers.entry(patch).or_insert_with(|| {
            patches.push(patch);
            u32::try_from(patches.len() - 1).expect("fewer than four billion patches")
        });
        self.findings.push(Finding {
            node: self.nodes.add(key),
            patch: number,
            state: strings.add(&state),
        });
        Ok(())
    }
}

/// Nodes that a query names, of which nothing else is needed.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) strings: Strings,
    pub(crate) nodes: NodeKeys,
}

impl Named {
    const COLUMNS: &'static [&'static str] = &["accountid", "region", "resourceid"];

    fn row(&mut self, row: &Row<'_>) {
        let key = row.texts::<3>().map(|text| self.strings.add(&text));
        self.nodes.add(key);
    }
}

/// `QueryPendingReboot`.
#[derive(Debug, Default)]
pub(crate) struct WaitingPart(pub(crate) Named);

impl Part for WaitingPart {
    const QUERY: &'static str = "QueryPendingReboot";
    const COLUMNS: &'static [&'static str] = Named::COLUMNS;

    fn row(&mut self, row: &Row<'_>) -> Result<(), ValueError> {
        self.0.row(row);
        Ok(())
    }
}

/// `QueryAgentsBehind`.
#[derive(Debug, Default)]
pub(crate) struct BehindPart(pub(crate) Named);

impl Part for BehindPart {
    const QUERY: &'static str = "QueryAgentsBehind";
    const COLUMNS: &'static [&'static str] = Named::COLUMNS;

    fn row(&mut self, row: &Row<'_>) -> Result<(), ValueError> {
        self.0.row(row);
        Ok(())
    }
}

/// `QuerySilentAccounts`, in the query's order.
#[derive(Debug, Default)]
pub(crate) struct SilentPart {
    pub(crate) strings: Strings,
    /// Account and when it was last seen.
    pub(crate) texts: Vec<[u32; 2]>,
    /// Nodes and days.
    pub(crate) numbers: Vec<[i64; 2]>,
}

impl Part for SilentPart {
    const QUERY: &'static str = "QuerySilentAccounts";
    const COLUMNS: &'static [&'static str] = &["accountid", "lastseen", "nodes", "silentdays"];

    fn row(&mut self, row: &Row<'_>) -> Result<(), ValueError> {
        let [account, last_seen, nodes, days] = row.texts();
        self.texts
            .push([&account, &last_seen].map(|text| self.strings.add(text)));
        self.numbers.push([count(&nodes), count(&days)]);
        Ok(())
    }
}

/// `QueryNodesGone`, in the query's order.
#[derive(Debug, Default)]
pub(crate) struct GonePart {
    pub(crate) strings: Strings,
    /// Account, Region, id, the computer's name, state, and when it was last seen.
    pub(crate) texts: Vec<[u32; 6]>,
    pub(crate) days: Vec<i64>,
}

impl Part for GonePart {
    const QUERY: &'static str = "QueryNodesGone";
    const COLUMNS: &'static [&'static str] = &[
        "accountid",
        "region",
        "resourceid",
        "computername",
        "instancestatus",
        "lastseen",
        "goneagedays",
    ];

    fn row(&mut self, row: &Row<'_>) -> Result<(), ValueError> {
        let [account, region, id, name, state, last_seen, days] = row.texts();
        let texts = [&account, &region, &id, &name, &state, &last_seen];
        self.texts.push(texts.map(|text| self.strings.add(text)));
        self.days.push(count(&days));
        Ok(())
    }
}
