//! In what order things are done.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_sdk_glue::config::Builder;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::catalog::{Catalog, Update};
use crate::config::{Config, GlueName};
use crate::error::{Error, TableError};
use crate::event::CrawlerStateChange;
use crate::repair::{Repair, Verdict, examine};

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
    crawler: GlueName,
}

/// What a repair did; the function's answer, as JSON.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// How many tables the database has, those left alone included.
    pub tables_checked: usize,
    /// The columns that were removed, by table. Tables that needed nothing are not listed.
    pub columns_removed: BTreeMap<String, Vec<String>>,
    /// The time it took, in milliseconds.
    pub elapsed_ms: u128,
}

impl ColumnDeleter {
    /// Builds the function on the client of this configuration, which it keeps for all invocations.
    #[must_use]
    pub fn new(client: impl Into<Builder>, config: Config) -> Self {
        Self {
            catalog: Catalog::new(client, config.database),
            crawler: config.crawler,
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
        if change.crawler_name != self.crawler.as_str() || !change.succeeded() {
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
        let mut summary = Summary::default();
        // All pages are read before the first change, so that no page token outlives the listing it belongs to.
        let mut repairs = Vec::new();
        let list = self.catalog.for_each_table(|table| {
            summary.tables_checked += 1;
            let name = table.name.clone();
            match examine(table) {
                Verdict::LeaveAlone(kind) => {
                    tracing::info!(table = name, kind, "table left alone");
                }
                Verdict::Sound => {}
                Verdict::Repair(repair) => repairs.push(*repair),
            }
        });
        timeout_at(end, list).await.map_err(|_| Error::ListTime {
            database: self.catalog.database().to_string(),
        })??;

        let mut failures = Vec::new();
        for repair in repairs {
            let table = repair.table_input.name.clone();
            match self.repair_table_in_time(repair, end).await {
                Ok(removed) if removed.is_empty() => {}
                Ok(removed) => {
                    tracing::info!(table, columns = removed.join(","), "columns removed");
                    summary.columns_removed.insert(table, removed);
                }
                Err(failure) => {
                    tracing::warn!(error = failure.to_string(), "table not repaired");
                    failures.push(failure);
                }
            }
        }
        if !failures.is_empty() {
            return Err(Error::Tables {
                tables_checked: summary.tables_checked,
                failures,
            });
        }
        summary.elapsed_ms = started.elapsed().as_millis();
        tracing::info!(
            tables_checked = summary.tables_checked,
            tables_repaired = summary.columns_removed.len(),
            elapsed_ms = summary.elapsed_ms,
            "database repaired"
        );
        Ok(summary)
    }

    /// Repairs one table in half of the time that is left, so that those that hang leave some to the others.
    async fn repair_table_in_time(
        &self,
        repair: Repair,
        end: Instant,
    ) -> Result<Vec<String>, TableError> {
        let table = repair.table_input.name.clone();
        let now = Instant::now();
        let left = end.saturating_duration_since(now);
        if left.is_zero() {
            return Err(TableError::Time { table });
        }
        timeout_at(now + left / 2, self.repair_table(repair))
            .await
            .unwrap_or(Err(TableError::Time { table }))
    }

    /// Repairs one table and returns the columns that went: none if the table needs nothing any more.
    async fn repair_table(&self, mut repair: Repair) -> Result<Vec<String>, TableError> {
        for attempt in 1..=MAX_ATTEMPTS {
            let refusal = match self.catalog.update(&repair).await? {
                Update::Done => return Ok(repair.removed),
                Update::Gone => return Ok(Vec::new()),
                Update::Moved => None,
                Update::MaybeMoved(refusal) => Some(refusal),
            };
            let name = &repair.table_input.name;
            tracing::info!(table = name, attempt, "table not updated, reading it again");
            tokio::time::sleep(PAUSE * attempt).await;
            let table = match (self.catalog.table(name).await, refusal) {
                (Ok(None), _) => return Ok(Vec::new()),
                (Ok(Some(now)), Some(refusal)) if now.version_id == repair.version_id => {
                    return Err(refusal);
                }
                (Ok(Some(now)), _) => now,
                (Err(error), refusal) => return Err(refusal.unwrap_or(error)),
            };
            match examine(table) {
                Verdict::Repair(again) => repair = *again,
                Verdict::Sound | Verdict::LeaveAlone(_) => return Ok(Vec::new()),
            }
        }
        Err(TableError::Contended {
            table: repair.table_input.name,
            attempts: MAX_ATTEMPTS,
        })
    }
}
