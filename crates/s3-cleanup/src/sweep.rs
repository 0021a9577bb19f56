//! One sweep through a bucket: everything is listed, and deleted while the listing goes on.
//!
//! A listing alone is slow, for each page has to wait for the one before it. So a folder that turns out to be
//! larger than a page is split into its subfolders, which are listed beside each other, and deletes run beside the
//! listings. All of it is one task that keeps at most [`MAX_IN_FLIGHT`] requests under way and so bounds the memory:
//! deletes go before listings, and a listing that has to wait is no more than a prefix and a marker.
//! Keys of small folders are gathered into full deletes. How fast deletes are sent is the [`Pace`]'s to say.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, interval_at};

use crate::bucket::{Bucket, CallError, Deletion, MAX_KEYS_PER_DELETE, Marker, Page, Version};
use crate::error::{Refusal, Refusals};
use crate::key;
use crate::pace::Pace;
use crate::progress::{LOG_INTERVAL, Progress};

/// How many requests are under way at the same time.
///
/// S3 takes at least 3,500 deletes and 5,500 listings a second for each prefix and answers more with `SlowDown`:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>. Each takes some 50 to
/// 500 ms, and a page of a listing some 0.5 MB of memory.
pub(crate) const MAX_IN_FLIGHT: usize = 32;

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
    pub(crate) found: u64,
    /// Those that S3 refused to delete.
    pub(crate) refusals: Refusals,
}

/// Sweeps the bucket once.
pub(crate) async fn sweep(bucket: &Bucket<'_>, progress: &Progress) -> Result<Swept, CallError> {
    let mut plan = Plan::default();
    let mut swept = Swept::default();
    let pace = Pace::new();
    let mut in_flight = FuturesUnordered::new();
    let mut log = interval_at(Instant::now() + LOG_INTERVAL, LOG_INTERVAL);
    loop {
        while in_flight.len() < MAX_IN_FLIGHT
            && let Some(step) = plan.next()
        {
            in_flight.push(step.run(bucket, &pace));
        }
        let done = tokio::select! {
            done = in_flight.next() => done,
            _ = log.tick() => {
                progress.log(bucket.name, in_flight.len());
                continue;
            }
        };
        let Some(done) = done else {
            return Ok(swept);
        };
        match done? {
            Done::Listed(folder, listing) => {
                swept.found += listing.versions.len() as u64;
                plan.listed(folder, listing);
            }
            Done::Deleted { count, refused } => {
                progress.add(count);
                for refusal in refused {
                    swept.refusals.add(refusal);
                }
            }
        }
    }
}

/// A folder, or the rest of one, whose listing has not ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Folder {
    /// Ends in a slash, or is empty for the whole bucket.
    prefix: String,
    /// Whether its subfolders are listed on their own.
    is_split: bool,
    /// Where the listing goes on.
    from: Option<Marker>,
}

/// What is to be done yet. Holds no requests and decides without waiting, so that the order can be tested.
#[derive(Debug)]
struct Plan {
    /// Used as a stack: folders are worked off depth first, so that few of them are open at the same time.
    folders: Vec<Folder>,
    listings_in_flight: usize,
    /// Versions for `DeleteObjects`.
    gathered: Vec<Version>,
    /// Versions whose keys XML can't carry.
    singles: Vec<Version>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            folders: vec![Folder::default()],
            listings_in_flight: 0,
            gathered: Vec::new(),
            singles: Vec::new(),
        }
    }
}

impl Plan {
    /// The next request to send, or `None` while only an answer can tell, and at the end.
    fn next(&mut self) -> Option<Step> {
        if self.gathered.len() >= MAX_KEYS_PER_DELETE {
            let rest = self.gathered.len() - MAX_KEYS_PER_DELETE;
            return Some(Step::Delete(self.gathered.split_off(rest)));
        }
        if let Some(version) = self.singles.pop() {
            return Some(Step::Delete(vec![version]));
        }
        if let Some(folder) = self.folders.pop() {
            self.listings_in_flight += 1;
            return Some(Step::List(folder));
        }
        let is_last = self.listings_in_flight == 0 && !self.gathered.is_empty();
        is_last.then(|| Step::Delete(std::mem::take(&mut self.gathered)))
    }

