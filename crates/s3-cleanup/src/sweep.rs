//! One sweep through a bucket: everything is listed, and deleted while the listing goes on.
//!
//! All of it is one task that has many requests under way. Which one comes next is the [`Plan`]'s to say, how fast deletes
//! are sent the [`Paces`]'.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, interval_at};

use crate::bucket::{Bucket, CallError, Deletion, Page};
use crate::error::{Refusal, Refusals};
use crate::pace::Paces;
use crate::plan::{Plan, Range, Step};
use crate::progress::{LOG_INTERVAL, Progress};
use crate::versions::Versions;

/// How often a version that S3 refuses for a passing reason is sent, the first time included.
const MAX_ATTEMPTS: u32 = 6;

/// The longest wait before the second time; before each further one it is twice as long. What is waited is a random
/// part of it, at least half, so that deletes that were refused together do not come back together.
const BACK_OFF: Duration = Duration::from_millis(200);

/// The error code of what was too much at the moment.
const SLOW_DOWN: &str = "SlowDown";

/// What a sweep came to.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// How many versions and delete markers the listings held.
    pub(crate) found: usize,
    /// Those that S3 refused to delete.
    pub(crate) refusals: Refusals,
}

/// Sweeps the bucket once, as planned.
pub(crate) async fn sweep(
    bucket: &Bucket<'_>,
    progress: &Progress,
    mut plan: Plan,
) -> Result<Swept, CallError> {
    let mut swept = Swept::default();
    let pace = Paces::new();
    let mut in_flight = FuturesUnordered::new();
    let mut log = interval_at(Instant::now() + LOG_INTERVAL, LOG_INTERVAL);
    loop {
        while let Some(step) = plan.next() {
            in_flight.push(run(step, bucket, &pace));
        }
        let done = tokio::select! {
            done = in_flight.next() => done,
            _ = log.tick() => {
                progress.log(bucket.name, in_flight.len());
                continue;
            }
        };
        let Some(done) = done else {
            swept.found = plan.found();
            return Ok(swept);
        };
        match done? {
            Done::Listed(range, listed) => {
                plan.listed(&range, *listed);
            }
            Done::Deleted { count, refused } => {
                plan.deleted();
                progress.add(count);
                for refusal in refused {
                    swept.refusals.add(refusal);
                }
            }
        }
        // Answers are many at once. Between them the next requests go out and the next answers come in.
        tokio::task::yield_now().await;
    }
}

/// What became of a [`Step`].
enum Done {
    Listed(Range, Box<Page>),
    Deleted { count: u64, refused: Vec<Refusal> },
}

async fn run(step: Step, bucket: &Bucket<'_>, pace: &Paces) -> Result<Done, CallError> {
    match step {
        Step::List(range) => {
            let listed = bucket.list(&range).await?;
            Ok(Done::Listed(range, Box::new(listed)))
        }
        Step::Delete(lane, versions) => delete(bucket, pace, lane, versions).await,
    }
}

/// Deletes versions. What S3 is too busy for is sent again at a slower pace, for as long as there is time; single
/// versions that it refuses for another passing reason are sent again a few times.
async fn delete(
    bucket: &Bucket<'_>,
    pace: &Paces,
    lane: usize,
    mut versions: Versions,
) -> Result<Done, CallError> {
    let mut count = 0;
    let mut refused = Vec::new();
    let mut attempt = 1;
    while !versions.is_empty() {
        let sent = pace.turn(lane, versions.len()).await;
        let deletion = bucket.delete(&versions).await?;
        let Deletion::Done(answers) = deletion else {
            pace.slowed_down(lane, sent, versions.len());
            continue;
        };
        let deleted = versions.len().saturating_sub(answers.len());
        if deleted > 0 {
            count += deleted as u64;
            pace.deleted(lane);
        }
        let mut slowed_down = 0;
        let mut again = Vec::new();
        for (version, refusal) in answers {
            match version {
                Some(version) if refusal.code == SLOW_DOWN => {
                    slowed_down += 1;
                    again.push(version);
                }
                Some(version) if is_passing(&refusal.code) && attempt < MAX_ATTEMPTS => {
                    again.push(version);
                }
                _ => refused.push(refusal),
            }
        }
        versions = again.into_iter().collect();
        if slowed_down > 0 {
            pace.slowed_down(lane, sent, slowed_down);
        }
        if versions.len() > slowed_down {
            let longest = BACK_OFF * 2_u32.pow(attempt - 1);
            tokio::time::sleep(longest.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            attempt += 1;
        }
    }
    Ok(Done::Deleted { count, refused })
}

/// Whether the error code of a single key says that the same request may succeed later.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Error.html>.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "InternalError" | "ServiceUnavailable" | "OperationAborted"
    )
}
