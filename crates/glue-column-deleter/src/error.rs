//! How a repair fails. Messages are fragments that fit after "failed to" and tell the cause too, for Lambda takes
//! nothing else of an error into its report.

use aws_sdk_glue::error::SdkError;
use aws_sdk_glue::operation::get_table::GetTableError;
use aws_sdk_glue::operation::get_tables::GetTablesError;
use aws_sdk_glue::operation::update_table::UpdateTableError;
use lambda_runtime::Diagnostic;
use lambda_sdk::AwsError;

use crate::config::GlueName;

/// How many tables an error names: a longer text would not get anywhere whole, and the log has one line for each.
const MAX_NAMED: usize = 10;

/// Why a database could not be repaired as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is a crawler's event, and lacks what every such event has.
    #[error("read the event: {0}")]
    Event(#[from] serde_json::Error),
    /// The time ran out before all tables were known; none was changed.
    #[error("list the tables of database {database} in time; none was changed")]
    ListTime {
        /// The database's name.
        database: String,
    },
    /// Nobody knows the tables; none was changed.
    #[error("list the tables of database {database}: {source}{}", advice(.source, "glue:GetTables", "DESCRIBE"))]
    ListTables {
        /// The database's name.
        database: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// Some tables could not be repaired; all others are.
    #[error("repair {} of {tables_checked} tables: {}", .failures.len(), joined(.failures))]
    Tables {
        /// How many tables the database has.
        tables_checked: usize,
        /// One for each table that could not be repaired.
        failures: Vec<TableError>,
    },
}

/// Why one table could not be repaired.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The table changed underneath, and its new definition can't be read.
    #[error("read table {table} again: {source}{}", advice(.source, "glue:GetTable", "DESCRIBE"))]
    Read {
        /// The table's name.
        table: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// The table's definition can't be replaced.
    #[error("update table {table}: {source}{}", advice(.source, "glue:UpdateTable", "ALTER"))]
    Update {
        /// The table's name.
        table: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// The time ran out, or what of it a single table may take.
    #[error("update table {table} in time")]
    Time {
        /// The table's name.
        table: String,
    },
    /// Whenever the table was to be updated, somebody else had just done so.
    #[error("update table {table}: it changed underneath each of {attempts} attempts")]
    Contended {
        /// The table's name.
        table: String,
        /// How often it was tried.
        attempts: u32,
    },
}

impl Error {
    pub(crate) fn list_tables(database: &GlueName, error: SdkError<GetTablesError>) -> Self {
        Self::ListTables {
            database: database.to_string(),
            source: error.into(),
        }
    }
}

impl TableError {
    pub(crate) fn read(table: &str, error: SdkError<GetTableError>) -> Self {
        Self::Read {
            table: table.to_owned(),
            source: error.into(),
        }
    }

    pub(crate) fn update(table: &str, error: SdkError<UpdateTableError>) -> Self {
        Self::Update {
            table: table.to_owned(),
            source: error.into(),
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self {
            error_type: "ColumnDeleterError".to_owned(),
            error_message: format!("failed to {error}"),
        }
    }
}

/// What to do about a refusal: Glue's own words do not always tell which of the two guards refused.
fn advice(error: &AwsError, action: &str, lake_formation: &str) -> String {
    if error.code() != Some("AccessDeniedException") {
        return String::new();
    }
    format!(
        "; the function's role needs {action}, and {lake_formation} on the table where AWS Lake Formation governs \
         the database"
    )
}

/// The first failures and how many more there are.
fn joined(failures: &[TableError]) -> String {
    let mut texts: Vec<_> = failures
        .iter()
        .take(MAX_NAMED)
        .map(ToString::to_string)
        .collect();
    let more = failures.len() - texts.len();
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join("; ")
}
