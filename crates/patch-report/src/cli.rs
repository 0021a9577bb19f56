//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;

const EXIT_STATUSES: &str = "\
Exit status:
  0  all is well
  1  the compliance rate is below --fail-under (incomplete or not)
  2  the command line is wrong
  3  the report is written, and a query failed: it is incomplete
  4  nothing could be reported, and no file was changed; the last line says why
  130  interrupted; no file was changed, and the queries were stopped

Credentials, Region and endpoints come from where every AWS tool takes them: environment, profile, IAM Identity Center, the
machine's role; HTTPS_PROXY and NO_PROXY count. The caller needs what running the saved queries needs, and
athena:ListNamedQueries, BatchGetNamedQuery, StartQueryExecution, GetQueryExecution and StopQueryExecution on the workgroup,
and s3:GetObject on its results, or athena:GetQueryResults where Athena manages them.";

/// Writes the patch compliance of an organization into one self-contained HTML file.
///
/// Runs the saved queries of the reporting stack's Athena workgroup, side by side, and puts their results into a page that
/// opens from disk, needs no server and asks nobody for anything.
#[derive(Clone, Debug, Parser)]
#[command(name = "patch-report", version, after_help = EXIT_STATUSES)]
pub struct Args {
    /// Athena workgroup that has the saved queries; the reporting stack tells it in its outputs
    #[arg(long, value_name = "NAME")]
    pub workgroup: String,

    /// Glue database that the queries read; without it the one that each query was saved for
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,

    /// AWS Region of the workgroup; without it the profile's or the environment's
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Profile of the AWS configuration files
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// The HTML file to write; one that is there is replaced as a whole, and keeps its permissions
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// Directory that gets one CSV file for each query; it is made if it is not there. A query that fails leaves
    /// its file as it was
    #[arg(long, value_name = "DIR")]
    pub csv: Option<PathBuf>,

    /// JSON file to write, with the summary and the nodes with their findings
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Exit with 1 if the compliance rate, unrounded, is below this; 0 to 100
    #[arg(long, value_name = "PERCENT")]
    pub fail_under: Option<Percent>,

    /// Seconds that a query may take, with waiting in Athena's queue and reading its result; one that takes longer is stopped
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = seconds)]
    pub timeout: Duration,
}

/// A number from 0 to 100, as exactly as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Percent {
    text: String,
    /// The number times ten to the power of [`DIGITS`].
    units: u64,
}

/// Digits behind the point that count.
const DIGITS: usize = 9;
const HUNDRED: u64 = 100_000_000_000;

impl Percent {
    /// Whether `part` of `all` is less, without any rounding. Of nothing it is, unless this is 0.
    pub(crate) fn is_more_than(&self, part: u64, all: u64) -> bool {
        if all == 0 {
            return self.units > 0;
        }
        u128::from(part) * u128::from(HUNDRED) < u128::from(self.units) * u128::from(all)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        let units = (is_number(whole) && is_number(fraction) && fraction.len() <= DIGITS)
            .then(|| format!("{whole}{fraction:0<DIGITS$}").parse().ok())
            .flatten();
        match units {
            Some(units) if units <= HUNDRED => Ok(Self {
                text: text.to_owned(),
                units,
            }),
            _ => Err("not a number from 0 to 100, such as 95 or 99.5".to_owned()),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
        _ => Err("not a whole number of seconds, 1 or more".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(more: &[&str]) -> Result<Args, clap::Error> {
        let base = ["patch-report", "--workgroup", "w", "--out", "o.html"];
        Args::try_parse_from(base.iter().chain(more))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.timeout, Duration::from_mins(15));
        assert_eq!((args.database, args.region), (None, None));
        assert_eq!((args.profile, args.fail_under), (None, None));
        assert_eq!((args.csv, args.json), (None, None));
    }

    #[test]
    fn numbers_have_their_bounds() {
        for (option, value, good) in [
            ("--fail-under", "0", true),
            ("--fail-under", "99.5", true),
            ("--fail-under", "100", true),
            ("--fail-under", "100.1", false),
            ("--fail-under=-1", "", false),
            ("--fail-under", "NaN", false),
            ("--fail-under", "90%", false),
            ("--fail-under", "99,5", false),
            ("--fail-under", "1e1", false),
            ("--fail-under", "99.", false),
            ("--fail-under", "99.9999999991", false),
            ("--timeout", "1", true),
            ("--timeout", "0", false),
            ("--timeout", "1.5", false),
            ("--timeout", "99999999999", false),
        ] {
            let more = [option, value];
            let parsed = parse(if value.is_empty() { &more[..1] } else { &more });
            match parsed {
                Ok(_) => assert!(good, "{option} {value}"),
                Err(error) => {
                    assert!(!good, "{option} {value}");
                    assert_eq!(error.kind(), ErrorKind::ValueValidation);
                }
            }
        }
    }

    #[test]
    fn a_percentage_is_compared_as_it_is_written() {
        for (percent, part, all, expected) in [
            ("0", 0, 7, false),
            ("100", 7, 7, false),
            ("100", 1_999_999, 2_000_000, true),
            ("99.95", 1999, 2000, false),
            ("99.950000001", 1999, 2000, true),
            ("33.33", 1, 3, false),
            ("33.34", 1, 3, true),
            // As binary fractions these are a little more than what is written.
            ("0.28", 28, 10_000, false),
            ("0.07", 7, 10_000, false),
            ("0", 0, 0, false),
            ("0.000000001", 0, 0, true),
        ] {
            let bound: Percent = percent.parse().unwrap();
            let found = bound.is_more_than(part, all);
            assert_eq!(found, expected, "{part} of {all} and {percent}");
        }
    }

    #[test]
    fn the_workgroup_and_the_file_must_be_given() {
        for given in [["--workgroup", "w"], ["--out", "o.html"]] {
            let parsed = Args::try_parse_from(["patch-report"].iter().chain(&given));
            let kind = parsed.expect_err("one is missing").kind();
            assert_eq!(kind, ErrorKind::MissingRequiredArgument);
        }
    }
}
