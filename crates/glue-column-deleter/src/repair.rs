//! What is decided about one table: a pure function of its definition.

use std::collections::HashSet;

use aws_sdk_glue::types::{Table, TableInput};

use crate::schema::Schema;
use crate::table_input::table_input;

/// What a table's definition asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Its columns are not this function's to change; says what it is.
    LeaveAlone(&'static str),
    /// No column repeats a partition key, and none is missing.
    Sound,
    /// Some columns do, or some are.
    Repair(Box<Repair>),
}

/// One change to one table.
#[derive(Debug, PartialEq)]
pub(crate) struct Repair {
    /// The table's whole definition with the right columns.
    pub(crate) table_input: TableInput,
    /// The version of the definition that this one is made from; Glue refuses to replace any other.
    pub(crate) version_id: Option<String>,
    /// The names of the columns that go, as the table spells them.
    pub(crate) removed: Vec<String>,
    /// The names of the columns that are appended.
    pub(crate) added: Vec<String>,
}

/// Decides what to do about `table`.
///
/// A data column goes when its name equals a partition key's without regard to case: Athena folds both. A column of a
/// known type is appended when the table has none of its name, of whatever type; those that are there stay as they are
/// and in their order.
pub(crate) fn examine(mut table: Table, schema: &Schema) -> Verdict {
    if let Some(kind) = foreign_kind(&table) {
        return Verdict::LeaveAlone(kind);
    }
    let keys: HashSet<String> = table
        .partition_keys()
        .iter()
        .map(|key| key.name.to_lowercase())
        .collect();
    let known = schema.known_type(&table);
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    if let Some(columns) = table
        .storage_descriptor
        .as_mut()
        .and_then(|storage| storage.columns.as_mut())
    {
        for column in columns.extract_if(.., |column| keys.contains(&column.name.to_lowercase())) {
            removed.push(column.name);
        }
        if let Some(known) = known {
            let present: HashSet<String> =
                columns.iter().map(|it| it.name.to_lowercase()).collect();
            let is_there = |name: &str| keys.contains(name) || present.contains(name);
            for column in known.missing_columns(is_there) {
                added.push(column.name.clone());
                columns.push(column);
            }
        }
    }
    if removed.is_empty() && added.is_empty() {
        return Verdict::Sound;
    }
    Verdict::Repair(Box::new(Repair {
        version_id: table.version_id.clone(),
        table_input: table_input(table),
        removed,
        added,
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
    use crate::config::{DataLocation, GlueName};

    fn schema() -> Schema {
        Schema {
            crawler: GlueName::new("SSM-GlueCrawler").expect("a good name"),
            location: DataLocation::new("s3://bucket/ResourceDataSync/").ok(),
        }
    }

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
            let Verdict::Repair(repair) = examine(
                table(&data, &partition_keys).build().expect("named"),
                &schema(),
            ) else {
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
                examine(table.build().expect("named"), &schema()),
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
                examine(table.build().expect("named"), &schema()),
                Verdict::LeaveAlone(kind),
                "{case}"
            );
        }
    }

    fn named(name: &str, data: &[&str], keys: &[&str]) -> TableBuilder {
        table(data, keys)
            .name(name)
            .parameters("UPDATED_BY_CRAWLER", "SSM-GlueCrawler")
    }

    #[test]
    fn a_known_type_gets_the_columns_that_it_lacks_at_the_end() {
        let keys = ["accountid", "region", "resourcetype"];
        let common = ["resourceid", "captureTime", "schemaversion"];
        for (case, data, keys, added, removed) in [
            (
                "nothing there",
                vec![],
                &keys[..],
                vec!["key", "value", "resourceid", "capturetime", "schemaversion"],
                vec![],
            ),
            (
                "some there, in another order and case",
                vec!["Value", "x", "captureTime", "resourceid"],
                &keys[..],
                vec!["key", "schemaversion"],
                vec![],
            ),
            (
                "one is a partition key",
                vec!["value"],
                &["Key"][..],
                vec!["resourceid", "capturetime", "schemaversion"],
                vec![],
            ),
            (
                "one repeats a partition key",
                vec!["key", "x", "value"],
                &["Key"][..],
                vec!["resourceid", "capturetime", "schemaversion"],
                vec!["key"],
            ),
            (
                "all but one there",
                [&common[..], &["key"]].concat(),
                &keys[..],
                vec!["value"],
                vec![],
            ),
        ] {
            let examined = examine(
                named("aws_tag", &data, keys).build().expect("named"),
                &schema(),
            );
            let Verdict::Repair(repair) = examined else {
                panic!("{case}: {examined:?}");
            };
            assert_eq!(
                (&repair.added, &repair.removed),
                (
                    &added.iter().map(ToString::to_string).collect(),
                    &removed.iter().map(ToString::to_string).collect()
                ),
                "{case}"
            );
            let storage = repair.table_input.storage_descriptor.expect("kept");
            let names: Vec<_> = storage
                .columns()
                .iter()
                .map(|it| it.name.as_str())
                .collect();
            let kept = data.iter().filter(|it| !removed.contains(it));
            let expected: Vec<_> = kept.chain(&added).copied().collect();
            assert_eq!(names, expected, "{case}");
            let new = &storage.columns()[names.len() - added.len()..];
            assert!(
                new.iter().all(|it| it.r#type.as_deref() == Some("string")),
                "{case}"
            );
        }
    }

    #[test]
    fn only_a_known_types_table_in_its_place_gets_columns() {
        let there = || StorageDescriptor::builder().set_columns(Some(columns(&["key"])));
        let at = |location: &str| there().location(location).build();
        let by = |crawler: &str| table(&["key"], &[]).parameters("UPDATED_BY_CRAWLER", crawler);
        let rows = vec![
            ("the crawler's", by("SSM-GlueCrawler").name("aws_tag"), true),
            ("another crawler's", by("other").name("aws_tag"), false),
            ("anybody's", table(&["key"], &[]).name("aws_tag"), false),
            (
                "anybody's at the folder",
                table(&[], &[])
                    .name("aws_tag")
                    .storage_descriptor(at("s3://bucket/ResourceDataSync/AWS:Tag")),
                true,
            ),
            (
                "anybody's at another type's folder",
                table(&[], &[])
                    .name("aws_tag")
                    .storage_descriptor(at("s3://bucket/ResourceDataSync/AWS:Tags/")),
                false,
            ),
            (
                "a type that nobody reads",
                by("SSM-GlueCrawler").name("aws_service"),
                false,
            ),
            (
                "a second one",
                by("SSM-GlueCrawler").name("aws_tag_0123456789abcdef0123456789abcdef"),
                false,
            ),
            (
                "a custom type",
                by("SSM-GlueCrawler").name("custom_tag"),
                false,
            ),
            (
                "a view",
                by("SSM-GlueCrawler")
                    .name("aws_tag")
                    .table_type("VIRTUAL_VIEW"),
                false,
            ),
            (
                "no storage",
                by("SSM-GlueCrawler")
                    .name("aws_tag")
                    .set_storage_descriptor(None),
                false,
            ),
        ];
        for (case, table, is_completed) in rows {
            let verdict = examine(table.build().expect("named"), &schema());
            assert_eq!(
                matches!(verdict, Verdict::Repair(_)),
                is_completed,
                "{case}: {verdict:?}"
            );
        }
    }
}
