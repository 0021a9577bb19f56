//! What is called in which order for each type of request.

use std::time::{Duration, SystemTime};

use aws_sdk_ssm::types::LastResourceDataSyncStatus;
use cfn_response::{Deadline, Failure, Request, RequestType, Success};
use serde_json::Map;
use tokio::time::Instant;

use crate::error::Error;
use crate::poll::poll;
use crate::properties::parse_properties;
use crate::sync::Sync;
use crate::syncs::{Listed, Syncs, describe};

/// How long a bucket policy that was just written may stay unknown to S3. As long as Terraform's
/// `aws_ssm_resource_data_sync` waits.
const WRITABLE_WITHIN: Duration = Duration::from_mins(1);

/// Wait between two attempts to create a sync on such a bucket: 4 to 6 s.
const WRITABLE_PAUSE: Duration = Duration::from_secs(4);

/// How long a new sync may have no status. As long as the native resource waits.
const STATUS_WITHIN: Duration = Duration::from_mins(1);

/// How long a deleted sync may be listed. As long as the native resource waits.
const GONE_WITHIN: Duration = Duration::from_mins(2);

/// What an update leaves of its time for bringing the old sync back.
const RESTORE_RESERVE: Duration = Duration::from_secs(90);

/// How far SSM's clock may be behind the one that dates CloudFormation's requests.
const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// What `LastStatus` says when SSM says nothing.
const UNKNOWN: &str = "Unknown";

/// The physical ids of the recipe's function are this and the sync's name.
const RECIPE_ID_PREFIX: &str = "ResourceDataSync-";

/// Longest name of a sync; a longer physical id was never made by this function.
const MAX_NAME: usize = 64;

/// Carries out CloudFormation's requests.
#[derive(Clone, Debug)]
pub struct Handler {
    syncs: Syncs,
}

impl Handler {
    /// A handler for the syncs of the client's account and Region.
    #[must_use]
    pub fn new(client: aws_sdk_ssm::Client) -> Self {
        Self {
            syncs: Syncs::new(client),
        }
    }

    /// Carries out one request. The physical id is the sync's name; Data has `SyncName`,
    /// `LastStatus` (`Successful`, `InProgress`, or `Unknown` if none was seen in time) and
    /// `Destination`.
    ///
    /// # Errors
    ///
    /// [`Error`] as a [`Failure`].
    pub async fn handle(&self, request: Request, deadline: Deadline) -> Result<Success, Failure> {
        let physical_id = request.physical_resource_id.as_deref().unwrap_or_default();
        let began = request.response_url.signed_at();
        match request.request_type {
            RequestType::Create => {
                let sync = parse_properties(&request.properties)?;
                let status = self
                    .create(&sync, began)
                    .await
                    .map_err(Error::into_create_failure)?;
                Ok(success(&sync, &status))
            }
            RequestType::Update => {
                let sync = parse_properties(&request.properties)?;
                let old = request
                    .old_properties
                    .as_ref()
                    .and_then(|it| parse_properties(it).ok());
                let status = self
                    .update(&sync, physical_id, old, began, deadline)
                    .await?;
                Ok(success(&sync, &status))
            }
            RequestType::Delete => {
                self.remove(physical_id).await?;
                Ok(Success {
                    physical_resource_id: physical_id.to_owned(),
                    data: Map::new(),
                })
            }
        }
    }

    /// Creates `sync` for a request that began at `began`, and waits for its first status, which
    /// it returns. A sync whose first run fails is removed again.
    async fn create(&self, sync: &Sync, began: Option<SystemTime>) -> Result<String, Error> {
        match self.create_when_writable(sync).await {
            Err(Error::InTheWay { .. }) if self.is_made_since(sync, began).await? => {
                tracing::info!("the sync was made by an earlier attempt at this request");
            }
            result => result?,
        }
        let cause = match self.first_status(sync).await {
            Ok(status) => return Ok(status),
            Err(cause) => cause,
        };
        match self.remove(&sync.name).await {
            Ok(()) => Err(cause),
            Err(removal) => Err(Error::LeftBehind {
                name: sync.name.clone(),
                removal: removal.chain(),
                cause: cause.chain(),
            }),
        }
    }

