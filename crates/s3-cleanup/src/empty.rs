//! Emptying one bucket: sweeps until one finds nothing.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::bucket::{Bucket, CallError};
use crate::error::Cause;
use crate::progress::Progress;
use crate::sweep::{MAX_IN_FLIGHT, sweep};

/// How many sweeps may find something. A first one does in every bucket that is not empty; further ones find what
/// was written in the meantime.
const MAX_PASSES: u32 = 10;

/// The wait between sweeps once a second one has found something: time for late writers to come to their end.
const LATE_WRITER_PAUSE: Duration = Duration::from_secs(1);

/// Empties the bucket of versions, delete markers and incomplete uploads. A bucket that does not exist is empty.
pub(crate) async fn empty(bucket: &Bucket<'_>, progress: &Progress) -> Result<(), Cause> {
    match sweep_until_empty(bucket, progress).await {
        Ok(()) => Ok(()),
        Err(CallError::NoSuchBucket) => {
            tracing::info!(bucket = %bucket.name, "bucket is gone");
            Ok(())
        }
        Err(CallError::Cause(cause)) => Err(cause),
    }
}

async fn sweep_until_empty(bucket: &Bucket<'_>, progress: &Progress) -> Result<(), CallError> {
    for pass in 1..=MAX_PASSES {
        // Uploads first: one that is completed in the meantime becomes a version for the sweep.
        let aborted = abort_uploads(bucket).await?;
        let swept = sweep(bucket, progress).await?;
        if !swept.refusals.is_empty() {
            return Err(CallError::Cause(Cause::Refused(swept.refusals)));
        }
        if aborted == 0 && swept.found == 0 {
            return Ok(());
        }
        tracing::info!(bucket = %bucket.name, pass, aborted, found = swept.found, "bucket swept");
        if pass > 1 {
            tokio::time::sleep(LATE_WRITER_PAUSE).await;
        }
    }
    Err(CallError::Cause(Cause::Refilled { passes: MAX_PASSES }))
}

/// Aborts all incomplete uploads and returns how many there were.
async fn abort_uploads(bucket: &Bucket<'_>) -> Result<usize, CallError> {
    let mut aborted = 0;
    let mut from = None;
    loop {
        let page = bucket.uploads(from).await?;
        aborted += page.uploads.len();
        stream::iter(page.uploads)
            .map(|upload| bucket.abort(upload))
            .buffer_unordered(MAX_IN_FLIGHT)
            .try_collect::<()>()
            .await?;
        from = page.next;
        if from.is_none() {
            return Ok(aborted);
        }
    }
}
