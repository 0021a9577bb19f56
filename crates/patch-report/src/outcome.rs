//! How it ended: the line for the user and the exit status.

use std::fmt;
use std::path::PathBuf;

use crate::cli::Percent;
use crate::summary::{Status, Summary};

/// The report is written.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(crate) out: PathBuf,
    pub(crate) summary: Summary,
    pub(crate) fail_under: Option<Percent>,
}

impl Outcome {
    /// The report's numbers.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Whether the compliance rate is known and below `--fail-under`. It is taken as it is, not as it is rounded. A fleet without
    /// a node has none that complies.
    #[must_use]
    pub fn is_below(&self) -> bool {
        let (Some(bound), Some(nodes), Some(compliant)) =
            (&self.fail_under, self.summary.nodes, self.summary.compliant)
        else {
            return false;
        };
        bound.is_more_than(compliant, nodes)
    }

    /// The command's exit status.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        if self.is_below() {
            1
        } else if self.summary.incomplete {
            3
        } else {
            0
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = &self.summary;
        write!(f, "{}: ", self.out.display())?;
        match (summary.nodes, summary.compliant, summary.non_compliant) {
            (Some(nodes), Some(compliant), Some(non_compliant)) => {
                write!(f, "{nodes} nodes, {compliant} compliant")?;
                if let Some(rate) = summary.rate_in_words() {
                    write!(f, " ({rate})")?;
                }
                let not_scanned = summary.not_scanned.unwrap_or_default();
                write!(
                    f,
                    ", {non_compliant} non-compliant, {not_scanned} not scanned"
                )?;
            }
            _ => write!(f, "the nodes are not known")?,
        }
        if summary.incomplete {
            let failed = summary
                .queries
                .iter()
                .filter(|query| query.status != Status::Succeeded);
            let names: Vec<_> = failed.map(|query| query.name).collect();
            write!(f, "; incomplete, without {}", names.join(", "))?;
        }
        if let Some(bound) = self.fail_under.as_ref().filter(|_| self.is_below()) {
            write!(f, "; the compliance rate is below {bound} %")?;
        }
        Ok(())
    }
}
