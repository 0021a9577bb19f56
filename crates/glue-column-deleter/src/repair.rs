//! What is decided about one table: a pure function of its definition.

use std::collections::HashSet;

use aws_sdk_glue::types::{Table, TableInput};

use crate::table_input::table_input;

/// What a table's definition asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Its columns are not this function's to change; says what it is.
    LeaveAlone(&'static str),
    /// No column repeats a partition key.
    Sound,
    /// Some columns do.
    Repair(Box<Repair>),
}

/// One change to one table.
#[derive(Debug, PartialEq)]
pub(crate) struct Repair {
    /// The table's whole definition without the columns.
    pub(crate) table_input: TableInput,
    /// The version of the definition that this one is made from; Glue refuses to replace any other.
    pub(crate) version_id: Option<String>,
    /// The names of the columns that go, as the table spells them.
    pub(crate) removed: Vec<String>,
}

/// Decides what to do about `table`.
///
/// A data column goes when its name equals a partition key's without regard to case: Athena folds both.
pub(crate) fn examine(mut table: Table) -> Verdict {
    if let Some(kind) = foreign_kind(&table) {
        return Verdict::LeaveAlone(kind);
    }
    let keys: HashSet<String> = table
        .partition_keys()
        .iter()
        .map(|key| key.name.to_lowercase())
        .collect();
    let mut removed = Vec::new();
    if let Some(columns) = table
        .storage_descriptor
        .as_mut()
        .and_then(|storage| storage.columns.as_mut())
    {
        for column in columns.extract_if(.., |column| keys.contains(&column.name.to_lowercase())) {
            removed.push(column.name);
        }
    }
    if removed.is_empty() {
        return Verdict::Sound;
    }
    Verdict::Repair(Box::new(Repair {
        version_id: table.version_id.clone(),
        table_input: table_input(table),
        removed,
    }))
}

/// Names the kind of a table that no crawler made and whose schema has another owner; `None` is a plain table.
fn foreign_kind(table: &Table) -> Option<&'static str> {
    let is_iceberg_parameter = |(name, value): (&String, &String)| {
        name.eq_ignore_ascii_case("table_type") && value.eq_ignore_ascii_case("ICEBERG")
    };
    if table.target_table.is_some() {
        Some("resource link")
    } else if table.view_definition.is_some()
        || table.is_materialized_view == Some(true)
        || table
            .table_type
            .as_deref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("VIRTUAL_VIEW"))
    {
        Some("view")
    } else if table.iceberg_table_metadata.is_some()
        || table.parameters.iter().flatten().any(is_iceberg_parameter)
    {
        Some("Iceberg table")
    } else if table.federated_table.is_some() {
        Some("federated table")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_glue::types::builders::TableBuilder;
    use aws_sdk_glue::types::{
        Column, FederatedTable, IcebergTableMetadata, StorageDescriptor, TableIdentifier,
        ViewDefinition,
    };

    use super::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        let column = |name: &&str| Column::builder().name(*name).build().expect("named");
        names.iter().map(column).collect()
    }

    fn table(data: &[&str], keys: &[&str]) -> TableBuilder {
        let storage = StorageDescriptor::builder()
            .set_columns(Some(columns(data)))
            .build();
        Table::builder()
            .name("aws_instanceinformation")
            .storage_descriptor(storage)
            .set_partition_keys(Some(columns(keys)))
            .version_id("7")
    }

    #[test]
    fn columns_go_when_they_equal_a_partition_key_case_folded() {
        let partition_keys = ["accountid", "Region", "resourcetype"];
        for (case, data, removed, left) in [
            (
                "known case",
                vec!["a", "resourcetype", "b"],
                vec!["resourcetype"],
                vec!["a", "b"],
            ),
            (
                "column in upper case",
                vec!["ResourceType"],
                vec!["ResourceType"],
                vec![],
            ),
            (
                "key in upper case",
                vec!["region", "a"],
                vec!["region"],
                vec!["a"],
            ),
            (
                "several, the order kept",
                vec!["accountid", "x", "region", "w"],
                vec!["accountid", "region"],
                vec!["x", "w"],
            ),
            (
                "twice",
                vec!["region", "a", "REGION"],
                vec!["region", "REGION"],
                vec!["a"],
            ),
        ] {
            let Verdict::Repair(repair) =
                examine(table(&data, &partition_keys).build().expect("named"))
            else {
                panic!("{case}: no repair");
            };
            let storage = repair
                .table_input
                .storage_descriptor
                .as_ref()
                .expect("kept");
            let kept: Vec<_> = storage
                .columns()
                .iter()
                .map(|column| column.name.as_str())
                .collect();
            assert_eq!(
                (repair.removed, kept),
                (removed.into_iter().map(str::to_owned).collect(), left),
                "{case}"
            );
            assert_eq!(
                repair.table_input.partition_keys,
                Some(columns(&partition_keys)),
                "{case}"
            );
            assert_eq!(repair.version_id.as_deref(), Some("7"), "{case}");
        }
    }

    #[test]
    fn a_table_without_such_a_column_is_sound() {
        for (case, table) in [
            ("no equal name", table(&["a", "region_id"], &["region"])),
            ("no partition keys", table(&["a", "region"], &[])),
            ("no columns", table(&[], &["region"])),
            (
                "no storage descriptor",
                table(&[], &["region"]).set_storage_descriptor(None),
            ),
        ] {
            assert_eq!(
                examine(table.build().expect("named")),
                Verdict::Sound,
                "{case}"
            );
        }
    }

    #[test]
    fn tables_whose_schema_has_another_owner_are_left_alone() {
        let duplicated = || table(&["region"], &["region"]);
        for (case, table, kind) in [
            ("view", duplicated().table_type("VIRTUAL_VIEW"), "view"),
            (
                "view in several dialects",
                duplicated().view_definition(ViewDefinition::builder().build()),
                "view",
            ),
            (
                "materialized view",
                duplicated().is_materialized_view(true),
                "view",
            ),
            (
                "resource link",
                duplicated().target_table(TableIdentifier::builder().build()),
                "resource link",
            ),
            (
                "Iceberg by parameter",
                duplicated().parameters("table_type", "iceberg"),
                "Iceberg table",
            ),
            (
                "federated",
                duplicated().federated_table(FederatedTable::builder().build()),
                "federated table",
            ),
            (
                "Iceberg by metadata",
                duplicated().iceberg_table_metadata(IcebergTableMetadata::builder().build()),
                "Iceberg table",
            ),
        ] {
            assert_eq!(
                examine(table.build().expect("named")),
                Verdict::LeaveAlone(kind),
                "{case}"
            );
        }
    }
}
