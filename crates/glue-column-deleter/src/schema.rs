//! What is known beforehand about the tables: the types of inventory that the saved queries and data sets read, and
//! the attributes that AWS documents for each.
//!
//! A crawler makes a table of a type once it has seen a file of it, and a column of an attribute that a file had by
//! then. A fleet that has not sent one of them yet would make queries fail with `TABLE_NOT_FOUND` or
//! `COLUMN_NOT_FOUND`; so this function adds what is missing. Every attribute is text on disk, numbers too.

use aws_sdk_glue::types::{Column, SerDeInfo, StorageDescriptor, Table, TableInput};

use crate::config::{DataLocation, GlueName};

/// The crawler's note on each of its tables: the crawler's name.
const UPDATED_BY_CRAWLER: &str = "UPDATED_BY_CRAWLER";

/// Our own note on each table that the crawler has not made.
const MADE_BY_FUNCTION: (&str, &str) = ("MADE_BY_FUNCTION", "glue-column-deleter");

/// The folders between a type's own and its files, by which the crawler partitions.
const PARTITION_KEYS: [&str; 3] = ["accountid", "region", "resourcetype"];

/// What every line has besides the attributes of its type.
const COMMON_ATTRIBUTES: [&str; 3] = ["resourceId", "captureTime", "schemaVersion"];

/// One type of inventory.
#[derive(Debug)]
pub(crate) struct KnownType {
    /// Its name, which is its folder's.
    name: &'static str,
    /// Its attributes in AWS's spelling.
    attributes: &'static [&'static str],
}

/// The types that are read, after <https://docs.aws.amazon.com/systems-manager/latest/userguide/inventory-schema.html>.
///
/// Two attributes are not on that page: `KernelVersion`, which the agent sends, and `AvailableSecurityUpdateCount`,
/// which the API has for a node's patch state. One that is never sent is a column without values.
static KNOWN_TYPES: [KnownType; 7] = [
    KnownType {
        name: "AWS:InstanceInformation",
        attributes: &[
            "AgentType",
            "AgentVersion",
            "ComputerName",
            "InstanceId",
            "IpAddress",
            "PlatformName",
            "PlatformType",
            "PlatformVersion",
            "ResourceType",
            "AgentStatus",
            "InstanceStatus",
        ],
    },
    KnownType {
        name: "AWS:ComplianceSummary",
        attributes: &[
            "ComplianceType",
            "PatchGroup",
            "PatchBaselineId",
            "Status",
            "OverallSeverity",
            "ExecutionId",
            "ExecutionType",
            "ExecutionTime",
            "CompliantCriticalCount",
            "CompliantHighCount",
            "CompliantMediumCount",
            "CompliantLowCount",
            "CompliantInformationalCount",
            "CompliantUnspecifiedCount",
            "NonCompliantCriticalCount",
            "NonCompliantHighCount",
            "NonCompliantMediumCount",
            "NonCompliantLowCount",
            "NonCompliantInformationalCount",
            "NonCompliantUnspecifiedCount",
        ],
    },
    KnownType {
        name: "AWS:ComplianceItem",
        attributes: &[
            "ComplianceType",
            "ExecutionId",
            "ExecutionType",
            "ExecutionTime",
            "Id",
            "Title",
            "Status",
            "Severity",
            "DocumentName",
            "DocumentVersion",
            "Classification",
            "PatchBaselineId",
            "PatchSeverity",
            "PatchState",
            "PatchGroup",
            "InstalledTime",
            "InstallOverrideList",
            "DetailedText",
            "DetailedLink",
            "CVEIds",
        ],
    },
    KnownType {
        name: "AWS:PatchSummary",
        attributes: &[
            "PatchGroup",
            "BaselineId",
            "SnapshotId",
            "OwnerInformation",
            "InstalledCount",
            "InstalledPendingRebootCount",
            "InstalledOtherCount",
            "InstalledRejectedCount",
            "NotApplicableCount",
            "UnreportedNotApplicableCount",
            "MissingCount",
            "FailedCount",
            "OperationType",
            "OperationStartTime",
            "OperationEndTime",
            "InstallOverrideList",
            "RebootOption",
            "LastNoRebootInstallOperationTime",
            "ExecutionId",
            "NonCompliantSeverity",
            "SecurityNonCompliantCount",
            "CriticalNonCompliantCount",
            "OtherNonCompliantCount",
            "AvailableSecurityUpdateCount",
        ],
    },
    KnownType {
        name: "AWS:Application",
        attributes: &[
            "Name",
            "ApplicationType",
            "Publisher",
            "Version",
            "Release",
            "Epoch",
            "InstalledTime",
            "Architecture",
            "URL",
            "Summary",
            "PackageId",
        ],
    },
    KnownType {
        name: "AWS:Tag",
        attributes: &["Key", "Value"],
    },
    KnownType {
        name: "AWS:InstanceDetailedInformation",
        attributes: &[
            "CPUModel",
            "CPUCores",
            "CPUs",
            "CPUSpeedMHz",
            "CPUSockets",
            "CPUHyperThreadEnabled",
            "OSServicePack",
            "KernelVersion",
        ],
    },
];

