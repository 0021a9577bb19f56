//! The calls to AWS Glue: whether what the queries read is there, before six queries fail one by one.

use std::collections::BTreeSet;

use aws_sdk_glue::Client;
use aws_sdk_glue::operation::get_tables::GetTablesError;
use aws_sdk_glue::types::TableAttributes;
use lambda_sdk::AwsError;

/// The tables that the queries of the report read.
pub(crate) const TABLES: [&str; 6] = [
    "aws_instanceinformation",
    "aws_compliancesummary",
    "aws_complianceitem",
    "aws_patchsummary",
    "aws_instancedetailedinformation",
    "aws_tag",
];

/// What the data catalog says of a database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is none of this name.
    NoDatabase,
    /// It lacks these of [`TABLES`].
    Lacks(Vec<&'static str>),
}

/// Looks for the tables in a database.
pub(crate) async fn look(glue: &Client, database: &str) -> Result<Found, AwsError> {
    let mut pages = glue
        .get_tables()
        .database_name(database)
        .attributes_to_get(TableAttributes::Name)
        .into_paginator()
        .send();
    let mut names = BTreeSet::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => {
                let tables = page.table_list.into_iter().flatten();
                names.extend(tables.map(|table| table.name));
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(GetTablesError::is_entity_not_found_exception) =>
            {
                return Ok(Found::NoDatabase);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let lacks = TABLES.into_iter().filter(|&table| !names.contains(table));
    Ok(Found::Lacks(lacks.collect()))
}
