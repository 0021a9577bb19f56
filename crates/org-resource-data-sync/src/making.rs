//! Making a sync and knowing that it was made; deleting one and knowing that it is gone.
//!
//! The end of a call does not always tell: the connection may break after SSM has carried it out,
//! Lambda repeats an event whose invocation ended early, and the SDK a call whose answer was lost.
//! The list tells.

use std::time::{Duration, SystemTime};

use aws_sdk_ssm::types::LastResourceDataSyncStatus;
use tokio::time::Instant;

use crate::bounds::Bounds;
use crate::error::Error;
use crate::poll::poll;
use crate::sync::Sync;
use crate::syncs::{Deletion, Listed, Syncs, UNKNOWN, describe};

/// How long a policy that was just written may stay unknown, the bucket's to S3 or the role's to
/// IAM. As long as Terraform's `aws_ssm_resource_data_sync` waits for the bucket's.
const WRITABLE_WITHIN: Duration = Duration::from_mins(1);

/// Wait between two attempts to create a sync on such a bucket: 4 to 6 s.
const WRITABLE_PAUSE: Duration = Duration::from_secs(4);

/// How long a new sync may have no status. As long as the native resource waits.
const STATUS_WITHIN: Duration = Duration::from_mins(1);

/// How long a deleted sync may be listed. As long as the native resource waits.
pub(crate) const GONE_WITHIN: Duration = Duration::from_mins(2);

/// How long the outcome of a call whose end nobody saw may take to show up in the list.
pub(crate) const SETTLED_WITHIN: Duration = Duration::from_secs(15);

/// Longest name of a sync; a longer physical id was never made by this function.
const MAX_NAME: usize = 64;

/// Who made a sync that is there as it was asked for, and what the list has told of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Made {
    /// This attempt. The list was asked only if the call did not tell.
    Now(Option<Listed>),
    /// An earlier attempt at the same request, which may have been answered.
    Earlier(Listed),
}

/// What is known of a sync that is to be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Known {
    /// That it is there: it was listed, or made.
    There,
    /// Its name.
    Name,
}

impl Syncs {
    /// Makes `sync` and waits for its first status, which it returns. What was made and can't stay
    /// is taken away again.
    ///
    /// A sync of that name and destination counts as made by this request if it was made since
    /// `since`; without that, no existing one does.
    pub(crate) async fn make_and_run(
        &self,
        sync: &Sync,
        since: Option<SystemTime>,
        bounds: Bounds,
    ) -> Result<String, Error> {
        let made = self.make(sync, since, bounds).await?;
        self.run(sync, made, bounds).await
    }

    /// Makes `sync`, whatever it does then.
    ///
    /// # Errors
    ///
    /// [`Error::Unsettled`] if there may be such a sync of this request's all the same.
    pub(crate) async fn make(
        &self,
        sync: &Sync,
        since: Option<SystemTime>,
        bounds: Bounds,
    ) -> Result<Made, Error> {
        let step = format!("create resource data sync {sync}");
        let Err(error) = bounds.work(&step, self.create_when_writable(sync)).await else {
            return Ok(Made::Now(None));
        };
        tracing::warn!(error = error.chain(), "not created, looking what there is");
        let is_in_doubt = error.is_in_doubt();
        let is_name_taken = error.is_name_taken();
        let look = async {
            // A refusal is SSM's view of what there is, and is asked about at once. What is in doubt
            // may be under way.
            if !is_in_doubt {
                let listed = self.list().await?;
                if !is_name_taken || listed.iter().any(|it| it.name == sync.name) {
                    return Ok(listed);
                }
            }
            self.list_when_named(&sync.name).await
        };
        let listed = bounds.cleanup("list the resource data syncs", look).await;
        let is_own = |it: &&Listed| it.is(sync) && it.is_made_since(since);
        if let Some(own) = listed.iter().flatten().find(is_own).cloned() {
            tracing::info!("the sync was made by this request");
            return Ok(if is_in_doubt {
                Made::Now(Some(own))
            } else {
                Made::Earlier(own)
            });
        }
        Err(if is_in_doubt {
            Error::Unsettled {
                sync: sync.clone(),
                found: found(&sync.name, listed),
                source: error.into(),
            }
        } else {
            explained(error, listed)
        })
    }

