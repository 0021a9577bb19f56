//! The calls to AWS Glue.

use aws_sdk_glue::Client;
use aws_sdk_glue::config::Builder;
use aws_sdk_glue::error::SdkError;
use aws_sdk_glue::operation::batch_create_partition::BatchCreatePartitionError;
use aws_sdk_glue::operation::create_table::CreateTableError;
use aws_sdk_glue::operation::get_partitions::GetPartitionsError;
use aws_sdk_glue::operation::get_table::GetTableError;
use aws_sdk_glue::operation::update_table::UpdateTableError;
use aws_sdk_glue::types::{Partition, PartitionError, PartitionInput, Table, TableInput};

use crate::config::GlueName;
use crate::error::{Error, TableError};
use crate::repair::Repair;

/// How many partitions one call registers:
/// <https://docs.aws.amazon.com/glue/latest/webapi/API_BatchCreatePartition.html>.
const MAX_PARTITIONS: usize = 100;

/// Glue's word for a table or a partition that somebody else was faster to make.
const ALREADY_EXISTS: &str = "AlreadyExistsException";

/// One database of the account's data catalog.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    client: Client,
    database: GlueName,
}

/// What became of a change to a table.
#[derive(Debug)]
pub(crate) enum Update {
    /// The table has the new definition.
    Done,
    /// Somebody else changed the table in the meantime; it has their definition.
    Moved,
    /// Glue takes the input for invalid. Whether it says that of an outdated version too is not documented.
    MaybeMoved(TableError),
    /// There is no such table any more.
    Gone,
}

impl Catalog {
    pub(crate) fn new(config: impl Into<Builder>, database: GlueName) -> Self {
        let config = config.into().retry_partition(lambda_sdk::retry_partition());
        Self {
            client: Client::from_conf(config.build()),
            database,
        }
    }

    /// The database's name.
    pub(crate) fn database(&self) -> &GlueName {
        &self.database
    }

