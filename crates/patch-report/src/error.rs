//! Why nothing could be reported: one line that names the thing and the way out.

use std::io;
use std::path::{Path, PathBuf};

use lambda_sdk::AwsError;

/// Nothing could be reported. No file was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody says which Region.
    #[error("no AWS Region is set; give --region, or set AWS_REGION or the profile's region")]
    NoRegion,
    /// There are no credentials, or their source does not give them.
    #[error(
        "no usable AWS credentials{}: {reason}; log in ({}), or choose a profile with --profile or AWS_PROFILE",
        of_profile(.profile.as_deref()),
        login(.profile.as_deref())
    )]
    NoCredentials {
        /// The profile that was asked for.
        profile: Option<String>,
        /// What the chain of credentials says.
        reason: String,
    },
    /// The workgroup's saved queries could not be listed.
    #[error("list the saved queries of workgroup {workgroup:?} in {region}: {source}{}", advice(.source, .profile.as_deref()))]
    Workgroup {
        /// The profile that was asked for.
        profile: Option<String>,
        /// The workgroup's name.
        workgroup: String,
        /// Its Region.
        region: String,
        /// The cause as AWS or the connection told it.
        source: Box<AwsError>,
    },
    /// None of the queries is there.
    #[error(
        "workgroup {workgroup:?} in {region} has no saved query of the reporting stack, such as {query}; name the stack's with --workgroup (its output AthenaWorkGroupName) and its Region with --region"
    )]
    NoQueries {
        /// The workgroup's name.
        workgroup: String,
        /// Its Region.
        region: String,
        /// The name of a query that would be there.
        query: &'static str,
    },
    /// The data catalog has no such database.
    #[error(
        "database {database:?} is not in the Glue Data Catalog of this account in {region}; name the reporting stack's with --database (its output GlueDatabaseName)"
    )]
    NoDatabase {
        /// The database's name.
        database: String,
        /// The Region.
        region: String,
    },
    /// The database has none of the tables that the queries read.
    #[error(
        "database {database:?} in {region} has no table of the resource data sync, such as {table}; run the reporting stack's crawler, and wait until it has succeeded"
    )]
    NoTables {
        /// The database's name.
        database: String,
        /// The Region.
        region: String,
        /// The name of a table that would be there.
        table: &'static str,
    },
    /// Not one query succeeded.
    #[error("no query succeeded; {query}: {reason}")]
    NoResults {
        /// The first of the queries.
        query: &'static str,
        /// Why it did not succeed.
        reason: String,
    },
    /// A file can't be written.
    #[error("write {}: {source}", .path.display())]
    Output {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Two of the files are one.
    #[error("--out, --json and the files of --csv must be different files; {} is named twice", .0.display())]
    SameFile(PathBuf),
    /// The user wanted it to end.
    #[error("interrupted; nothing was written")]
    Interrupted,
}

impl Failure {
    pub(crate) fn output(path: &Path, source: io::Error) -> Self {
        Self::Output {
            path: path.to_owned(),
            source,
        }
    }

    /// The command's exit status.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::SameFile(_) => 2,
            Self::Interrupted => 130,
            _ => 4,
        }
    }
}

fn of_profile(profile: Option<&str>) -> String {
    profile.map_or_else(String::new, |profile| format!(" of profile {profile:?}"))
}

/// The command that logs in. Without a profile that is named it is that of `AWS_PROFILE` for both.
fn login(profile: Option<&str>) -> String {
    profile.map_or_else(
        || "aws sso login".to_owned(),
        |profile| format!("aws sso login --profile {profile}"),
    )
}

/// What to do about a refusal, for the end of its line.
fn advice(error: &AwsError, profile: Option<&str>) -> String {
    let advice = match error.code() {
        Some(code) if code.starts_with("ExpiredToken") => {
            return format!("; log in again ({})", login(profile));
        }
        Some(
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "InvalidClientTokenId"
            | "MissingAuthenticationTokenException",
        ) => "; check the credentials, or choose others with --profile",
        Some("AccessDeniedException") => {
            "; the caller needs athena:ListNamedQueries and athena:BatchGetNamedQuery on the workgroup, or --profile chooses another caller"
        }
        Some("InvalidRequestException") => {
            "; name the reporting stack's workgroup with --workgroup (its output AthenaWorkGroupName) and its Region with --region"
        }
        Some(_) => "",
        None => {
            "; check the network, --region, and the endpoint if AWS_ENDPOINT_URL or the profile sets one"
        }
    };
    advice.to_owned()
}