    /// Takes in what the listing of a folder found.
    fn listed(&mut self, folder: Folder, page: Page) {
        self.listings_in_flight -= 1;
        let (fit, unfit): (Vec<_>, Vec<_>) = page
            .versions
            .into_iter()
            .partition(|version| key::fits_xml(&version.key));
        self.gathered.extend(fit);
        self.singles.extend(unfit);

        let Folder {
            prefix, is_split, ..
        } = folder;
        if let Some(next) = page.next {
            // A split costs a listing for each subfolder, however small. It is worth it only for want of other work.
            let is_short_of_work = self.folders.len() + self.listings_in_flight < MAX_IN_FLIGHT;
            if is_split || !is_short_of_work {
                let from = Some(next);
                self.folders.push(Folder {
                    prefix,
                    is_split,
                    from,
                });
            } else {
                self.split(prefix, next);
            }
        }
        // The rest of the folder lies below its subfolders on the stack.
        self.folders
            .extend(page.folders.into_iter().map(|prefix| Folder {
                prefix,
                ..Folder::default()
            }));
    }

    /// Splits the rest of a folder, from a place on, into its subfolders. The one that the place is in goes on there;
    /// the others are for the folder's listing to find, behind that one as a whole. Whether S3 would name a subfolder
    /// that begins before the place and ends behind it is not documented.
    fn split(&mut self, prefix: String, from: Marker) {
        let below = from.key.strip_prefix(&prefix).unwrap_or_default();
        let subfolder = below
            .find('/')
            .map(|slash| from.key[..=prefix.len() + slash].to_owned());
        let rest = Folder {
            prefix,
            is_split: true,
            from: Some(match &subfolder {
                Some(subfolder) => Marker {
                    key: subfolder.clone(),
                    version_id: None,
                },
                None => from.clone(),
            }),
        };
        self.folders.push(rest);
        self.folders.extend(subfolder.map(|prefix| Folder {
            prefix,
            is_split: false,
            from: Some(from),
        }));
    }
}

/// One request, or one and its repetitions.
#[derive(Debug, Eq, PartialEq)]
enum Step {
    List(Folder),
    Delete(Vec<Version>),
}

/// What became of a [`Step`].
enum Done {
    Listed(Folder, Page),
    Deleted { count: u64, refused: Vec<Refusal> },
}

impl Step {
    async fn run(self, bucket: &Bucket<'_>, pace: &Pace) -> Result<Done, CallError> {
        match self {
            Self::List(folder) => {
                let listing = bucket
                    .list(&folder.prefix, folder.is_split, folder.from.clone())
                    .await?;
                Ok(Done::Listed(folder, listing))
            }
            Self::Delete(versions) => delete(bucket, pace, versions).await,
        }
    }
}