    async fn create_when_writable(&self, sync: &Sync) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            match self.create(sync).await {
                Err(error)
                    if error.may_be_a_fresh_policy() && start.elapsed() < WRITABLE_WITHIN =>
                {
                    tracing::warn!(error = error.chain(), "not allowed yet, trying again");
                    tokio::time::sleep(WRITABLE_PAUSE.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
                }
                result => return result,
            }
        }
    }

    /// The list as soon as it has this name in it, or after [`SETTLED_WITHIN`].
    async fn list_when_named(&self, name: &str) -> Result<Vec<Listed>, Error> {
        let mut last = Vec::new();
        poll(SETTLED_WITHIN, async || {
            last = self.list().await?;
            Ok(last.iter().any(|it| it.name == name).then_some(()))
        })
        .await?;
        Ok(last)
    }

    /// Waits for the first status of `sync`, which this request made, and returns it. If there is
    /// a failure instead, a sync that this attempt made is taken away again.
    pub(crate) async fn run(
        &self,
        sync: &Sync,
        made: Made,
        bounds: Bounds,
    ) -> Result<String, Error> {
        let (is_earlier, listed) = match made {
            Made::Now(listed) => (false, listed),
            Made::Earlier(listed) => (true, Some(listed)),
        };
        let step = format!("see the status of resource data sync {sync}");
        let cause = match bounds.work(&step, self.first_status(sync, listed)).await {
            Ok(status) => return Ok(status),
            Err(cause) => cause,
        };
        if is_earlier {
            return Err(Error::NotRunning {
                sync: sync.clone(),
                in_place_of: String::new(),
                source: cause.into(),
            });
        }
        let step = format!("delete resource data sync {}", sync.name);
        let remove = self.remove(&sync.name, Known::There);
        match bounds.cleanup(&step, remove).await {
            Ok(()) => Err(cause),
            Err(removal) => Err(Error::LeftBehind {
                sync: sync.clone(),
                removal: removal.chain(),
                cause: cause.chain(),
            }),
        }
    }

    /// Waits until SSM says how the sync's first run went or goes, unless the list has told so.
    async fn first_status(&self, sync: &Sync, listed: Option<Listed>) -> Result<String, Error> {
        let has_status = |it: &Listed| it.status.is_some();
        let mut run = listed.filter(has_status);
        if run.is_none() {
            run = poll(STATUS_WITHIN, async || {
                Ok(self.find(&sync.name).await?.filter(has_status))
            })
            .await?;
        }
        match run {
            Some(run) if run.status == Some(LastResourceDataSyncStatus::Failed) => {
                Err(Error::FirstRun {
                    sync: sync.clone(),
                    message: run
                        .status_message
                        .unwrap_or_else(|| "it failed, SSM does not say why".to_owned()),
                })
            }
            run => Ok(run.as_ref().map_or(UNKNOWN, Listed::status).to_owned()),
        }
    }

    /// Deletes the sync of this name, if there is one, and waits until it is gone.
    pub(crate) async fn remove(&self, name: &str, known: Known) -> Result<(), Error> {
        if name.is_empty() || name.len() > MAX_NAME {
            tracing::info!(name, "not the name of a sync, nothing to delete");
            return Ok(());
        }
        let result = self.delete(name).await;
        let limit = match &result {
            // SSM knows of none, and has not forgotten it through this call: done, as it is to the
            // native resource. Whoever has deleted it has waited, or failed to.
            Ok(Deletion::NotFound) if known == Known::Name => return Ok(()),
            // What is not found is waited for too if this very call may have deleted it, or if it
            // was listed a moment ago: an attempt that died has deleted it then, and what is made
            // next is refused as long as it stays.
            Ok(_) => GONE_WITHIN,
            Err(lost) if lost.is_in_doubt() => SETTLED_WITHIN,
            // The role may allow the one name only that the template has by now; what is not there
            // under another one needs no permission.
            Err(_) if matches!(self.find(name).await, Ok(None)) => {
                tracing::info!(
                    name,
                    "refused, and there is no such sync: nothing to delete"
                );
                return Ok(());
            }
            Err(_) => return result.map(drop),
        };
        let seen = self.is_gone_within(limit, name).await;
        match (result, seen) {
            // What is not found is a success, whatever the list says.
            (_, Ok(true)) | (Ok(Deletion::NotFound | Deletion::NotFoundAgain), _) => Ok(()),
            (Err(lost), _) => Err(lost),
            (Ok(Deletion::Accepted), Ok(false)) => Err(Error::StillListed {
                name: name.to_owned(),
                waited: GONE_WITHIN,
            }),
            (Ok(Deletion::Accepted), Err(error)) => Err(Error::Vanishing {
                name: name.to_owned(),
                source: error.into(),
            }),
        }
    }

    /// Whether the sync of this name leaves the list in that time.
    pub(crate) async fn is_gone_within(&self, limit: Duration, name: &str) -> Result<bool, Error> {
        let gone = poll(limit, async || {
            Ok(self.find(name).await?.is_none().then_some(()))
        })
        .await?;
        Ok(gone.is_some())
    }
}

/// What the list tells about a sync of this name that may or may not have been made.
fn found(name: &str, listed: Result<Vec<Listed>, Error>) -> String {
    let listed = match listed {
        Ok(listed) => listed,
        Err(list) => {
            return format!(
                "it may exist under its name, but failed to {}; look for it and delete it",
                list.chain()
            );
        }
    };
    match listed.iter().find(|it| it.name == name) {
        Some(existing) => format!(
            "{}, which is not known to be made by this request and is left as it is",
            describe([existing])
        ),
        None => "it is not listed, but may still appear under its name if SSM carried the call \
                 out; delete it then"
            .to_owned(),
    }
}

/// The refusal, with what exists if that may be its cause.
fn explained(refusal: Error, listed: Result<Vec<Listed>, Error>) -> Error {
    let Error::Create { sync, source } = refusal else {
        return refusal;
    };
    let others = listed.as_ref().is_ok_and(|it| !it.is_empty());
    let existing = match listed {
        Ok(listed) => describe(&listed),
        Err(list) => format!("what there is can't be told, failed to {}", list.chain()),
    };
    match source.code() {
        Some(
            "ResourceDataSyncAlreadyExistsException" | "ResourceDataSyncCountExceededException",
        ) => Error::InTheWay {
            sync,
            existing,
            source: Some(source),
        },
        // Which error a second sync of an organization raises is not documented.
        Some("ResourceDataSyncInvalidConfigurationException") if others => Error::MaybeInTheWay {
            sync,
            existing,
            source,
        },
        _ => Error::Create { sync, source },
    }
}
