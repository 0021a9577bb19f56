//! What is decided about the database as a whole, from one look at all of its tables.

use aws_sdk_glue::types::{
    Column, Partition, PartitionInput, StorageDescriptor, Table, TableInput,
};

use crate::repair::{Repair, Verdict, examine};
use crate::schema::{Schema, is_made_by_function, is_same_folder};

/// What there is to do, in this order.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// How many tables the database has.
    pub(crate) tables_checked: usize,
    /// The tables whose columns change.
    pub(crate) repairs: Vec<Repair>,
    /// The tables that the queries read and that nobody has made yet.
    pub(crate) missing: Vec<TableInput>,
    /// The tables that get another's partitions.
    pub(crate) twins: Vec<Twin>,
}

/// A table of ours and the one that the crawler has made beside it.
///
/// Whether a crawler goes on with a table that somebody else made at its folder is not documented; it may as well make
/// a second one there, whose name has a suffix. Then it registers the partitions, by which alone Athena finds the
/// files, with the second, which no query reads. So ours gets them too.
#[derive(Debug)]
pub(crate) struct Twin {
    /// The name of our table.
    pub(crate) table: String,
    /// How the files of our table are read.
    pub(crate) storage: StorageDescriptor,
    /// The name of the crawler's table.
    pub(crate) crawled: String,
}

/// Takes in the tables one by one, so that of most of them nothing is kept.
#[derive(Debug)]
pub(crate) struct Planner<'a> {
    schema: &'a Schema,
    plan: Plan,
    ours: Vec<(Place, StorageDescriptor)>,
    crawled: Vec<Place>,
}

/// What tells twins.
#[derive(Debug)]
struct Place {
    table: String,
    location: String,
    partition_keys: Vec<String>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(schema: &'a Schema) -> Self {
        Self {
            schema,
            plan: Plan {
                missing: schema.definitions().collect(),
                ..Plan::default()
            },
            ours: Vec::new(),
            crawled: Vec::new(),
        }
    }

    /// Takes in a table that is there.
    pub(crate) fn see(&mut self, table: Table) {
        self.plan.tables_checked += 1;
        self.plan.missing.retain(|it| it.name != table.name);
        self.remember(&table);
        let name = table.name.clone();
        match examine(table, self.schema) {
            Verdict::LeaveAlone(kind) => tracing::info!(table = name, kind, "table left alone"),
            Verdict::Sound => {}
            Verdict::Repair(repair) => self.plan.repairs.push(*repair),
        }
    }

    fn remember(&mut self, table: &Table) {
        let Some(storage) = &table.storage_descriptor else {
            return;
        };
        let place = Place::of(&table.name, storage, table.partition_keys());
        if self.schema.known_type(table).is_none() {
            let crawled = place.filter(|_| self.schema.is_crawled(table));
            self.crawled.extend(crawled);
        } else if is_made_by_function(table) {
            self.ours.extend(place.map(|it| (it, storage.clone())));
        }
    }

    /// What to do, now that all tables were seen.
    pub(crate) fn finish(mut self) -> Plan {
        for table in &self.plan.missing {
            if let Some(storage) = &table.storage_descriptor {
                let keys = table.partition_keys.as_deref().unwrap_or_default();
                let place = Place::of(&table.name, storage, keys);
                self.ours.extend(place.map(|it| (it, storage.clone())));
            }
        }
        for (ours, storage) in self.ours {
            let twins = self.crawled.iter().filter(|it| it.is_twin_of(&ours));
            self.plan.twins.extend(twins.map(|twin| Twin {
                table: ours.table.clone(),
                storage: storage.clone(),
                crawled: twin.table.clone(),
            }));
        }
        self.plan
    }
}

impl Twin {
    /// What our table needs to have a partition of the crawler's: its place and parameters, and our table's columns, as a
    /// crawler would give it that lets partitions inherit from the table.
    pub(crate) fn partition(&self, theirs: Partition) -> PartitionInput {
        let mut storage = self.storage.clone();
        storage.location = theirs.storage_descriptor.and_then(|it| it.location);
        PartitionInput::builder()
            .set_values(theirs.values)
            .set_parameters(theirs.parameters)
            .storage_descriptor(storage)
            .build()
    }
}

impl Place {
    fn of(table: &str, storage: &StorageDescriptor, partition_keys: &[Column]) -> Option<Self> {
        Some(Self {
            table: table.to_owned(),
            location: storage.location.clone()?,
            partition_keys: partition_keys.iter().map(|key| key.name.clone()).collect(),
        })
    }

    /// Whether this table has the other's name and a suffix, lies at the same place and is partitioned alike.
    fn is_twin_of(&self, other: &Self) -> bool {
        let suffix = self.table.strip_prefix(&other.table);
        suffix.is_some_and(|it| it.starts_with('_'))
            && is_same_folder(&self.location, &other.location)
            && self.partition_keys == other.partition_keys
    }
}