    async fn create_when_writable(&self, sync: &Sync) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            match self.syncs.create(sync).await {
                Err(error @ Error::NotWritable { .. }) if start.elapsed() < WRITABLE_WITHIN => {
                    tracing::warn!(
                        error = error.chain(),
                        "bucket not writable yet, trying again"
                    );
                    tokio::time::sleep(WRITABLE_PAUSE.mul_f64(1.0 + fastrand::f64() / 2.0)).await;
                }
                result => return result,
            }
        }
    }

    /// Whether `sync` exists because this very request has made it: Lambda repeats an event whose
    /// invocation ended early, and the SDK a call whose answer was lost.
    async fn is_made_since(&self, sync: &Sync, began: Option<SystemTime>) -> Result<bool, Error> {
        let Some(began) = began else {
            return Ok(false);
        };
        let listed = self.syncs.find(&sync.name).await?;
        Ok(listed.is_some_and(|it| {
            let created = it.created.and_then(|at| SystemTime::try_from(at).ok());
            it.is(sync) && created.is_some_and(|at| at + CLOCK_SKEW >= began)
        }))
    }

    /// Waits until SSM says how the sync's first run went or goes.
    async fn first_status(&self, sync: &Sync) -> Result<String, Error> {
        let status = poll(STATUS_WITHIN, async || {
            Ok(match self.syncs.find(&sync.name).await? {
                Some(Listed {
                    status: Some(status),
                    status_message,
                    ..
                }) => Some((status, status_message)),
                _ => None,
            })
        })
        .await?;
        match status {
            Some((LastResourceDataSyncStatus::Failed, message)) => Err(Error::FirstRun {
                sync: sync.clone(),
                message: message.unwrap_or_else(|| "it failed, SSM does not say why".to_owned()),
            }),
            Some((status, _)) => Ok(status.as_str().to_owned()),
            None => Ok(UNKNOWN.to_owned()),
        }
    }

    /// Makes the sync that `physical_id` stands for become `desired`. Returns its status.
    ///
    /// The list and not the event says what there is: the rollback of an update that failed, and
    /// of one that never got to this function, look the same in their properties.
    async fn update(
        &self,
        desired: &Sync,
        physical_id: &str,
        old_properties: Option<Sync>,
        began: Option<SystemTime>,
        deadline: Deadline,
    ) -> Result<String, Error> {
        let listed = self.syncs.list().await?;
        let Some(current) = find_own(&listed, physical_id) else {
            tracing::warn!(physical_id, "the sync to change is gone, making it anew");
            return self.create(desired, began).await;
        };
        if current.is(desired) {
            tracing::info!("nothing to change");
            return Ok(current
                .status
                .as_ref()
                .map_or(UNKNOWN, LastResourceDataSyncStatus::as_str)
                .to_owned());
        }
        let is_in_the_way = |it: &&Listed| it.name == desired.name && it.name != current.name;
        if let Some(existing) = listed.iter().find(is_in_the_way) {
            return Err(Error::InTheWay {
                sync: desired.clone(),
                existing: describe([existing]),
                source: None,
            });
        }
        // What is listed is what is taken away; the properties stand in for what is not listed.
        let old = match current.destination.clone() {
            Some(destination) => Some(Sync {
                name: current.name.clone(),
                destination,
            }),
            None => old_properties,
        };
        self.remove(&current.name).await?;
        let change = self.create(desired, began);
        let changed =
            match tokio::time::timeout_at(deadline.less(RESTORE_RESERVE).instant(), change).await {
                Ok(changed) => changed,
                Err(_) => Err(Error::Time(desired.clone())),
            };
        match (changed, old) {
            (Err(cause), Some(old)) => Err(self.restore(old, cause).await),
            (changed, _) => changed,
        }
    }

    /// Brings `old` back after the change failed for `cause`. Returns the error to report.
    async fn restore(&self, old: Sync, cause: Error) -> Error {
        tracing::warn!(error = cause.chain(), old = %old, "change failed, restoring the old sync");
        let source = Box::new(cause);
        match self.create_when_writable(&old).await {
            Ok(()) => Error::Restored { old, source },
            Err(error) => Error::NotRestored {
                old,
                restoring: error.chain(),
                source,
            },
        }
    }

    /// Deletes the sync of this name, if there is one, and waits until it is gone.
    async fn remove(&self, name: &str) -> Result<(), Error> {
        if name.is_empty() || name.len() > MAX_NAME {
            tracing::info!(name, "not the name of a sync, nothing to delete");
            return Ok(());
        }
        if !self.syncs.delete(name).await? {
            tracing::info!(name, "the sync is gone already");
            return Ok(());
        }
        let gone = poll(GONE_WITHIN, async || {
            Ok(self.syncs.find(name).await?.is_none().then_some(()))
        })
        .await?;
        gone.ok_or_else(|| Error::StillListed {
            name: name.to_owned(),
            waited: GONE_WITHIN,
        })
    }
}

/// The sync that `physical_id` stands for: the one of that name, or the one that the recipe's
/// function made, in a stack that was upgraded in place.
fn find_own<'a>(listed: &'a [Listed], physical_id: &str) -> Option<&'a Listed> {
    let find = |name: &str| listed.iter().find(|it| it.name == name);
    find(physical_id).or_else(|| find(physical_id.strip_prefix(RECIPE_ID_PREFIX)?))
}

fn success(sync: &Sync, status: &str) -> Success {
    let data = [
        ("SyncName", sync.name.clone()),
        ("LastStatus", status.to_owned()),
        ("Destination", sync.destination.to_string()),
    ];
    Success {
        physical_resource_id: sync.name.clone(),
        data: data
            .map(|(key, value)| (key.to_owned(), value.into()))
            .into_iter()
            .collect(),
    }
}
