//! The calls to Systems Manager, and what their answers mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::types::{
    LastResourceDataSyncStatus, ResourceDataSyncDestinationDataSharing, ResourceDataSyncItem,
    ResourceDataSyncS3Destination, ResourceDataSyncS3Format,
};
use lambda_sdk::AwsError;

use crate::error::Error;
use crate::sync::{Destination, Sync};

/// The kind of sync that ships to a bucket, in contrast to Explorer's.
const SYNC_TYPE: &str = "SyncToDestination";

/// What makes it a sync of the organization.
const DATA_SHARING_TYPE: &str = "Organization";

/// What `LastStatus` says when SSM says nothing.
pub(crate) const UNKNOWN: &str = "Unknown";

/// A sync as the API lists it; the data sharing type is not among what it tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) destination: Option<Destination>,
    pub(crate) status: Option<LastResourceDataSyncStatus>,
    pub(crate) status_message: Option<String>,
    pub(crate) created: Option<SystemTime>,
}

impl Listed {
    pub(crate) fn is(&self, sync: &Sync) -> bool {
        self.name == sync.name && self.destination.as_ref() == Some(&sync.destination)
    }

    /// Whether it is known to have been made at that time or later.
    pub(crate) fn is_made_since(&self, time: Option<SystemTime>) -> bool {
        time.zip(self.created)
            .is_some_and(|(time, created)| created >= time)
    }

    pub(crate) fn status(&self) -> &str {
        self.status
            .as_ref()
            .map_or(UNKNOWN, LastResourceDataSyncStatus::as_str)
    }

    pub(crate) fn to_sync(&self) -> Option<Sync> {
        Some(Sync {
            name: self.name.clone(),
            destination: self.destination.clone()?,
        })
    }
}

impl From<ResourceDataSyncItem> for Listed {
    fn from(item: ResourceDataSyncItem) -> Self {
        let non_empty = |text: Option<&str>| text.filter(|it| !it.is_empty()).map(str::to_owned);
        Self {
            destination: item.s3_destination().map(|s3| Destination {
                bucket: s3.bucket_name().to_owned(),
                prefix: non_empty(s3.prefix()),
                region: s3.region().to_owned(),
                kms_key_arn: non_empty(s3.awskms_key_arn()),
            }),
            name: item.sync_name.unwrap_or_default(),
            status: item.last_status,
            status_message: item.last_sync_status_message,
            created: item.sync_created_time.and_then(|time| time.try_into().ok()),
        }
    }
}

/// What a call to delete a sync has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// It is accepted.
    Accepted,
    /// There is no such sync. The SDK has sent the call more than once: perhaps the first time, of
    /// which there is no answer, has deleted it.
    NotFoundAgain,
    /// There was no such sync when the call was sent, once.
    NotFound,
}

/// Names and destinations of `listed`, in words that follow a semicolon.
pub(crate) fn describe<'a>(listed: impl IntoIterator<Item = &'a Listed>) -> String {
    let describe = |it: &Listed| match &it.destination {
        Some(destination) => format!("{} to {destination}", it.name),
        None => it.name.clone(),
    };
    let all: Vec<_> = listed.into_iter().map(describe).collect();
    if all.is_empty() {
        return "no sync to a bucket is listed".to_owned();
    }
    format!("there is {} already", all.join(", "))
}

/// The account's and Region's resource data syncs.
#[derive(Clone, Debug)]
pub(crate) struct Syncs(Client);

impl Syncs {
    pub(crate) fn new(config: impl Into<Builder>) -> Self {
        let config = config.into().retry_partition(lambda_sdk::retry_partition());
        Self(Client::from_conf(config.build()))
    }

    /// All syncs that ship to a bucket, of every page.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut items = self
            .0
            .list_resource_data_sync()
            .sync_type(SYNC_TYPE)
            .into_paginator()
            .items()
            .send();
        let mut listed = Vec::new();
        while let Some(item) = items.next().await {
            listed.push(item.map_err(|error| Error::List(error.into()))?.into());
        }
        Ok(listed)
    }

    /// The sync of this name, if it is there.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Listed>, Error> {
        let listed = self.list().await?;
        Ok(listed.into_iter().find(|it| it.name == name))
    }

    /// One call to create `sync`.
    ///
    /// # Errors
    ///
    /// [`Error::CreateLost`] if nobody knows whether it was made, else the service's refusal.
    pub(crate) async fn create(&self, sync: &Sync) -> Result<(), Error> {
        let result = self
            .0
            .create_resource_data_sync()
            .sync_name(&sync.name)
            .sync_type(SYNC_TYPE)
            .s3_destination(s3_destination(&sync.destination))
            .send()
            .await;
        let Err(error) = result else {
            return Ok(());
        };
        let is_refused = is_refusal(&error);
        let source = AwsError::from(error);
        let sync = sync.clone();
        Err(if !is_refused {
            Error::CreateLost { sync, source }
        } else if is_not_writable(&source) {
            Error::NotWritable { sync, source }
        } else {
            Error::Create { sync, source }
        })
    }

    /// One call to delete the sync of this name.
    ///
    /// # Errors
    ///
    /// [`Error::DeleteLost`] if nobody knows whether it was deleted, else the service's refusal.
    pub(crate) async fn delete(&self, name: &str) -> Result<Deletion, Error> {
        let sent = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&sent);
        let result = self
            .0
            .delete_resource_data_sync()
            .sync_name(name)
            .sync_type(SYNC_TYPE)
            .customize()
            .mutate_request(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .send()
            .await;
        let Err(error) = result else {
            return Ok(Deletion::Accepted);
        };
        let is_refused = is_refusal(&error);
        let source = AwsError::from(error);
        let name = name.to_owned();
        match source.code() {
            Some("ResourceDataSyncNotFoundException") if sent.load(Ordering::Relaxed) == 1 => {
                Ok(Deletion::NotFound)
            }
            Some("ResourceDataSyncNotFoundException") => Ok(Deletion::NotFoundAgain),
            _ if is_refused => Err(Error::Delete { name, source }),
            _ => Err(Error::DeleteLost { name, source }),
        }
    }
}

/// Whether the service itself says no. Without its word (a time-out, a broken connection, a fault
/// of the service, a response that makes no sense) the call may have been carried out.
fn is_refusal<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let is_client_error = error
        .raw_response()
        .is_some_and(|response| response.status().is_client_error());
    is_client_error && error.code().is_some()
}

fn s3_destination(destination: &Destination) -> ResourceDataSyncS3Destination {
    ResourceDataSyncS3Destination::builder()
        .bucket_name(&destination.bucket)
        .set_prefix(destination.prefix.clone())
        .sync_format(ResourceDataSyncS3Format::JsonSerde)
        .region(&destination.region)
        .set_awskms_key_arn(destination.kms_key_arn.clone())
        .destination_data_sharing(
            ResourceDataSyncDestinationDataSharing::builder()
                .destination_data_sharing_type(DATA_SHARING_TYPE)
                .build(),
        )
        .build()
        .expect("bucket, format and Region are set")
}

/// The probe object could not be written: a wrong policy, or one so fresh that S3 does not know it
/// everywhere.
fn is_not_writable(error: &AwsError) -> bool {
    error.code() == Some("ResourceDataSyncInvalidConfigurationException")
        && error
            .message()
            .is_some_and(|text| text.contains("S3 write failed for bucket"))
}