impl KnownType {
    /// The name of the type's table: the crawler's rule is lower case, and `_` for what is neither letter nor digit.
    fn table_name(&self) -> String {
        self.name.to_lowercase().replace(':', "_")
    }

    fn attributes(&self) -> impl Iterator<Item = &'static str> {
        self.attributes.iter().copied().chain(COMMON_ATTRIBUTES)
    }

    /// The columns of the type that are neither among `present` nor equal to a partition key, all names in lower case.
    pub(crate) fn missing_columns(
        &self,
        present: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = Column> {
        self.attributes()
            .map(str::to_lowercase)
            .filter(move |name| !present(name))
            .map(|name| column(&name))
    }
}

/// Which tables the queries read, and where they lie.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    /// The crawler that makes the tables.
    pub(crate) crawler: GlueName,
    /// The folder that it crawls; without it no table can be made.
    pub(crate) location: Option<DataLocation>,
}

impl Schema {
    /// The type that a table holds: a table of the type's name that the crawler has made, or that lies where it would
    /// make it. Anybody's table of that name elsewhere is none.
    pub(crate) fn known_type(&self, table: &Table) -> Option<&'static KnownType> {
        let known = KNOWN_TYPES
            .iter()
            .find(|known| known.table_name() == table.name)?;
        let is_in_place = || {
            let folder = self.location.as_ref()?.folder(known.name);
            let location = table.storage_descriptor.as_ref()?.location.as_deref()?;
            Some(is_same_folder(location, &folder))
        };
        (is_in_place() == Some(true) || self.is_crawled(table)).then_some(known)
    }

    /// Whether the table is the crawler's.
    pub(crate) fn is_crawled(&self, table: &Table) -> bool {
        parameter(table, UPDATED_BY_CRAWLER) == Some(self.crawler.as_str())
    }

    /// The definitions of all tables, or of none if nobody knows where they lie.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = TableInput> {
        let location = self.location.iter();
        location
            .flat_map(|it| {
                KNOWN_TYPES
                    .iter()
                    .map(|known| (known, it.folder(known.name)))
            })
            .map(|(known, folder)| self.definition(known, folder))
    }

    /// A type's table as the crawler would make it, so that the crawler goes on with it, and our note in it.
    ///
    /// A crawler takes a table without `compressionType` for another than its own.
    fn definition(&self, known: &KnownType, folder: String) -> TableInput {
        let parameters = [
            ("classification", "json"),
            ("compressionType", "none"),
            ("typeOfData", "file"),
            ("CrawlerSchemaDeserializerVersion", "1.0"),
            ("CrawlerSchemaSerializerVersion", "1.0"),
            (UPDATED_BY_CRAWLER, self.crawler.as_str()),
        ];
        let mut table = TableInput::builder()
            .name(known.table_name())
            .owner("owner")
            .table_type("EXTERNAL_TABLE")
            .set_partition_keys(Some(PARTITION_KEYS.map(column).into()))
            .parameters(MADE_BY_FUNCTION.0, MADE_BY_FUNCTION.1);
        let serde = SerDeInfo::builder()
            .serialization_library("org.openx.data.jsonserde.JsonSerDe")
            .parameters("paths", known.attributes().collect::<Vec<_>>().join(","))
            .build();
        let columns = known.missing_columns(|name| PARTITION_KEYS.contains(&name));
        let mut storage = StorageDescriptor::builder()
            .set_columns(Some(columns.collect()))
            .location(folder)
            .input_format("org.apache.hadoop.mapred.TextInputFormat")
            .output_format("org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat")
            .number_of_buckets(-1)
            .serde_info(serde)
            .set_bucket_columns(Some(Vec::new()))
            .set_sort_columns(Some(Vec::new()));
        for (name, value) in parameters {
            table = table.parameters(name, value);
            storage = storage.parameters(name, value);
        }
        table
            .storage_descriptor(storage.build())
            .build()
            .expect("the one required member, the name, is set")
    }
}

/// Whether the function made the table and no crawler has replaced its definition since.
pub(crate) fn is_made_by_function(table: &Table) -> bool {
    parameter(table, MADE_BY_FUNCTION.0) == Some(MADE_BY_FUNCTION.1)
}

fn parameter<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    Some(table.parameters.as_ref()?.get(name)?.as_str())
}

/// Whether two locations are the same; the crawler ends a folder's in a slash, not everybody does.
pub(crate) fn is_same_folder(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

fn column(name: &str) -> Column {
    Column::builder()
        .name(name)
        .r#type("string")
        .build()
        .expect("the one required member, the name, is set")
}
