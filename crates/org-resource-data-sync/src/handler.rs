//! What is called in which order for each type of request.

use std::time::{Duration, SystemTime};

use aws_sdk_ssm::config::Builder;
use cfn_response::{Deadline, Failure, Request, RequestType, Success};
use serde_json::Map;

use crate::bounds::Bounds;
use crate::error::Error;
use crate::making::{GONE_WITHIN, Known, Made, SETTLED_WITHIN};
use crate::properties::parse_properties;
use crate::sync::Sync;
use crate::syncs::{Listed, Syncs, describe};

/// What an update leaves of its time for bringing the old sync back: making it on a bucket that is
/// not writable at first, and one repeated call.
const RESTORE_RESERVE: Duration = Duration::from_mins(2);

/// What is left for telling what was found: at its deadline a handler that is still at work is
/// dropped, and all that it knows with it.
const RETURN_RESERVE: Duration = Duration::from_secs(1);

/// How far SSM's clock may be behind the one that dates CloudFormation's requests.
const CLOCK_SKEW: Duration = Duration::from_secs(10);

/// The physical ids of the recipe's function are this and the sync's name.
const RECIPE_ID_PREFIX: &str = "ResourceDataSync-";

/// Carries out CloudFormation's requests.
#[derive(Clone, Debug)]
pub struct Handler {
    syncs: Syncs,
}

/// What an Update says beside what it wants.
struct Before {
    /// The id that an earlier answer gave to what is to be changed.
    physical_id: String,
    /// `OldResourceProperties`, if they are the properties of a sync. The recipe's are not.
    properties: Option<Sync>,
}

