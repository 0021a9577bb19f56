//! How a request fails: each variant is a step, in words that follow "failed to".

use std::time::Duration;

use cfn_response::Failure;
use lambda_sdk::AwsError;

use crate::properties::PropertyError;
use crate::sync::Sync;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The resource's properties don't describe a sync.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// The existing syncs can't be read.
    #[error("list the resource data syncs")]
    List(#[source] AwsError),
    /// The function's time ran out in this step.
    #[error("{0} in time")]
    Time(String),
    /// The API refuses the sync.
    #[error("create resource data sync {sync}")]
    Create {
        /// What was asked for.
        sync: Sync,
        /// Its answer.
        source: AwsError,
    },
    /// The call ended without the service's word, and the sync may have been made.
    #[error("create resource data sync {sync}")]
    CreateLost {
        /// What was asked for.
        sync: Sync,
        /// What came instead.
        source: AwsError,
    },
    /// SSM writes a probe object when it creates a sync, and could not.
    #[error(
        "create resource data sync {sync}: SSM can't write to the bucket; check that the bucket \
         policy allows ssm.amazonaws.com s3:GetBucketAcl, s3:PutObject and s3:PutObjectTagging \
         below this prefix for your organization id (aws:SourceOrgID), that the policy of the key \
         that encrypts it allows kms:GenerateDataKey, and that the bucket is in {}",
        .sync.destination.region
    )]
    NotWritable {
        /// What was asked for.
        sync: Sync,
        /// The API's answer to the last attempt.
        source: AwsError,
    },
    /// Another sync is there already. It is left alone: nobody can tell who needs it. There are
    /// [5 syncs](https://docs.aws.amazon.com/general/latest/gr/ssm.html) at most, and [one of an
    /// organization](https://docs.aws.amazon.com/systems-manager/latest/userguide/inventory-create-resource-data-sync.html).
    #[error(
        "create resource data sync {sync}: {existing}; an account and Region can have one sync of \
         an organization, 5 syncs in all, and a name once; delete the one that is in the way, or \
         leave it as it is and do without this resource"
    )]
    InTheWay {
        /// What was asked for.
        sync: Sync,
        /// The existing syncs and where they ship to.
        existing: String,
        /// The API's answer; none if it did not have to be asked.
        source: Option<AwsError>,
    },
    /// The API refuses the sync for an unclear reason, and other syncs are there.
    #[error(
        "create resource data sync {sync}: SSM refuses its configuration; {existing}, which may or \
         may not be the cause: an account and Region can have one sync of an organization and 5 \
         syncs in all; if it is, delete the one that is in the way, or do without this resource"
    )]
    MaybeInTheWay {
        /// What was asked for.
        sync: Sync,
        /// The existing syncs and where they ship to.
        existing: String,
        /// The API's answer.
        source: AwsError,
    },
    /// Nobody knows whether the sync was made, and the list does not settle it.
    #[error("find out whether resource data sync {sync} was made: {found}")]
    Unsettled {
        /// What was asked for.
        sync: Sync,
        /// What the list tells.
        found: String,
        /// How the call ended.
        source: Box<Error>,
    },
    /// The sync was created, and its first run failed.
    #[error("run resource data sync {sync}: {message}")]
    FirstRun {
        /// What was asked for.
        sync: Sync,
        /// What SSM says about the run.
        message: String,
    },
    /// The sync was created, then something failed, and it could not be removed again.
    #[error("remove resource data sync {sync} ({removal}) after the failure to {cause}")]
    LeftBehind {
        /// What may still be there.
        sync: Sync,
        /// Why it could not be removed.
        removal: String,
        /// Why it should have been.
        cause: String,
    },
    /// The sync was there already, made by an earlier attempt at this request, and does not run. That
    /// attempt may have been answered, and somebody rely on the sync.
    #[error(
        "see resource data sync {sync}{in_place_of} run, which an earlier attempt at this request \
         made and which is left as it is"
    )]
    NotRunning {
        /// What was asked for.
        sync: Sync,
        /// What it has replaced, in words that follow it.
        in_place_of: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The API refuses the deletion.
    #[error("delete resource data sync {name}")]
    Delete {
        /// Name of the sync.
        name: String,
        /// Its answer.
        source: AwsError,
    },
    /// The call ended without the service's word, and the sync may have been deleted.
    #[error("find out whether resource data sync {name} was deleted")]
    DeleteLost {
        /// Name of the sync.
        name: String,
        /// What came instead.
        source: AwsError,
    },
    /// The deletion was accepted, and nobody can see whether it has come about.
    #[error("see resource data sync {name} vanish, whose deletion was accepted")]
    Vanishing {
        /// Name of the sync.
        name: String,
        /// Why it can't be seen.
        source: Box<Error>,
    },
    /// The deletion was accepted but has not come about.
    #[error("delete resource data sync {name}: still listed after {} s", .waited.as_secs())]
    StillListed {
        /// Name of the sync.
        name: String,
        /// How long was waited for.
        waited: Duration,
    },
    /// The sync to change was made after the request that wants it changed.
    #[error(
        "change the resource data sync: {current} was made after this request began, by an earlier \
         attempt at it that failed and restored it, or by a later request; it is left as it is"
    )]
    Superseded {
        /// What is there.
        current: String,
    },
    /// A change failed after the old sync was deleted, and the old one is back.
    #[error("change the resource data sync; {old} is restored")]
    Restored {
        /// What it was and is again.
        old: Sync,
        /// Why the change failed.
        source: Box<Error>,
    },
    /// A change failed after the old sync was deleted, and so did bringing it back.
    #[error(
        "change the resource data sync; {old} is deleted and could not be restored ({restoring})"
    )]
    NotRestored {
        /// What it was.
        old: Sync,
        /// Why it could not be restored.
        restoring: String,
        /// Why the change failed.
        source: Box<Error>,
    },
    /// A change failed, and the old sync whose deletion was asked for neither goes nor can be made
    /// anew.
    #[error(
        "change the resource data sync; the deletion of {old} was asked for, it is still listed \
         and may yet vanish, and it could not be restored ({restoring})"
    )]
    Leaving {
        /// What it was and, for now, is.
        old: Sync,
        /// Why it could not be restored.
        restoring: String,
        /// Why the change failed.
        source: Box<Error>,
    },
}

