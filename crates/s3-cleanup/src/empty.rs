//! Emptying one bucket: sweeps until one finds nothing.

use std::time::Duration;

use futures_util::future::{self, Either};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::bucket::{Bucket, CallError};
use crate::error::Cause;
use crate::plan::{MAX_LISTINGS, Plan, Range};
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
    // Looking needs no consent, and what is seen is where the first sweep begins.
    let (whole, top_level) = (Range::of_bucket(), Range::of_top_level());
    let consents = Box::pin(bucket.consents());
    let look = Box::pin(future::join(bucket.list(&whole), bucket.list(&top_level)));
    let (consents, look) = match future::select(consents, look).await {
        Either::Left((Ok(true), look)) => (Ok(true), look.await),
        Either::Left((refusal, _)) => return refusal.map(|_| Emptied::WithoutConsent),
        Either::Right((look, consents)) => (consents.await, look),
    };
    if !consents? {
        return Ok(Emptied::WithoutConsent);
    }
    let (first, folders) = look;
    sweep_until_empty(bucket, progress, Plan::of(first?, folders?)).await?;
    Ok(Emptied::Empty)
}

async fn sweep_until_empty(
    bucket: &Bucket<'_>,
    progress: &Progress,
    mut plan: Plan,
) -> Result<(), CallError> {
    for pass in 1..=MAX_PASSES {
        // An upload that is completed in the meantime becomes a version, like any other for which it is not too late.
        let (aborted, swept) = tokio::join!(abort_uploads(bucket), sweep(bucket, progress, plan));
        let (swept, aborted) = (swept?, aborted?);
        plan = Plan::new();
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
            .buffer_unordered(MAX_LISTINGS)
            .try_collect::<()>()
            .await?;
        from = page.next;
        if from.is_none() {
            return Ok(aborted);
        }
    }
}
