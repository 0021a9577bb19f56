//! The calls to Athena: the saved queries, and running them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_athena::Client;
use aws_sdk_athena::operation::start_query_execution::builders::StartQueryExecutionFluentBuilder;
use aws_sdk_athena::types::{
    NamedQuery, QueryExecution, QueryExecutionContext, QueryExecutionState,
};
use lambda_sdk::AwsError;

/// How many saved queries one call gives:
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_BatchGetNamedQuery.html>.
const MAX_BATCH: usize = 50;

/// Time between two looks at a query, at first and in the end. A small query takes a second or two.
const FIRST_POLL: Duration = Duration::from_millis(250);
const LONGEST_POLL: Duration = Duration::from_secs(3);

/// A saved query to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedQuery {
    pub(crate) sql: String,
    pub(crate) database: String,
}

/// How a query ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With its result here, or with Athena itself if there is no such address.
    Succeeded {
        output_location: Option<String>,
    },
    Failed(String),
    Cancelled(String),
}

/// What Athena counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) scanned_bytes: Option<i64>,
    pub(crate) seconds: Option<f64>,
}

/// The saved queries of a workgroup.
#[derive(Debug, Default)]
pub(crate) struct SavedQueries {
    pub(crate) all: Vec<NamedQuery>,
    /// Why Athena did not give some of them, in its words; one that has just been deleted is such a one too.
    pub(crate) withheld: Vec<String>,
}

/// All saved queries of a workgroup.
pub(crate) async fn saved_queries(
    athena: &Client,
    workgroup: &str,
) -> Result<SavedQueries, AwsError> {
    let mut pages = athena
        .list_named_queries()
        .work_group(workgroup)
        .into_paginator()
        .send();
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        ids.extend(page?.named_query_ids.into_iter().flatten());
    }
    let mut queries = SavedQueries::default();
    for some in ids.chunks(MAX_BATCH) {
        let answer = athena
            .batch_get_named_query()
            .set_named_query_ids(Some(some.to_vec()))
            .send()
            .await?;
        queries
            .all
            .extend(answer.named_queries.into_iter().flatten());
        let withheld = answer.unprocessed_named_query_ids.into_iter().flatten();
        queries.withheld.extend(withheld.map(|query| {
            format!(
                "{}: {}",
                query.error_code.unwrap_or_default(),
                query.error_message.unwrap_or_default()
            )
        }));
    }
    Ok(queries)
}

/// The saved query of that name, to be run on `database` or else on the one that it was saved for.
///
/// Names are not unique in a workgroup. Copies count as one, and of several those for `database` come first.
///
/// # Errors
///
/// The reason why there is no one query of that name.
pub(crate) fn choose(
    saved: &SavedQueries,
    name: &str,
    database: Option<&str>,
) -> Result<SavedQuery, String> {
    let mut named: Vec<&NamedQuery> = saved
        .all
        .iter()
        .filter(|query| query.name == name)
        .collect();
    if let Some(database) = database
        && named.iter().any(|query| query.database == database)
    {
        named.retain(|query| query.database == database);
    }
    let Some(first) = named.first() else {
        return Err(match &saved.withheld[..] {
            [] => "the workgroup has no saved query of this name".to_owned(),
            [first, ..] => format!(
                "it is none of the saved queries that Athena gave, and it did not give {}: {first}",
                saved.withheld.len()
            ),
        });
    };
    let is_other = |query: &&&NamedQuery| {
        (&query.query_string, &query.database) != (&first.query_string, &first.database)
    };
    if named.iter().any(|query| is_other(&query)) {
        return Err(format!(
            "the workgroup has {} saved queries of this name, which differ; delete all but one, or choose by --database",
            named.len()
        ));
    }
    Ok(SavedQuery {
        sql: first.query_string.clone(),
        database: database.unwrap_or(&first.database).to_owned(),
    })
}

/// From how many days on the query counts a scan as stale.
pub(crate) fn stale_after_days(sql: &str) -> Option<u32> {
    let (_, after) = sql.split_once("interval '")?;
    let (days, unit) = after.split_once('\'')?;
    unit.trim_start()
        .starts_with("day")
        .then(|| days.parse().ok())?
}

/// A query that Athena works on, or may work on.
#[derive(Clone, Debug)]
pub(crate) enum Running {
    /// Its start is under way, and nobody knows whether Athena has it. Sent again, it is the same start: it has a token.
    Starting(Box<StartQueryExecutionFluentBuilder>),
    /// It has this id.
    Started(String),
}

impl Running {
    /// A query that is still to be started, by [`id`](Self::id).
    pub(crate) fn new(athena: &Client, workgroup: &str, query: &SavedQuery) -> Self {
        let context = QueryExecutionContext::builder()
            .database(&query.database)
            .build();
        let start = athena
            .start_query_execution()
            .work_group(workgroup)
            .query_string(&query.sql)
            .query_execution_context(context)
            .client_request_token(token());
        Self::Starting(Box::new(start))
    }