/// Deletes versions. What S3 is too busy for is sent again at a slower pace, for as long as there is time; single
/// versions that it refuses for another passing reason are sent again a few times.
async fn delete(
    bucket: &Bucket<'_>,
    pace: &Pace,
    mut versions: Vec<Version>,
) -> Result<Done, CallError> {
    let mut count = 0;
    let mut refused = Vec::new();
    let mut attempt = 1;
    while !versions.is_empty() {
        let sent = pace.turn(versions.len()).await;
        let deletion = match &versions[..] {
            [single] if !key::fits_xml(&single.key) => bucket.delete_single(single).await?,
            several => bucket.delete(several).await?,
        };
        let Deletion::Done(answers) = deletion else {
            pace.slowed_down(sent, versions.len());
            continue;
        };
        let deleted = versions.len().saturating_sub(answers.len());
        if deleted > 0 {
            count += deleted as u64;
            pace.deleted(deleted);
        }
        versions.clear();
        let mut slowed_down = 0;
        for (version, refusal) in answers {
            match version {
                Some(version) if refusal.code == SLOW_DOWN => {
                    slowed_down += 1;
                    versions.push(version);
                }
                Some(version) if is_passing(&refusal.code) && attempt < MAX_ATTEMPTS => {
                    versions.push(version);
                }
                _ => refused.push(refusal),
            }
        }
        if slowed_down > 0 {
            pace.slowed_down(sent, slowed_down);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(prefix: &str, count: usize) -> Vec<Version> {
        let version = |number| Version {
            key: format!("{prefix}{number}"),
            version_id: Some("v".to_owned()),
        };
        (0..count).map(version).collect()
    }

    fn marker(key: &str) -> Marker {
        Marker {
            key: key.to_owned(),
            version_id: Some("v".to_owned()),
        }
    }

    fn folder(prefix: &str, is_split: bool, from: Option<Marker>) -> Folder {
        Folder {
            prefix: prefix.to_owned(),
            is_split,
            from,
        }
    }

    fn listing(step: Option<Step>) -> Folder {
        match step {
            Some(Step::List(folder)) => folder,
            other => panic!("no listing: {other:?}"),
        }
    }

    #[test]
    fn a_small_bucket_takes_one_listing_and_one_delete() {
        let mut plan = Plan::default();
        let root = listing(plan.next());
        assert_eq!(root, Folder::default());
        assert_eq!(plan.next(), None, "nothing is known before the answer");
        let found = versions("", 3);
        plan.listed(
            root,
            Page {
                versions: found.clone(),
                ..Page::default()
            },
        );
        assert_eq!(plan.next(), Some(Step::Delete(found)));
        assert_eq!(plan.next(), None);
    }

    #[test]
    fn an_empty_bucket_takes_no_delete() {
        let mut plan = Plan::default();
        let root = listing(plan.next());
        plan.listed(root, Page::default());
        assert_eq!(plan.next(), None);
    }

    #[test]
    fn a_folder_larger_than_a_page_is_split_from_where_its_listing_was() {
        let mut plan = Plan::default();
        let root = listing(plan.next());
        plan.listed(
            root,
            Page {
                versions: versions("a/", 400),
                next: Some(marker("a/399")),
                ..Page::default()
            },
        );
        let halfway = listing(plan.next());
        assert_eq!(
            halfway,
            folder("a/", false, Some(marker("a/399"))),
            "the rest of a/, not all of it again"
        );
        let others = listing(plan.next());
        let behind_a = Marker {
            key: "a/".to_owned(),
            version_id: None,
        };
        assert_eq!(others, folder("", true, Some(behind_a)));
        plan.listed(
            others,
            Page {
                folders: vec!["b/".to_owned(), "c/".to_owned()],
                next: Some(marker("c/")),
                ..Page::default()
            },
        );
        assert_eq!(listing(plan.next()), folder("c/", false, None));
        assert_eq!(listing(plan.next()), folder("b/", false, None));
        assert_eq!(
            listing(plan.next()),
            folder("", true, Some(marker("c/"))),
            "depth first"
        );
        assert_eq!(plan.next(), None, "a delete of 400 waits to become full");
    }

    #[test]
    fn a_folder_is_not_split_while_there_is_enough_other_work() {
        let mut plan = Plan::default();
        let root = listing(plan.next());
        let folders: Vec<_> = (0..=MAX_IN_FLIGHT)
            .map(|number| format!("{number}/"))
            .collect();
        plan.listed(
            root,
            Page {
                folders,
                ..Page::default()
            },
        );
        let first = listing(plan.next());
        let prefix = first.prefix.clone();
        plan.listed(
            first,
            Page {
                next: Some(marker("key")),
                ..Page::default()
            },
        );
        assert_eq!(
            listing(plan.next()),
            folder(&prefix, false, Some(marker("key")))
        );
    }

    #[test]
    fn full_deletes_go_before_listings_and_a_rest_at_the_end() {
        let mut plan = Plan::default();
        let root = listing(plan.next());
        plan.listed(
            root,
            Page {
                versions: versions("", MAX_KEYS_PER_DELETE + 1),
                next: Some(marker("key")),
                ..Page::default()
            },
        );
        assert!(
            matches!(plan.next(), Some(Step::Delete(full)) if full.len() == MAX_KEYS_PER_DELETE)
        );
        let rest = listing(plan.next());
        assert_eq!(plan.next(), None);
        plan.listed(rest, Page::default());
        assert!(matches!(plan.next(), Some(Step::Delete(rest)) if rest.len() == 1));
        assert_eq!(plan.next(), None);
    }
}