impl Error {
    /// The error and its sources in one line, to be told inside of another.
    pub(crate) fn chain(&self) -> String {
        cfn_response::chain(self)
    }

    /// Whether the call that failed may have been carried out all the same.
    pub(crate) fn is_in_doubt(&self) -> bool {
        matches!(
            self,
            Self::CreateLost { .. } | Self::DeleteLost { .. } | Self::Time(_)
        )
    }

    /// Whether a policy that was just written, and is not known everywhere yet, may be the cause.
    /// A refusal by an explicit Deny is none of a policy that is still to come.
    pub(crate) fn may_be_a_fresh_policy(&self) -> bool {
        match self {
            Self::NotWritable { .. } => true,
            Self::Create { source, .. } => {
                let message = source.message().unwrap_or_default();
                source.code() == Some("AccessDeniedException") && !message.contains("explicit deny")
            }
            _ => false,
        }
    }

    /// Whether SSM says that the name is in use, which the list may show a little later.
    pub(crate) fn is_name_taken(&self) -> bool {
        matches!(self, Self::Create { source, .. }
            if source.code() == Some("ResourceDataSyncAlreadyExistsException"))
    }

    /// The failure of a Create: what it left behind is named, so that the rollback removes it.
    pub(crate) fn into_create_failure(self) -> Failure {
        let left_behind = match &self {
            Self::LeftBehind { sync, .. } | Self::NotRunning { sync, .. } => {
                Some(sync.name.clone())
            }
            _ => None,
        };
        let failure = Failure::from(self);
        match left_behind {
            Some(name) => failure.with_physical_resource_id(name),
            None => failure,
        }
    }
}
