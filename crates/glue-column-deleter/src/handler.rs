//! In what order things are done.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_sdk_glue::config::Builder;
use aws_sdk_glue::types::{PartitionInput, TableInput};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::catalog::{Catalog, Update};
use crate::config::Config;
use crate::error::{Error, TableError};
use crate::event::CrawlerStateChange;
use crate::plan::{Plan, Planner, Twin};
use crate::repair::{Repair, Verdict, examine};
use crate::schema::Schema;

/// How often a table that changes underneath is written before it is given up.
const MAX_ATTEMPTS: u32 = 5;

/// The wait before such a table is read again; it grows with each attempt, so that another writer can finish.
const PAUSE: Duration = Duration::from_millis(200);

/// What the work leaves of the invocation's time, so that it ends in an error that tells what was not done instead of
/// being cut off without a word.
const REPORT_RESERVE: Duration = Duration::from_secs(5);

/// The function: listens to one crawler and repairs one database.
#[derive(Clone, Debug)]
pub struct ColumnDeleter {
    catalog: Catalog,
    schema: Schema,
}

/// What a repair did; the function's answer, as JSON.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// How many tables the database has, those left alone included.
    pub tables_checked: usize,
    /// The columns that were removed, by table. Tables that needed nothing are not listed.
    pub columns_removed: BTreeMap<String, Vec<String>>,
    /// The columns that were appended, by table. Tables that lacked none are not listed.
    pub columns_added: BTreeMap<String, Vec<String>>,
    /// The tables that were made.
    pub tables_created: Vec<String>,
    /// How many partitions of the crawler's second table were registered with the first, by the first.
    pub partitions_added: BTreeMap<String, usize>,
    /// The time it took, in milliseconds.
    pub elapsed_ms: u128,
}

impl ColumnDeleter {
    /// Builds the function on the client of this configuration, which it keeps for all invocations.
    #[must_use]
    pub fn new(client: impl Into<Builder>, config: Config) -> Self {
        Self {
            catalog: Catalog::new(client, config.database),
            schema: Schema {
                crawler: config.crawler,
                location: config.data_location,
            },
        }
    }

    /// Handles one event of an invocation that ends at `deadline`: repairs the database if it tells of the crawler's
    /// success, else ignores it (`None`).
    ///
    /// # Errors
    /// The tables can't be listed, or some of them can't be repaired; the others are, and Lambda's retry of the
    /// event finds only the bad ones left to do.
    pub async fn handle(
        &self,
        event: EventBridgeEvent<Value>,
        deadline: Instant,
    ) -> Result<Option<Summary>, Error> {
        let (source, detail_type) = (event.source.clone(), event.detail_type.clone());
        let Some(change) = CrawlerStateChange::read(event)? else {
            tracing::info!(source, detail_type, "event of another kind ignored");
            return Ok(None);
        };
        if change.crawler_name != self.schema.crawler.as_str() || !change.succeeded() {
            tracing::info!(
                crawler = change.crawler_name,
                state = change.state,
                "event ignored"
            );
            return Ok(None);
        }
        let end = deadline.checked_sub(REPORT_RESERVE).unwrap_or(deadline);
        // Boxed, because the futures of the SDK's calls are large.
        Box::pin(self.repair_database(end)).await.map(Some)
    }

    async fn repair_database(&self, end: Instant) -> Result<Summary, Error> {
        let started = Instant::now();
        // All pages are read before the first change, so that no page token outlives the listing it belongs to.
        let mut planner = Planner::new(&self.schema);
        let list = self.catalog.for_each_table(|table| planner.see(table));
        timeout_at(end, list).await.map_err(|_| Error::ListTime {
            database: self.catalog.database().to_string(),
        })??;
        let plan = planner.finish();
        let tables = plan.tables_checked + plan.missing.len();

        let mut summary = Summary {
            tables_checked: plan.tables_checked,
            ..Summary::default()
        };
        let mut failures = Vec::new();
        for task in Task::all(plan) {
            match self.do_in_time(task, end).await {
                Ok(done) => summary.take(done),
                Err(failure) => {
                    tracing::warn!(error = failure.to_string(), "table not repaired");
                    failures.push(failure);
                }
            }
        }
        if !failures.is_empty() {
            return Err(Error::Tables { tables, failures });
        }
        summary.elapsed_ms = started.elapsed().as_millis();
        tracing::info!(
            tables_checked = summary.tables_checked,
            tables_repaired = summary.columns_removed.len(),
            tables_completed = summary.columns_added.len(),
            tables_created = summary.tables_created.len(),
            partitions_added = summary.partitions_added.values().sum::<usize>(),
            elapsed_ms = summary.elapsed_ms,
            "database repaired"
        );
        Ok(summary)
    }

    /// Does one task in half of the time that is left, so that those that hang leave some to the others.
    async fn do_in_time(&self, task: Task, end: Instant) -> Result<Done, TableError> {
        let (step, table) = (task.step(), task.table().to_owned());
        let now = Instant::now();
        let left = end.saturating_duration_since(now);
        if left.is_zero() {
            return Err(TableError::Time { step, table });
        }
        // Boxed, because the futures of the SDK's calls are large.
        timeout_at(now + left / 2, Box::pin(self.perform(task)))
            .await
            .unwrap_or(Err(TableError::Time { step, table }))
    }

