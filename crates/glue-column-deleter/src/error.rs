//! How a repair fails. Messages are fragments that fit after "failed to" and tell the cause too, for Lambda takes
//! nothing else of an error into its report.

use aws_sdk_glue::error::SdkError;
use aws_sdk_glue::operation::batch_create_partition::BatchCreatePartitionError;
use aws_sdk_glue::operation::create_table::CreateTableError;
use aws_sdk_glue::operation::get_partitions::GetPartitionsError;
use aws_sdk_glue::operation::get_table::GetTableError;
use aws_sdk_glue::operation::get_tables::GetTablesError;
use aws_sdk_glue::operation::update_table::UpdateTableError;
use aws_sdk_glue::types::PartitionError;
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
    #[error("list the tables of database {database}: {source}{}", advice(.source, "glue:GetTables", "DESCRIBE on the table"))]
    ListTables {
        /// The database's name.
        database: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// Some tables could not be repaired; all others are.
    #[error("repair {} of {tables} tables: {}", .failures.len(), joined(.failures))]
    Tables {
        /// How many tables the database has, with those that it lacks.
        tables: usize,
        /// One for each table that could not be repaired.
        failures: Vec<TableError>,
    },
}

/// Why one table could not be repaired or made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The table changed underneath, and its new definition can't be read.
    #[error("read table {table} again: {source}{}", advice(.source, "glue:GetTable", "DESCRIBE on the table"))]
    Read {
        /// The table's name.
        table: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// The table's definition can't be replaced.
    #[error("update table {table}: {source}{}", advice(.source, "glue:UpdateTable", "ALTER on the table"))]
    Update {
        /// The table's name.
        table: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// The table can't be made.
    #[error("create table {table}: {source}{}", advice(.source, "glue:CreateTable", "CREATE_TABLE on the database"))]
    Create {
        /// The table's name.
        table: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// Nobody knows the table's partitions, or those that it shall have.
    #[error("list the partitions of table {table}: {source}{}", advice(.source, "glue:GetPartitions", "SELECT on the table"))]
    ListPartitions {
        /// The table's name.
        table: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// The table can't get partitions.
    #[error("add partitions to table {table}: {source}{}", advice(.source, "glue:BatchCreatePartition", "ALTER on the table"))]
    AddPartitions {
        /// The table's name.
        table: String,
        /// The cause as AWS or the connection told it.
        source: AwsError,
    },
    /// Glue took some partitions and refused this one.
    #[error("add partition {partition} to table {table}: {code}: {message}")]
    PartitionRefused {
        /// The table's name.
        table: String,
        /// The partition's values, separated by slashes.
        partition: String,
        /// Glue's error code.
        code: String,
        /// Glue's message.
        message: String,
    },
    /// The time ran out, or what of it a single table may take.
    #[error("{step} table {table} in time")]
    Time {
        /// What was to be done.
        step: &'static str,
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

    pub(crate) fn create(table: &str, error: SdkError<CreateTableError>) -> Self {
        Self::Create {
            table: table.to_owned(),
            source: error.into(),
        }
    }

    pub(crate) fn list_partitions(table: &str, error: SdkError<GetPartitionsError>) -> Self {
        Self::ListPartitions {
            table: table.to_owned(),
            source: error.into(),
        }
    }

    pub(crate) fn add_partitions(table: &str, error: SdkError<BatchCreatePartitionError>) -> Self {
        Self::AddPartitions {
            table: table.to_owned(),
            source: error.into(),
        }
    }

    pub(crate) fn partition_refused(table: &str, error: PartitionError) -> Self {
        let detail = error.error_detail;
        let (code, message) = detail.map_or((None, None), |it| (it.error_code, it.error_message));
        Self::PartitionRefused {
            table: table.to_owned(),
            partition: error.partition_values.unwrap_or_default().join("/"),
            code: code.unwrap_or_else(|| "error without a code".to_owned()),
            message: message.unwrap_or_default(),
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
        "; the function's role needs {action}, and {lake_formation} where AWS Lake Formation governs the database"
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