    /// Hands every table of the database to `visit`, page by page.
    pub(crate) async fn for_each_table(&self, mut visit: impl FnMut(Table)) -> Result<(), Error> {
        let mut pages = self
            .client
            .get_tables()
            .database_name(self.database.as_str())
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::list_tables(&self.database, error))?;
            page.table_list.into_iter().flatten().for_each(&mut visit);
        }
        Ok(())
    }

    /// The table of that name as it is now, or `None` if there is none any more.
    pub(crate) async fn table(&self, name: &str) -> Result<Option<Table>, TableError> {
        match self
            .client
            .get_table()
            .database_name(self.database.as_str())
            .name(name)
            .send()
            .await
        {
            Ok(found) => Ok(found.table),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetTableError::is_entity_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(TableError::read(name, error)),
        }
    }

    /// Replaces a table's definition, provided that nobody else did so since it was read.
    pub(crate) async fn update(&self, repair: &Repair) -> Result<Update, TableError> {
        let sent = self
            .client
            .update_table()
            .database_name(self.database.as_str())
            .table_input(repair.table_input.clone())
            .set_version_id(repair.version_id.clone())
            // The crawler puts the column back on every run. An archived version for each repair would fill the
            // account's quota of table versions, and the definition with the column in it is of no use to anyone.
            .skip_archive(true)
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(Update::Done);
        };
        let refused = error.as_service_error();
        if refused.is_some_and(UpdateTableError::is_concurrent_modification_exception) {
            return Ok(Update::Moved);
        }
        if refused.is_some_and(UpdateTableError::is_entity_not_found_exception) {
            return Ok(Update::Gone);
        }
        let is_invalid = refused.is_some_and(UpdateTableError::is_invalid_input_exception);
        let error = TableError::update(&repair.table_input.name, error);
        if is_invalid {
            return Ok(Update::MaybeMoved(error));
        }
        Err(error)
    }

    /// Makes a table; `false` says that somebody else was faster.
    pub(crate) async fn create(&self, table: TableInput) -> Result<bool, TableError> {
        let name = table.name.clone();
        let sent = self
            .client
            .create_table()
            .database_name(self.database.as_str())
            .table_input(table)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(CreateTableError::is_already_exists_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(TableError::create(&name, error)),
        }
    }

    /// All partitions of a table, without their columns, or `None` if there is no such table any more.
    pub(crate) async fn partitions(
        &self,
        table: &str,
    ) -> Result<Option<Vec<Partition>>, TableError> {
        let is_gone = |error: &SdkError<GetPartitionsError>| {
            let refused = error.as_service_error();
            refused.is_some_and(GetPartitionsError::is_entity_not_found_exception)
        };
        let mut pages = self
            .client
            .get_partitions()
            .database_name(self.database.as_str())
            .table_name(table)
            .exclude_column_schema(true)
            .into_paginator()
            .send();
        let mut partitions = Vec::new();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => partitions.extend(page.partitions.into_iter().flatten()),
                Err(error) if is_gone(&error) => return Ok(None),
                Err(error) => return Err(TableError::list_partitions(table, error)),
            }
        }
        Ok(Some(partitions))
    }

    /// Registers partitions with a table. Those that somebody else was faster to register are fine, and so is a table
    /// that is gone.
    pub(crate) async fn add_partitions(
        &self,
        table: &str,
        partitions: &[PartitionInput],
    ) -> Result<(), TableError> {
        for some in partitions.chunks(MAX_PARTITIONS) {
            let sent = self
                .client
                .batch_create_partition()
                .database_name(self.database.as_str())
                .table_name(table)
                .set_partition_input_list(Some(some.to_vec()))
                .send()
                .await;
            let refused = match sent {
                Ok(answer) => answer.errors.unwrap_or_default(),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(BatchCreatePartitionError::is_entity_not_found_exception) =>
                {
                    return Ok(());
                }
                Err(error) => return Err(TableError::add_partitions(table, error)),
            };
            let code =
                |error: &PartitionError| error.error_detail()?.error_code().map(str::to_owned);
            if let Some(error) = refused
                .into_iter()
                .find(|error| code(error).as_deref() != Some(ALREADY_EXISTS))
            {
                return Err(TableError::partition_refused(table, error));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lambda_sdk::test_util::{FakeHttp, Reply};
    use serde_json::{Value, json};

    use super::*;
    use crate::table_input::table_input;

    /// What `Table` has and `TableInput` has not.
    const ONLY_IN_TABLE: [&str; 11] = [
        "DatabaseName",
        "CatalogId",
        "CreateTime",
        "UpdateTime",
        "CreatedBy",
        "IsRegisteredWithLakeFormation",
        "IsMultiDialectView",
        "IsMaterializedView",
        "IcebergTableMetadata",
        "Status",
        "MemberOfTomorrow",
    ];

    #[tokio::test]
    async fn every_member_of_table_input_survives_the_round_trip() {
        let table: Value =
            serde_json::from_str(include_str!("../tests/full_table.json")).expect("JSON");
        let listing = json!({ "TableList": [table] }).to_string();
        let http = FakeHttp::new(move |sent| match sent.operation() {
            Some("GetTables") => Reply::ok(listing.clone()),
            _ => Reply::ok("{}"),
        });
        let database = GlueName::new("ssm_global_resource_sync").expect("a good name");
        let catalog = Catalog::new(&http.sdk_config(), database);

        let mut read = Vec::new();
        catalog
            .for_each_table(|table| read.push(table))
            .await
            .expect("listed");
        let table_read = read.pop().expect("one table");
        let repair = Repair {
            version_id: table_read.version_id.clone(),
            table_input: table_input(table_read),
            removed: Vec::new(),
            added: Vec::new(),
        };
        // A member that the SDK learns later is absent from the file and shows up here.
        let debug = format!("{:?}", repair.table_input);
        assert!(
            !debug.contains("None"),
            "full_table.json lacks a member: {debug}"
        );
        let update = catalog.update(&repair).await;
        assert!(matches!(update, Ok(Update::Done)), "{update:?}");

        let mut expected = table;
        let members = expected.as_object_mut().expect("an object");
        for name in ONLY_IN_TABLE {
            members.remove(name).expect("the file has it");
        }
        let version_id = members.remove("VersionId").expect("the file has it");
        let sent: Value = serde_json::from_str(&http.sent()[1].body).expect("JSON");
        assert_eq!(
            sent,
            json!({
                "DatabaseName": "ssm_global_resource_sync",
                "TableInput": expected,
                "VersionId": version_id,
                "SkipArchive": true,
            })
        );
    }
}