    /// The query's id; asks Athena for it, and so starts the query, unless that is done.
    pub(crate) async fn id(self) -> Result<String, AwsError> {
        match self {
            Self::Starting(start) => {
                let started = start.send().await?;
                Ok(started.query_execution_id.unwrap_or_default())
            }
            Self::Started(id) => Ok(id),
        }
    }
}

/// A text that no other start has, as long as Athena wants it at least.
fn token() -> String {
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!(
        "patch-report-{:024}-{}-{}",
        since.as_nanos(),
        std::process::id(),
        STARTS.fetch_add(1, Ordering::Relaxed)
    )
}

/// Waits until a query has ended; tells `seen` its state meanwhile.
pub(crate) async fn wait(
    athena: &Client,
    id: &str,
    seen: impl Fn(&str),
) -> Result<(Ended, Statistics), AwsError> {
    let mut pause = FIRST_POLL;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_POLL);
        let answer = athena
            .get_query_execution()
            .query_execution_id(id)
            .send()
            .await?;
        let Some(execution) = answer.query_execution else {
            continue;
        };
        let state = execution
            .status
            .as_ref()
            .and_then(|status| status.state.clone());
        let statistics = statistics(&execution);
        let ended = match state {
            Some(QueryExecutionState::Succeeded) => Ended::Succeeded {
                output_location: execution
                    .result_configuration
                    .and_then(|result| result.output_location)
                    .filter(|location| !location.is_empty()),
            },
            Some(QueryExecutionState::Failed) => Ended::Failed(reason(execution)),
            Some(QueryExecutionState::Cancelled) => Ended::Cancelled(reason(execution)),
            other => {
                seen(
                    &other
                        .as_ref()
                        .map_or_else(String::new, |state| state.as_str().to_lowercase()),
                );
                continue;
            }
        };
        return Ok((ended, statistics));
    }
}

fn reason(execution: QueryExecution) -> String {
    let status = execution.status;
    let reason = status.and_then(|status| {
        let of_error = status.athena_error.and_then(|error| error.error_message);
        status.state_change_reason.or(of_error)
    });
    reason.unwrap_or_else(|| "Athena gives no reason".to_owned())
}

fn statistics(execution: &QueryExecution) -> Statistics {
    let counted = execution.statistics.as_ref();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a query")]
    let seconds = |millis: i64| millis as f64 / 1000.0;
    Statistics {
        scanned_bytes: counted.and_then(|counted| counted.data_scanned_in_bytes),
        seconds: counted
            .and_then(|counted| counted.total_execution_time_in_millis)
            .map(seconds),
    }
}

/// Stops a query. One that has ended meanwhile stays as it is.
pub(crate) async fn stop(athena: &Client, query: Running) -> Result<(), AwsError> {
    athena
        .stop_query_execution()
        .query_execution_id(query.id().await?)
        .send()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(name: &str, database: &str, sql: &str) -> NamedQuery {
        NamedQuery::builder()
            .name(name)
            .database(database)
            .query_string(sql)
            .build()
            .unwrap()
    }

    #[test]
    fn a_query_is_chosen_by_its_name_and_then_by_its_database() {
        let all = vec![
            saved("Other", "a", "SELECT 0"),
            saved("One", "a", "SELECT 1"),
            saved("Copied", "a", "SELECT 2"),
            saved("Copied", "a", "SELECT 2"),
            saved("Twice", "a", "SELECT 3"),
            saved("Twice", "b", "SELECT 3"),
        ];
        let all = SavedQueries {
            all,
            withheld: Vec::new(),
        };
        for (name, database, expected) in [
            ("One", None, Some(("SELECT 1", "a"))),
            ("One", Some("b"), Some(("SELECT 1", "b"))),
            ("Copied", None, Some(("SELECT 2", "a"))),
            ("Twice", None, None),
            ("Twice", Some("b"), Some(("SELECT 3", "b"))),
            ("Twice", Some("c"), None),
            ("one", None, None),
        ] {
            let chosen = choose(&all, name, database).ok();
            let expected = expected.map(|(sql, database)| SavedQuery {
                sql: sql.to_owned(),
                database: database.to_owned(),
            });
            assert_eq!(chosen, expected, "{name} {database:?}");
        }
    }

    #[test]
    fn the_days_are_those_of_the_query() {
        for (sql, expected) in [
            (
                "coalesce(node.scannedat < current_timestamp - interval '30' day, true)",
                Some(30),
            ),
            ("interval '7'  day", Some(7)),
            ("interval '7' hour", None),
            ("interval '7' second", None),
            ("interval 'x' day", None),
            ("interval '7", None),
            ("SELECT 1", None),
        ] {
            assert_eq!(stale_after_days(sql), expected, "{sql}");
        }
    }
}
