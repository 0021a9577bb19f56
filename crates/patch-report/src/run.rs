//! The work: everything in its order, the queries side by side.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use aws_smithy_types::DateTime;
use futures_util::future::join_all;
use lambda_sdk::chain;

use crate::aws::Clients;
use crate::catalog::{self, Found};
use crate::cli::Args;
use crate::csv::CsvFile;
use crate::error::Failure;
use crate::intake::{Intake, Part};
use crate::outcome::Outcome;
use crate::outputs::Outputs;
use crate::parts::{BehindPart, FindingsPart, GonePart, NodesPart, SilentPart, WaitingPart};
use crate::progress::{Progress, QueryProgress};
use crate::queries::{self, Ended, Running, SavedQueries, SavedQuery, Statistics};
use crate::report::{Parts, QUERIES, Report, time_text};
use crate::results;
use crate::summary::{QuerySummary, Status, Summary};

/// How long stopping a query may take; they are stopped side by side.
const STOP_TIME: Duration = Duration::from_secs(10);

/// Runs the queries and writes the report.
///
/// When `interrupted` returns meanwhile, the running queries are stopped.
///
/// # Errors
///
/// [`Failure`] if nothing could be reported; no file is changed then.
pub async fn run(
    args: &Args,
    config: &SdkConfig,
    progress: &Progress,
    interrupted: impl Future<Output = ()>,
) -> Result<Outcome, Failure> {
    let outputs = Outputs::open(args)?;
    let work = Work {
        args,
        clients: Clients::new(config),
        progress,
        running: RefCell::default(),
    };
    let gathered = tokio::select! {
        gathered = Box::pin(work.gather(config)) => gathered?,
        () = interrupted => {
            work.stop_all().await;
            return Err(Failure::Interrupted);
        }
    };
    let Gathered {
        summary,
        parts,
        csv,
    } = gathered;
    if let Some(query) = summary.queries.first()
        && summary
            .queries
            .iter()
            .all(|query| query.status != Status::Succeeded)
    {
        return Err(Failure::NoResults {
            query: query.name,
            reason: query.reason.clone().unwrap_or_default(),
        });
    }
    let report = Report::new(summary, parts);
    outputs.write(&report, csv)?;
    Ok(Outcome {
        out: args.out.clone(),
        summary: report.summary,
        fail_under: args.fail_under.clone(),
    })
}

struct Gathered {
    summary: Summary,
    parts: Parts,
    csv: Vec<CsvFile>,
}

/// What one query gave.
struct Asked<P> {
    summary: QuerySummary,
    part: Option<P>,
    csv: Option<CsvFile>,
}

impl<P> Asked<P> {
    /// Adds to what all queries tell, and gives what only this one does.
    fn told(self, queries: &mut Vec<QuerySummary>, csv: &mut Vec<CsvFile>) -> Option<P> {
        queries.push(self.summary);
        csv.extend(self.csv);
        self.part
    }
}

struct Work<'a> {
    args: &'a Args,
    clients: Clients,
    progress: &'a Progress,
    /// The queries that Athena works on, by their names.
    running: RefCell<BTreeMap<&'static str, Running>>,
}

