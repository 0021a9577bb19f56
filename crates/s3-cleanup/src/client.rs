//! The S3 client as this function needs it.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::delete_object::DeleteObjectError;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsError;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SdkConfig;

/// How often the SDK sends a request that fails for a passing reason. With its waits of up to 20 s between them, listings
/// may be answered `SlowDown` for half a minute or so before it counts as a failure.
const MAX_ATTEMPTS: u32 = 8;

/// Variables that move S3 to another endpoint.
const ENDPOINT_URLS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Builds the client from the SDK's configuration and the process environment, given as a map, that it was made from.
#[must_use]
pub fn s3_client(env: &BTreeMap<String, String>, sdk_config: &SdkConfig) -> Client {
    // An endpoint of one's own, such as 127.0.0.1, rarely has a DNS name for each bucket.
    let has_own_endpoint = ENDPOINT_URLS
        .iter()
        .any(|&name| env.get(name).is_some_and(|url| !url.is_empty()));
    let config = Builder::from(sdk_config)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .retry_partition(lambda_sdk::retry_partition())
        .force_path_style(has_own_endpoint)
        .build();
    Client::from_conf(config)
}

/// The client, in two settings.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// Sends again whatever fails for a passing reason.
    pub(crate) general: Client,
    /// Does not send again what S3 is too busy for. That is for the one who knows how much is sent at all.
    pub(crate) deleting: Client,
}

impl Clients {
    pub(crate) fn new(client: Client) -> Self {
        let config = client.config().to_builder().retry_classifier(BusyIsFinal);
        Self {
            general: client,
            deleting: Client::from_conf(config.build()),
        }
    }
}

/// Whether S3 says with this error that it is too busy. It does so with the status 503 or, for a `DeleteObjects`, in the
/// body of a 200.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html> and
/// <https://github.com/awslabs/aws-sdk-rust/issues/873>.
pub(crate) fn is_busy(code: Option<&str>, response: Option<&HttpResponse>) -> bool {
    matches!(code, Some("SlowDown" | "ServiceUnavailable"))
        || response.is_some_and(|response| response.status().as_u16() == 503)
}

#[derive(Debug)]
struct BusyIsFinal;

impl ClassifyRetry for BusyIsFinal {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let error = error.and_then(|error| error.as_operation_error());
        let code = error.and_then(|error| {
            let several = error.downcast_ref().and_then(DeleteObjectsError::code);
            several.or_else(|| error.downcast_ref().and_then(DeleteObjectError::code))
        });
        if is_busy(code, context.response()) {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "busy is final"
    }
}
