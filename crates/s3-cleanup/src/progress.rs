//! How far the work on a bucket is. It is kept outside of the work, so that it can still be told when the time
//! runs out in the middle.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use crate::bucket_name::BucketName;

/// How often progress is logged.
pub(crate) const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Counts the versions that are gone.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    deleted: Cell<u64>,
}

impl Progress {
    /// Begins to count now.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            deleted: Cell::new(0),
        }
    }

    /// Counts `deleted` more.
    pub(crate) fn add(&self, deleted: u64) {
        self.deleted.set(self.deleted() + deleted);
    }

    /// How many versions and delete markers are gone.
    pub(crate) fn deleted(&self) -> u64 {
        self.deleted.get()
    }

    /// How long it has taken.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Logs how far the work on the bucket is.
    pub(crate) fn log(&self, bucket: &BucketName, in_flight: usize) {
        let deleted_per_second =
            u128::from(self.deleted()) * 1_000 / self.elapsed().as_millis().max(1);
        tracing::info!(
            bucket = %bucket,
            deleted = self.deleted(),
            deleted_per_second,
            in_flight,
            "emptying"
        );
    }
}
