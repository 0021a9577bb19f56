//! Until when a request may be worked on. What is cut off in the middle may have been carried out
//! all the same, so that the work ends early enough to look, and to take away again what was made.

use std::time::Duration;

use cfn_response::Deadline;

use crate::error::Error;

/// What the work leaves of its time for looking what became of it and for taking away what was
/// made: a deletion with one repeated call, and its disappearance from the list.
const CLEANUP_RESERVE: Duration = Duration::from_mins(1);

/// The two ends of a piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    work: Deadline,
    cleanup: Deadline,
}

impl Bounds {
    /// The bounds of a piece of work that has to be over, its traces included, by `end`.
    pub(crate) fn until(end: Deadline) -> Self {
        Self {
            work: end.less(CLEANUP_RESERVE),
            cleanup: end,
        }
    }

    /// Takes a step of the work, named in words that follow "failed to".
    ///
    /// # Errors
    ///
    /// The step's own, or [`Error::Time`].
    pub(crate) async fn work<T>(
        self,
        step: &str,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        by(self.work, step, future).await
    }

    /// Takes a step of what follows the work.
    ///
    /// # Errors
    ///
    /// The step's own, or [`Error::Time`].
    pub(crate) async fn cleanup<T>(
        self,
        step: &str,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        by(self.cleanup, step, future).await
    }
}

async fn by<T>(
    end: Deadline,
    step: &str,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    // Boxed, because the futures of the SDK's calls are large.
    match tokio::time::timeout_at(end.instant(), Box::pin(future)).await {
        Ok(result) => result,
        Err(_) => Err(Error::Time(step.to_owned())),
    }
}