impl Handler {
    /// A handler for the syncs of the configuration's account and Region.
    #[must_use]
    pub fn new(config: impl Into<Builder>) -> Self {
        Self {
            syncs: Syncs::new(config),
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
        let physical_id = request.physical_resource_id.unwrap_or_default();
        let began = request.response_url.signed_at();
        let end = deadline.less(RETURN_RESERVE);
        match request.request_type {
            RequestType::Create => {
                let sync = parse_properties(&request.properties)?;
                let status = self
                    .syncs
                    .make_and_run(&sync, less_skew(began), Bounds::until(end))
                    .await
                    .map_err(Error::into_create_failure)?;
                Ok(success(&sync, &status))
            }
            RequestType::Update => {
                let sync = parse_properties(&request.properties)?;
                let properties = request.old_properties.unwrap_or_default();
                let before = Before {
                    physical_id,
                    properties: parse_properties(&properties).ok(),
                };
                let status = self.update(&sync, before, began, end).await?;
                Ok(success(&sync, &status))
            }
            RequestType::Delete => {
                let step = format!("delete resource data sync {physical_id}");
                let remove = self.syncs.remove(&physical_id, Known::Name);
                Bounds::until(end).cleanup(&step, remove).await?;
                Ok(Success {
                    physical_resource_id: physical_id,
                    data: Map::new(),
                })
            }
        }
    }

    /// Makes the sync that the physical id stands for become `desired`. Returns its status.
    ///
    /// The list and not the event says what there is: the rollback of an update that failed, and
    /// of one that never got to this function, look the same in their properties.
    async fn update(
        &self,
        desired: &Sync,
        before: Before,
        began: Option<SystemTime>,
        end: Deadline,
    ) -> Result<String, Error> {
        let bounds = Bounds::until(end.less(RESTORE_RESERVE));
        let list = self.syncs.list();
        let listed = bounds.work("list the resource data syncs", list).await?;
        let mut current = before.find(&listed).cloned();
        if let Some(it) = &current
            && it.is(desired)
            && !it.is_made_since(began)
            && before.wants_a_change(desired)
        {
            // The rollback of a change that failed finds the old sync as it was, restored, or about
            // to vanish: its deletion may have been the last thing that succeeded. Neither the event
            // nor a single list tells which, so that it has to be looked at twice; once more in
            // between would be of use only to the one that vanishes.
            let name = it.name.clone();
            let look = async {
                tokio::time::sleep(SETTLED_WITHIN).await;
                self.syncs.find(&name).await
            };
            current = bounds.work("list the resource data syncs", look).await?;
        }
        let old_properties = before.own_properties();
        let (old, changed) = match current {
            Some(current) if current.is(desired) && !current.is_made_since(began) => {
                tracing::info!("nothing to change");
                return Ok(current.status().to_owned());
            }
            Some(current) if current.is(desired) => {
                tracing::info!("the sync was made by an earlier attempt at this request");
                let run = self.syncs.run(desired, Made::Earlier(current), bounds);
                (old_properties, run.await)
            }
            Some(current) if current.is_made_since(began) => {
                return Err(Error::Superseded {
                    current: describe([&current]),
                });
            }
            Some(current) => {
                let is_taken = |it: &&Listed| it.name == desired.name && it.name != current.name;
                if let Some(existing) = listed.iter().find(is_taken) {
                    return Err(Error::InTheWay {
                        sync: desired.clone(),
                        existing: describe([existing]),
                        source: None,
                    });
                }
                // What is listed is what is taken away.
                let old = current.to_sync().or(old_properties);
                (old, self.replace(&current, desired, began, bounds).await)
            }
            None => {
                tracing::warn!(before.physical_id, "the sync to change is gone");
                let since = less_skew(began);
                let made = self.syncs.make_and_run(desired, since, bounds).await;
                (old_properties, made)
            }
        };
        match (changed, old) {
            (Err(refused @ Error::Delete { .. }), _) => Err(refused),
            // An earlier attempt may have been answered with it: nothing is taken away under a
            // stack that counts on it. The rollback, if there is one, changes it back.
            (Err(Error::NotRunning { sync, source, .. }), old) => Err(Error::NotRunning {
                sync,
                in_place_of: old.map_or_else(String::new, |old| format!(" in place of {old}")),
                source,
            }),
            (Err(cause), Some(old)) => Err(self.restore(old, cause, began, end).await),
            (changed, _) => changed,
        }
    }

    /// Deletes `current`, and makes `desired` when it is gone.
    async fn replace(
        &self,
        current: &Listed,
        desired: &Sync,
        began: Option<SystemTime>,
        bounds: Bounds,
    ) -> Result<String, Error> {
        let step = format!("delete resource data sync {}", current.name);
        let remove = self.syncs.remove(&current.name, Known::There);
        bounds.work(&step, remove).await?;
        self.syncs
            .make_and_run(desired, less_skew(began), bounds)
            .await
    }

    /// Brings `old` back after the change failed for `cause`. Returns the error to report.
    async fn restore(
        &self,
        old: Sync,
        cause: Error,
        began: Option<SystemTime>,
        end: Deadline,
    ) -> Error {
        tracing::warn!(error = cause.chain(), old = %old, "change failed, restoring the old sync");
        let source = Box::new(cause);
        let bounds = Bounds::until(end);
        let mut made = self.syncs.make(&old, began, bounds).await;
        let mut is_leaving = false;
        if let Err(Error::InTheWay { .. }) = made {
            // Its name is free when its deletion has come about.
            let gone = self.syncs.is_gone_within(GONE_WITHIN, &old.name);
            let gone = bounds.work("list the resource data syncs", gone).await;
            is_leaving = matches!(gone, Ok(false) | Err(Error::Time(_)));
            if matches!(gone, Ok(true)) {
                made = self.syncs.make(&old, began, bounds).await;
            }
        }
        match made {
            Ok(_) => Error::Restored { old, source },
            Err(error) if is_leaving => Error::Leaving {
                old,
                restoring: error.chain(),
                source,
            },
            Err(error) => Error::NotRestored {
                old,
                restoring: error.chain(),
                source,
            },
        }
    }
}

impl Before {
    /// Whether the physical id stands for a sync of this name: it is the name, or was given by the
    /// recipe's function, in a stack that was upgraded in place.
    fn stands_for(&self, name: &str) -> bool {
        self.physical_id == name || self.recipe_name() == Some(name)
    }

    /// The name in an id of the recipe's function. No such id is that of a sync which this
    /// function has made and named so itself.
    fn recipe_name(&self) -> Option<&str> {
        let name = self.physical_id.strip_prefix(RECIPE_ID_PREFIX)?;
        let is_own_name = |old: &Sync| old.name == self.physical_id;
        (!self.properties.as_ref().is_some_and(is_own_name)).then_some(name)
    }

    /// Whether the properties of the sync differ from what is wanted.
    fn wants_a_change(&self, desired: &Sync) -> bool {
        self.properties.as_ref().is_some_and(|old| old != desired)
    }

    /// The sync that the physical id stands for.
    fn find<'a>(&self, listed: &'a [Listed]) -> Option<&'a Listed> {
        let find = |name: &str| listed.iter().find(|it| it.name == name);
        find(&self.physical_id).or_else(|| find(self.recipe_name()?))
    }

    /// The old properties if they are those of what the physical id stands for. Those in the
    /// rollback of a rename that failed are not: they have the new name.
    fn own_properties(&self) -> Option<Sync> {
        let properties = self.properties.as_ref();
        properties.filter(|it| self.stands_for(&it.name)).cloned()
    }
}

fn less_skew(began: Option<SystemTime>) -> Option<SystemTime> {
    began?.checked_sub(CLOCK_SKEW)
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
