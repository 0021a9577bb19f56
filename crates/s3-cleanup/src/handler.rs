//! What each kind of request comes to.

use std::time::Duration;

use cfn_response::{Deadline, Failure, Request, RequestType, Success};
use serde_json::Map;
use tokio::time::timeout_at;

use crate::bucket::Bucket;
use crate::bucket_name::BucketName;
use crate::client::Clients;
use crate::empty::{Emptied, empty};
use crate::error::{BucketError, Cause, CleanupError};
use crate::progress::Progress;
use crate::properties;
use crate::stack::StackArn;
use crate::status::{Stacks, is_going};

/// What is left of the handler's time when the work is cut off, so that the answer can tell how far it came.
const WRAP_UP: Duration = Duration::from_secs(1);

/// The custom resource's provider.
#[derive(Clone, Debug)]
pub struct Cleanup {
    clients: Clients,
    stacks: Stacks,
}

impl Cleanup {
    /// Builds the provider on clients that it keeps for all invocations.
    #[must_use]
    pub fn new(s3: aws_sdk_s3::Client, cloudformation: aws_sdk_cloudformation::Client) -> Self {
        Self {
            clients: Clients::new(s3),
            stacks: Stacks::new(cloudformation),
        }
    }

    /// Carries a request out. Create and Update only check the properties; Delete empties the buckets that consent,
    /// provided that the stack itself is going.
    ///
    /// The physical id is made of the stack and the logical id, so it stays the same whatever the properties say;
    /// one that an earlier provider chose is kept. A change of the id would make CloudFormation delete the "old"
    /// resource.
    ///
    /// # Errors
    /// The properties or the stack's ARN can't be understood, the stack's status can't be looked up, or some bucket
    /// is not empty at the end. A failure for want of time is resumable.
    pub async fn handle(&self, request: Request, deadline: Deadline) -> Result<Success, Failure> {
        let stack = StackArn::new(&request.stack_id).ok_or_else(|| CleanupError::StackId {
            stack_id: request.stack_id.clone(),
        })?;
        match request.request_type {
            RequestType::Create | RequestType::Update => properties::check(&request.properties)?,
            RequestType::Delete => {
                self.delete(&request, stack.account_id(), deadline.less(WRAP_UP))
                    .await?;
            }
        }
        let physical_resource_id = request
            .physical_resource_id
            .unwrap_or_else(|| format!("{}/{}", stack.name_and_id(), request.logical_resource_id));
        Ok(Success {
            physical_resource_id,
            data: Map::new(),
        })
    }

    async fn delete(
        &self,
        request: &Request,
        owner: &str,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        // Boxed, because the futures of the SDK's calls are large.
        let status = Box::pin(self.stacks.status(&request.stack_id)).await?;
        if !is_going(&status) {
            tracing::info!(
                status = status.as_str(),
                "the stack stays, nothing is touched"
            );
            return Ok(());
        }
        let names = properties::bucket_names(&request.properties)?;
        let emptied = self.empty_all(&names, owner, deadline).await;
        emptied.map_err(|error| {
            let is_resumable = error.is_resumable();
            let failure = Failure::from(error);
            if is_resumable {
                failure.resumable()
            } else {
                failure
            }
        })
    }

    /// Empties the buckets one after the other. One that can't be emptied does not keep the others from it, as long as
    /// there is time.
    async fn empty_all(
        &self,
        names: &[BucketName],
        owner: &str,
        deadline: Deadline,
    ) -> Result<(), CleanupError> {
        let mut errors = Vec::new();
        for name in names {
            let bucket = Bucket {
                clients: &self.clients,
                name,
                owner,
            };
            let progress = Progress::new();
            // Boxed, because the futures of the SDK's calls are large and nest deeply.
            let emptied = timeout_at(deadline.instant(), Box::pin(empty(&bucket, &progress))).await;
            let (deleted, elapsed_ms) = (progress.deleted(), progress.elapsed().as_millis());
            match emptied.unwrap_or(Err(Cause::OutOfTime)) {
                Ok(Emptied::Empty) => {
                    tracing::info!(bucket = %name, deleted, elapsed_ms, "bucket is empty");
                }
                Ok(Emptied::WithoutConsent) => {
                    tracing::info!(bucket = %name, "bucket does not consent, it is left as it is");
                }
                Ok(Emptied::Gone) => tracing::info!(bucket = %name, deleted, "bucket is gone"),
                Err(cause) => errors.push(BucketError {
                    bucket: name.to_string(),
                    deleted,
                    cause,
                }),
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(CleanupError::Buckets(errors))
        }
    }
}