impl Work<'_> {
    async fn gather(&self, config: &SdkConfig) -> Result<Gathered, Failure> {
        let account = account(config, self.args.profile.as_deref()).await?;
        let region = config.region().ok_or(Failure::NoRegion)?.as_ref();
        let workgroup = &self.args.workgroup;
        let saved = queries::saved_queries(&self.clients.athena, workgroup)
            .await
            .map_err(|source| Failure::Workgroup {
                profile: self.args.profile.clone(),
                workgroup: workgroup.clone(),
                region: region.to_owned(),
                source: Box::new(source),
            })?;
        let database = self.database(&saved, region)?;
        self.look_into_catalog(&database, region).await?;

        let saved = &saved;
        let (nodes, findings, waiting, behind, silent, gone) = tokio::join!(
            Box::pin(self.ask::<NodesPart>(saved)),
            Box::pin(self.ask::<FindingsPart>(saved)),
            Box::pin(self.ask::<WaitingPart>(saved)),
            Box::pin(self.ask::<BehindPart>(saved)),
            Box::pin(self.ask::<SilentPart>(saved)),
            Box::pin(self.ask::<GonePart>(saved)),
        );
        let days = self
            .choose(saved, NodesPart::QUERY)
            .ok()
            .and_then(|query| queries::stale_after_days(&query.sql));
        let (mut queries, mut csv) = (Vec::new(), Vec::new());
        let parts = Parts {
            nodes: nodes.told(&mut queries, &mut csv),
            findings: findings.told(&mut queries, &mut csv),
            waiting: waiting.told(&mut queries, &mut csv),
            behind: behind.told(&mut queries, &mut csv),
            silent: silent.told(&mut queries, &mut csv),
            gone: gone.told(&mut queries, &mut csv),
        };
        let made = time_text(DateTime::from(SystemTime::now()).secs()).unwrap_or_default();
        let summary = Summary {
            workgroup: workgroup.clone(),
            database,
            region: region.to_owned(),
            account,
            stale_after_days: days,
            ..Summary::new(made, queries)
        };
        Ok(Gathered {
            summary,
            parts,
            csv,
        })
    }

    fn choose(&self, saved: &SavedQueries, name: &str) -> Result<SavedQuery, String> {
        queries::choose(saved, name, self.args.database.as_deref())
    }

    /// The database that the report is of: that of the first query that is there.
    fn database(&self, saved: &SavedQueries, region: &str) -> Result<String, Failure> {
        let mut found = QUERIES
            .iter()
            .filter_map(|name| self.choose(saved, name).ok());
        if let Some(query) = found.next() {
            return Ok(query.database);
        }
        // Several of one name, or one that Athena withholds, are a matter of the queries, each of which says so.
        if !saved.withheld.is_empty()
            || saved
                .all
                .iter()
                .any(|query| QUERIES.contains(&query.name.as_str()))
        {
            return Ok(self.args.database.clone().unwrap_or_default());
        }
        Err(Failure::NoQueries {
            workgroup: self.args.workgroup.clone(),
            region: region.to_owned(),
            query: NodesPart::QUERY,
        })
    }

    async fn look_into_catalog(&self, database: &str, region: &str) -> Result<(), Failure> {
        if database.is_empty() {
            return Ok(());
        }
        match catalog::look(&self.clients.glue, database).await {
            Ok(Found::NoDatabase) => Err(Failure::NoDatabase {
                database: database.to_owned(),
                region: region.to_owned(),
            }),
            Ok(Found::Lacks(tables)) if tables.len() == catalog::TABLES.len() => {
                Err(Failure::NoTables {
                    database: database.to_owned(),
                    region: region.to_owned(),
                    table: catalog::TABLES[0],
                })
            }
            Ok(Found::Lacks(tables)) => {
                if !tables.is_empty() {
                    self.progress.line(&format!(
                        "database {database:?} lacks {}: queries on them will fail; run the reporting stack's crawler",
                        tables.join(", ")
                    ));
                }
                Ok(())
            }
            // Athena itself will say what is wrong, if anything is.
            Err(error) => {
                self.progress.line(&format!(
                    "the tables of database {database:?} could not be looked at: {error}"
                ));
                Ok(())
            }
        }
    }

    /// Runs one query to its end, whatever that is.
    async fn ask<P: Part>(&self, saved: &SavedQueries) -> Asked<P> {
        let progress = self.progress.query(P::QUERY);
        let mut summary = QuerySummary {
            name: P::QUERY,
            status: Status::Missing,
            reason: None,
            rows: None,
            scanned_bytes: None,
            seconds: None,
        };
        let (mut part, mut csv) = (None, None);
        match self.choose(saved, P::QUERY) {
            Err(reason) => summary.reason = Some(reason),
            Ok(query) => {
                let mut statistics = Statistics::default();
                let limit = self.args.timeout;
                let ended =
                    tokio::time::timeout(limit, self.result(&query, &mut statistics, &progress))
                        .await;
                if !matches!(ended, Ok(Ok(_))) {
                    // What nobody waits for any more shall cost nothing any more.
                    self.stop(P::QUERY).await;
                }
                summary.scanned_bytes = statistics.scanned_bytes;
                summary.seconds = statistics.seconds;
                match ended {
                    Ok(Ok(intake)) => {
                        summary.status = Status::Succeeded;
                        summary.rows = Some(intake.rows);
                        (part, csv) = (Some(intake.part), intake.csv);
                    }
                    Ok(Err((status, reason))) => {
                        summary.status = status;
                        summary.reason = Some(reason);
                    }
                    Err(_) => {
                        summary.status = Status::TimedOut;
                        summary.reason = Some(format!(
                            "it took longer than {} s (--timeout)",
                            limit.as_secs()
                        ));
                    }
                }
            }
        }
        progress.ended(&ending(&summary));
        Asked { summary, part, csv }
    }

    async fn result<P: Part>(
        &self,
        query: &SavedQuery,
        statistics: &mut Statistics,
        progress: &QueryProgress<'_>,
    ) -> Result<Taken<P>, (Status, String)> {
        let athena = &self.clients.athena;
        let failed = |reason: String| (Status::Failed, reason);
        let csv = self.csv_file(P::QUERY).map_err(failed)?;
        progress.state("starting");
        let query = Running::new(athena, &self.args.workgroup, query);
        self.running.borrow_mut().insert(P::QUERY, query.clone());
        let id = query.id().await.map_err(|error| {
            if error.code().is_some() {
                // Athena refused it. Without an answer it may well run.
                self.running.borrow_mut().remove(P::QUERY);
            }
            failed(format!("start it: {error}"))
        })?;
        let started = Running::Started(id.clone());
        self.running.borrow_mut().insert(P::QUERY, started);
        let (ended, counted) = queries::wait(athena, &id, |state| progress.state(state))
            .await
            .map_err(|error| failed(format!("see how it goes: {error}")))?;
        self.running.borrow_mut().remove(P::QUERY);
        *statistics = counted;
        let output_location = match ended {
            Ended::Succeeded { output_location } => output_location,
            Ended::Failed(reason) => return Err((Status::Failed, reason)),
            Ended::Cancelled(reason) => return Err((Status::Cancelled, reason)),
        };
        let mut intake = Intake::<P>::new(csv);
        match output_location {
            Some(location) => {
                results::from_s3(&self.clients.s3, &location, &mut intake, progress).await
            }
            None => results::from_athena(athena, &id, &mut intake, progress).await,
        }
        .map_err(|error| failed(error.to_string()))?;
        let rows = intake.rows();
        let (part, csv) = intake.finish().map_err(|error| failed(error.to_string()))?;
        Ok(Taken { part, csv, rows })
    }

    fn csv_file(&self, query: &str) -> Result<Option<CsvFile>, String> {
        let Some(directory) = &self.args.csv else {
            return Ok(None);
        };
        let path = CsvFile::path_of(directory, query);
        CsvFile::create(&path)
            .map(Some)
            .map_err(|error| format!("write {}: {error}", path.display()))
    }

    /// Stops a query if Athena works on it.
    async fn stop(&self, name: &'static str) {
        let Some(query) = self.running.borrow().get(name).cloned() else {
            return;
        };
        let stopped =
            tokio::time::timeout(STOP_TIME, queries::stop(&self.clients.athena, query)).await;
        // Not before: an interrupt meanwhile stops it once more.
        self.running.borrow_mut().remove(name);
        let reason = match stopped {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        self.progress.line(&format!(
            "{name}: it could not be stopped, and may go on in Athena: {reason}"
        ));
    }

    async fn stop_all(&self) {
        let names: Vec<_> = self.running.borrow().keys().copied().collect();
        join_all(names.into_iter().map(|name| self.stop(name))).await;
    }
}

