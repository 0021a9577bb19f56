//! The numbers at the top of the report, and what became of the queries.

use serde::Serialize;

/// What became of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// It is in the report.
    Succeeded,
    /// Athena could not run it, or its result could not be read.
    Failed,
    /// Somebody or a limit of the workgroup stopped it.
    Cancelled,
    /// It took longer than `--timeout`, and was stopped.
    TimedOut,
    /// The workgroup has no such query, or several.
    Missing,
}

impl Status {
    /// The word of the page and of the JSON file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::TimedOut => "TIMED_OUT",
            Self::Missing => "MISSING",
        }
    }
}

/// One query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuerySummary {
    /// The saved query's name.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// Why, in Athena's words where they are Athena's; none if it succeeded.
    pub reason: Option<String>,
    /// Rows of the result; none if it did not succeed.
    pub rows: Option<u64>,
    /// Bytes that Athena read, which is what it charges for.
    pub scanned_bytes: Option<i64>,
    /// How long Athena took, its queue included.
    pub seconds: Option<f64>,
}

/// The numbers. One that comes from a query that did not succeed is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Version of this structure and of the page's data: 1.
    pub version: u32,
    /// Version of the tool.
    pub tool: &'static str,
    /// When the report was made, as `2026-01-15T12:00:00Z`.
    pub made: String,
    /// The workgroup's name.
    pub workgroup: String,
    /// The Glue database's name.
    pub database: String,
    /// The workgroup's Region.
    pub region: String,
    /// The caller's account, if the credentials tell it.
    pub account: Option<String>,
    /// From how many days on a scan counts as stale, if the query's text tells it.
    pub stale_after_days: Option<u32>,
    /// Every query of the report.
    pub queries: Vec<QuerySummary>,
    /// Whether a query did not succeed.
    pub incomplete: bool,
    /// Nodes that are not terminated.
    pub nodes: Option<u64>,
    /// Those with the status `COMPLIANT`.
    pub compliant: Option<u64>,
    /// Those with the status `NON_COMPLIANT`.
    pub non_compliant: Option<u64>,
    /// Those with the status `NOT_SCANNED`.
    pub not_scanned: Option<u64>,
    /// Compliant nodes in percent of all, rounded half up to one digit; `None` without a node too.
    pub rate: Option<f64>,
    /// Nodes whose newest scan is stale.
    pub stale: Option<u64>,
    /// Nodes that wait for a reboot.
    pub pending_reboot: Option<u64>,
    /// Nodes whose agent is older than the fleet's newest.
    pub agents_behind: Option<u64>,
    /// Time of the newest last scan of any node.
    pub newest_scan: Option<String>,
    /// Time of the oldest last scan of any node.
    pub oldest_scan: Option<String>,
}

impl Summary {
    /// Of a report made then by these queries; nothing else is known yet.
    pub(crate) fn new(made: String, queries: Vec<QuerySummary>) -> Self {
        Self {
            version: 1,
            tool: env!("CARGO_PKG_VERSION"),
            made,
            workgroup: String::new(),
            database: String::new(),
            region: String::new(),
            account: None,
            stale_after_days: None,
            incomplete: queries
                .iter()
                .any(|query| query.status != Status::Succeeded),
            queries,
            nodes: None,
            compliant: None,
            non_compliant: None,
            not_scanned: None,
            rate: None,
            stale: None,
            pending_reboot: None,
            agents_behind: None,
            newest_scan: None,
            oldest_scan: None,
        }
    }

    /// The rate for a person, who must not read 100 % of a fleet that lacks a node, nor 0 % of one that has one; `None` if it is
    /// not known.
    pub(crate) fn rate_in_words(&self) -> Option<String> {
        let (rate, compliant, nodes) = (self.rate?, self.compliant?, self.nodes?);
        Some(if rate >= 100.0 && compliant < nodes {
            "over 99.9 %".to_owned()
        } else if rate <= 0.0 && compliant > 0 {
            "under 0.1 %".to_owned()
        } else {
            format!("{rate:.1} %")
        })
    }
}

/// Percent with one digit, rounded half up; `None` of nothing.
pub(crate) fn rate(compliant: u64, nodes: u64) -> Option<f64> {
    let tenths = (compliant * 2000 + nodes).checked_div(nodes * 2)?;
    #[expect(clippy::cast_precision_loss, reason = "at most 1000")]
    let tenths = tenths as f64;
    Some(tenths / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_rounded_half_up_to_one_digit() {
        for (compliant, nodes, expected) in [
            (0, 0, None),
            (0, 7, Some(0.0)),
            (7, 7, Some(100.0)),
            (1, 3, Some(33.3)),
            (2, 3, Some(66.7)),
            (1, 2000, Some(0.1)),
            (1, 2001, Some(0.0)),
            (1999, 2000, Some(100.0)),
            (31, 60, Some(51.7)),
        ] {
            assert_eq!(rate(compliant, nodes), expected, "{compliant} of {nodes}");
        }
    }

    #[test]
    fn a_rate_reads_as_all_or_none_only_if_it_is() {
        for (compliant, nodes, expected) in [
            (0, 0, None),
            (2000, 2000, Some("100.0 %")),
            (1999, 2000, Some("over 99.9 %")),
            (1998, 2000, Some("99.9 %")),
            (1, 2000, Some("0.1 %")),
            (1, 2001, Some("under 0.1 %")),
            (0, 2000, Some("0.0 %")),
        ] {
            let mut summary = Summary::new(String::new(), Vec::new());
            summary.nodes = Some(nodes);
            summary.compliant = Some(compliant);
            summary.rate = rate(compliant, nodes);
            let found = summary.rate_in_words();
            assert_eq!(found.as_deref(), expected, "{compliant} of {nodes}");
        }
    }

    #[test]
    fn a_rate_is_written_with_the_digits_that_it_has() {
        for (compliant, nodes, text) in [(31, 60, "51.7"), (1, 1, "100.0"), (0, 1, "0.0")] {
            assert_eq!(
                serde_json::to_string(&rate(compliant, nodes)).unwrap(),
                text
            );
        }
    }
}
