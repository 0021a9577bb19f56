//! Patch compliance of an organization as one self-contained HTML file, from the saved queries of an Athena workgroup.
//!
//! The tool finds the queries by their names, runs them side by side, and takes each result as it comes from its object in
//! S3 into columns: `GetQueryResults` would give a thousand rows at a time, one page after the other. What is written:
//!
//! - the page (`--out`), which opens from disk and asks nobody for anything: [`write_page`],
//! - a file of comma-separated values for each query that was run (`--csv`),
//! - all of it for a machine (`--json`): [`write_json`] has the schema.
//!
//! Everything that a query gives is untrusted: host names, tags and titles come from machines.
//!
//! [`Args`] is the command line, [`load_config`] the SDK's configuration by the conventions of all of AWS's tools, [`run`] the
//! work, and [`Outcome`] and [`Failure`] say how it ended and with which exit status.

mod aws;
mod catalog;
mod cli;
mod csv;
mod error;
mod first_paint;
mod intake;
mod json;
mod outcome;
mod outputs;
mod page;
mod parts;
mod progress;
mod queries;
mod replacement;
mod report;
mod results;
mod run;
mod strings;
mod summary;

pub use aws::{interrupted, load_config};
pub use cli::{Args, Percent};
pub use error::Failure;
pub use json::write_json;
pub use outcome::Outcome;
pub use page::write_page;
pub use progress::Progress;
pub use report::Report;
pub use run::run;
pub use summary::{QuerySummary, Status, Summary};