struct Taken<P> {
    part: P,
    csv: Option<CsvFile>,
    rows: u64,
}

/// How a query ended, for a person.
fn ending(summary: &QuerySummary) -> String {
    match (&summary.reason, summary.rows) {
        (Some(reason), _) => format!("{}: {reason}", summary.status.as_str()),
        (None, rows) => {
            let mut text = format!("{} rows", rows.unwrap_or_default());
            if let Some(seconds) = summary.seconds {
                let _ = write!(text, " in {seconds:.1} s");
            }
            if let Some(bytes) = summary.scanned_bytes {
                #[expect(clippy::cast_precision_loss, reason = "for reading")]
                let megabytes = bytes as f64 / 1e6;
                let _ = write!(text, ", {megabytes:.1} MB read");
            }
            text
        }
    }
}

/// The caller's account as far as the credentials tell it. Asked for first of all: without credentials every call would fail in
/// its own words.
async fn account(config: &SdkConfig, profile: Option<&str>) -> Result<Option<String>, Failure> {
    let missing = |reason| Failure::NoCredentials {
        profile: profile.map(str::to_owned),
        reason,
    };
    let provider = config
        .credentials_provider()
        .ok_or_else(|| missing("none are configured".to_owned()))?;
    let credentials = provider
        .provide_credentials()
        .await
        .map_err(|error| missing(chain(&error)))?;
    Ok(credentials.account_id().map(|id| id.as_str().to_owned()))
}