    async fn perform(&self, task: Task) -> Result<Done, TableError> {
        match task {
            Task::Repair(repair) => self.repair_table(repair).await,
            Task::Create(table) => {
                let name = table.name.clone();
                let is_ours = self.catalog.create(table).await?;
                Ok(if is_ours {
                    Done::Created { table: name }
                } else {
                    Done::Nothing
                })
            }
            Task::Share(twin) => self.share_partitions(twin).await,
        }
    }

    /// Repairs one table, unless it needs nothing any more.
    async fn repair_table(&self, mut repair: Repair) -> Result<Done, TableError> {
        for attempt in 1..=MAX_ATTEMPTS {
            let refusal = match self.catalog.update(&repair).await? {
                Update::Done => return Ok(Done::repaired(repair)),
                Update::Gone => return Ok(Done::Nothing),
                Update::Moved => None,
                Update::MaybeMoved(refusal) => Some(refusal),
            };
            let name = &repair.table_input.name;
            tracing::info!(table = name, attempt, "table not updated, reading it again");
            tokio::time::sleep(PAUSE * attempt).await;
            let table = match (self.catalog.table(name).await, refusal) {
                (Ok(None), _) => return Ok(Done::Nothing),
                (Ok(Some(now)), Some(refusal)) if now.version_id == repair.version_id => {
                    return Err(refusal);
                }
                (Ok(Some(now)), _) => now,
                (Err(error), refusal) => return Err(refusal.unwrap_or(error)),
            };
            match examine(table, &self.schema) {
                Verdict::Repair(again) => repair = *again,
                Verdict::Sound | Verdict::LeaveAlone(_) => return Ok(Done::Nothing),
            }
        }
        Err(TableError::Contended {
            table: repair.table_input.name,
            attempts: MAX_ATTEMPTS,
        })
    }

    /// Registers those partitions of the crawler's table with ours that ours lacks. A table that is gone has none.
    async fn share_partitions(&self, twin: Twin) -> Result<Done, TableError> {
        let Some(ours) = self.catalog.partitions(&twin.table).await? else {
            return Ok(Done::Nothing);
        };
        let ours: HashSet<_> = ours.into_iter().filter_map(|it| it.values).collect();
        let theirs = self.catalog.partitions(&twin.crawled).await?;
        let missing: Vec<PartitionInput> = theirs
            .into_iter()
            .flatten()
            .filter(|it| it.values.as_ref().is_some_and(|it| !ours.contains(it)))
            .map(|it| twin.partition(it))
            .collect();
        if missing.is_empty() {
            return Ok(Done::Nothing);
        }
        self.catalog.add_partitions(&twin.table, &missing).await?;
        Ok(Done::Shared {
            table: twin.table,
            crawled: twin.crawled,
            partitions: missing.len(),
        })
    }
}

/// A piece of work on one table.
enum Task {
    Repair(Repair),
    Create(TableInput),
    Share(Twin),
}

/// What came of it.
enum Done {
    Nothing,
    Repaired {
        table: String,
        removed: Vec<String>,
        added: Vec<String>,
    },
    Created {
        table: String,
    },
    Shared {
        table: String,
        crawled: String,
        partitions: usize,
    },
}

impl Done {
    fn repaired(repair: Repair) -> Self {
        Self::Repaired {
            table: repair.table_input.name,
            removed: repair.removed,
            added: repair.added,
        }
    }
}

impl Task {
    /// The tasks of a plan, in order: what queries fail on first, and a table before its partitions.
    fn all(plan: Plan) -> impl Iterator<Item = Self> {
        let repairs = plan.repairs.into_iter().map(Self::Repair);
        let missing = plan.missing.into_iter().map(Self::Create);
        let twins = plan.twins.into_iter().map(Self::Share);
        repairs.chain(missing).chain(twins)
    }

    fn table(&self) -> &str {
        match self {
            Self::Repair(repair) => &repair.table_input.name,
            Self::Create(table) => &table.name,
            Self::Share(twin) => &twin.table,
        }
    }

    /// What is done to the table.
    fn step(&self) -> &'static str {
        match self {
            Self::Repair(_) => "update",
            Self::Create(_) => "create",
            Self::Share(_) => "add partitions to",
        }
    }
}

impl Summary {
    /// Tells the log of what was done, and counts it.
    fn take(&mut self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Repaired {
                table,
                removed,
                added,
            } => {
                if !removed.is_empty() {
                    tracing::info!(table, columns = removed.join(","), "columns removed");
                    self.columns_removed.insert(table.clone(), removed);
                }
                if !added.is_empty() {
                    tracing::info!(table, columns = added.join(","), "columns added");
                    self.columns_added.insert(table, added);
                }
            }
            Done::Created { table } => {
                tracing::info!(table, "table created");
                self.tables_created.push(table);
            }
            Done::Shared {
                table,
                crawled,
                partitions,
            } => {
                // Somebody who looks at the database sees two tables of one type and may wonder.
                tracing::warn!(
                    table,
                    crawled,
                    partitions,
                    "the crawler made a second table; its partitions were added to the first"
                );
                *self.partitions_added.entry(table).or_default() += partitions;
            }
        }
    }
}
