//! From the `Table` that `GetTables` returns to the `TableInput` that `UpdateTable` takes.
//!
//! The two shapes overlap but neither holds the other, and `UpdateTable` replaces the whole definition: a member
//! that is not sent is lost. So the members of `TableInput` are listed here one by one. What only `Table` has
//! (`CreateTime`, `CreatedBy`, `IsMaterializedView`, `Status` and whatever comes next) is thereby left out.
//! See <https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html>.

use aws_sdk_glue::types::{
    Table, TableInput, ViewDefinition, ViewDefinitionInput, ViewRepresentationInput,
};

/// The definition that leaves `table` exactly as it is.
pub(crate) fn table_input(table: Table) -> TableInput {
    TableInput::builder()
        .name(table.name)
        .set_description(table.description)
        .set_owner(table.owner)
        .set_last_access_time(table.last_access_time)
        .set_last_analyzed_time(table.last_analyzed_time)
        .retention(table.retention)
        .set_storage_descriptor(table.storage_descriptor)
        .set_partition_keys(table.partition_keys)
        .set_view_original_text(table.view_original_text)
        .set_view_expanded_text(table.view_expanded_text)
        .set_table_type(table.table_type)
        .set_parameters(table.parameters)
        .set_target_table(table.target_table)
        .set_federated_table(table.federated_table)
        .set_view_definition(table.view_definition.map(view_definition_input))
        .build()
        .expect("the one required member, the name, is set")
}

fn view_definition_input(view: ViewDefinition) -> ViewDefinitionInput {
    let representations = view.representations.map(|representations| {
        representations
            .into_iter()
            .map(|representation| {
                ViewRepresentationInput::builder()
                    .set_dialect(representation.dialect)
                    .set_dialect_version(representation.dialect_version)
                    .set_view_original_text(representation.view_original_text)
                    .set_validation_connection(representation.validation_connection)
                    .set_view_expanded_text(representation.view_expanded_text)
                    .build()
            })
            .collect()
    });
    ViewDefinitionInput::builder()
        .set_is_protected(view.is_protected)
        .set_is_managed(view.is_managed)
        .set_definer(view.definer)
        .set_representations(representations)
        .view_version_id(view.view_version_id)
        .set_view_version_token(view.view_version_token)
        .set_refresh_seconds(view.refresh_seconds)
        .set_last_refresh_type(view.last_refresh_type)
        .set_sub_objects(view.sub_objects)
        .set_sub_object_version_ids(view.sub_object_version_ids)
        .set_sub_objects_statistics(view.sub_objects_statistics)
        .set_spark_pipeline_info(view.spark_pipeline_info)
        .build()
}
