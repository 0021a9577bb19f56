//! How far the work on a bucket is. It is kept outside of the work, so that it can still be told when the time
//! runs out in the middle.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// How often progress is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Counts the versions that are gone.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    logged: Cell<Instant>,
    deleted: Cell<u64>,
}

impl Progress {
    /// Begins to count now.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            logged: Cell::new(now),
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

    /// Logs the state of things, unless it was logged a moment ago.
    pub(crate) fn log(&self, in_flight: usize) {
        if self.logged.get().elapsed() < LOG_INTERVAL {
            return;
        }
        self.logged.set(Instant::now());
        let deleted_per_second =
            u128::from(self.deleted()) * 1_000 / self.elapsed().as_millis().max(1);
        tracing::info!(
            deleted = self.deleted(),
            deleted_per_second,
            in_flight,
            "emptying"
        );
    }
}
