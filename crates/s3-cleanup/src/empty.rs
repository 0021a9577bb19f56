//! Emptying one bucket: sweeps until one finds nothing.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::bucket::{Bucket, CallError, UploadPage};
use crate::error::Cause;
use crate::plan::MAX_LISTINGS;
use crate::progress::Progress;
use crate::sweep::sweep;

/// How many sweeps may find something. A first one does in every bucket that is not empty; further ones find what
/// was written in the meantime.
const MAX_PASSES: u32 = 10;

/// The wait between sweeps once a second one has found something: time for late writers to come to their end.
const LATE_WRITER_PAUSE: Duration = Duration::from_secs(1);

/// What became of a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Emptied {
    /// It holds nothing.
    Empty,
    /// It does not carry the tag that allows to empty it; it is as it was.
    WithoutConsent,
    /// There is no such bucket, or no longer.
    Gone,
}

/// Empties the bucket of versions, delete markers and incomplete uploads, if it consents.
pub(crate) async fn empty(bucket: &Bucket<'_>, progress: &Progress) -> Result<Emptied, Cause> {
    match empty_with_consent(bucket, progress).await {
        Ok(emptied) => Ok(emptied),
        Err(CallError::NoSuchBucket) => Ok(Emptied::Gone),
        Err(CallError::Cause(cause)) => Err(cause),
    }
}

async fn empty_with_consent(
    bucket: &Bucket<'_>,
    progress: &Progress,
) -> Result<Emptied, CallError> {
    // Looking does not need the consent, and takes as long.
    let (consents, uploads) = tokio::join!(bucket.consents(), bucket.uploads(None));
    if !consents? {
        return Ok(Emptied::WithoutConsent);
    }
    sweep_until_empty(bucket, progress, uploads?).await?;
    Ok(Emptied::Empty)
}

async fn sweep_until_empty(
    bucket: &Bucket<'_>,
    progress: &Progress,
    uploads: UploadPage,
) -> Result<(), CallError> {
    let mut first_uploads = Some(uploads);
    for pass in 1..=MAX_PASSES {
        // Uploads first: one that is completed in the meantime becomes a version for the sweep.
        let uploads = match first_uploads.take() {
            Some(uploads) => uploads,
            None => bucket.uploads(None).await?,
        };
        let aborted = abort(bucket, uploads).await?;
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

/// Aborts the incomplete uploads of a page and all behind it, and returns how many there were.
async fn abort(bucket: &Bucket<'_>, mut page: UploadPage) -> Result<usize, CallError> {
    let mut aborted = 0;
    loop {
        aborted += page.uploads.len();
        stream::iter(page.uploads)
            .map(|upload| bucket.abort(upload))
            .buffer_unordered(MAX_LISTINGS)
            .try_collect::<()>()
            .await?;
        let Some(next) = page.next else {
            return Ok(aborted);
        };
        page = bucket.uploads(Some(next)).await?;
    }
}
