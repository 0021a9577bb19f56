//! What each kind of request comes to.

use std::time::Duration;

use aws_sdk_s3::Client;
use cfn_response::{Deadline, Failure, Request, RequestType, Success};
use serde_json::Map;
use tokio::time::timeout_at;

use crate::bucket::Bucket;
use crate::bucket_name::BucketName;
use crate::empty::empty;
use crate::error::{BucketError, Cause, CleanupError};
use crate::progress::Progress;
use crate::properties::Properties;
use crate::stack::StackArn;

/// What is left of the handler's time when the work is cut off, so that the answer can tell how far it came.
const WRAP_UP: Duration = Duration::from_secs(1);

/// The custom resource's provider.
#[derive(Clone, Debug)]
pub struct Cleanup {
    client: Client,
}

impl Cleanup {
    /// Builds the provider on a client that it keeps for all invocations.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Carries a request out. Create and Update only check the properties; Delete empties the buckets.
    ///
    /// The physical id is made of the stack and the logical id, so it stays the same whatever the properties say;
    /// one that an earlier provider chose is kept. A change of the id would make CloudFormation delete the "old"
    /// resource, and so empty buckets that are in use.
    ///
    /// # Errors
    /// The properties or the stack's ARN can't be understood, or some bucket is not empty at the end.
    pub async fn handle(&self, request: Request, deadline: Deadline) -> Result<Success, Failure> {
        let properties = Properties::new(&request.properties)?;
        let stack = StackArn::new(&request.stack_id).ok_or_else(|| CleanupError::StackId {
            stack_id: request.stack_id.clone(),
        })?;
        if request.request_type == RequestType::Delete {
            self.empty_all(
                &properties.bucket_names,
                stack.account_id(),
                deadline.less(WRAP_UP),
            )
            .await?;
        }
        let physical_resource_id = request
            .physical_resource_id
            .unwrap_or_else(|| format!("{}/{}", stack.name_and_id(), request.logical_resource_id));
        Ok(Success {
            physical_resource_id,
            data: Map::new(),
        })
    }

    /// Empties the buckets one after the other. One that can't be emptied does not keep the others from it.
    async fn empty_all(
        &self,
        names: &[BucketName],
        owner: &str,
        deadline: Deadline,
    ) -> Result<(), CleanupError> {
        let mut errors = Vec::new();
        for name in names {
            let bucket = Bucket {
                client: &self.client,
                name,
                owner,
            };
            let progress = Progress::new();
            // Boxed, because the futures of the SDK's calls are large and nest deeply.
            let emptied = timeout_at(deadline.instant(), Box::pin(empty(&bucket, &progress))).await;
            let (deleted, elapsed_ms) = (progress.deleted(), progress.elapsed().as_millis());
            match emptied.unwrap_or(Err(Cause::OutOfTime)) {
                Ok(()) => tracing::info!(bucket = %name, deleted, elapsed_ms, "bucket is empty"),
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
