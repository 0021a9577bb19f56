//! Emptying one bucket: sweeps until one finds nothing.

use std::time::Duration;

use futures_util::future::{self, Either};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::bucket::{Bucket, CallError, Page, UploadPage};
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
    let consents = Box::pin(bucket.consents());
    let look = Box::pin(look(bucket, true));
    let (consents, seen) = match future::select(consents, look).await {
        Either::Left((Ok(true), look)) => (Ok(true), look.await),
        Either::Left((refusal, _)) => return refusal.map(|_| Emptied::WithoutConsent),
        Either::Right((seen, consents)) => (consents.await, seen),
    };
    if !consents? {
        return Ok(Emptied::WithoutConsent);
    }
    sweep_until_empty(bucket, progress, seen?).await?;
    Ok(Emptied::Empty)
}

/// What is in a bucket, as far as the first page of each listing tells.
struct Seen {
    uploads: UploadPage,
    versions: Page,
    /// The top-level folders, if they were looked for.
    folders: Option<Page>,
}

async fn look(bucket: &Bucket<'_>, for_folders: bool) -> Result<Seen, CallError> {
    let (whole, top_level) = (Range::of_bucket(), Range::of_top_level());
    let folders = async {
        if for_folders {
            bucket.list(&top_level).await.map(Some)
        } else {
            Ok(None)
        }
    };
    let (uploads, versions, folders) =
        tokio::join!(bucket.uploads(None), bucket.list(&whole), folders);
    Ok(Seen {
        uploads: uploads?,
        versions: versions?,
        folders: folders?,
    })
}

async fn sweep_until_empty(
    bucket: &Bucket<'_>,
    progress: &Progress,
    mut seen: Seen,
) -> Result<(), CallError> {
    let mut pass = 1;
    loop {
        // Uploads first: if they may not be aborted, nothing is deleted.
        let aborted = abort(bucket, seen.uploads).await?;
        let plan = Plan::of(seen.versions, seen.folders);
        let swept = sweep(bucket, progress, plan).await?;
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
        if pass == MAX_PASSES {
            return Err(CallError::Cause(Cause::Refilled { passes: MAX_PASSES }));
        }
        pass += 1;
        seen = look(bucket, false).await?;
    }
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
