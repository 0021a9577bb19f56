//! The S3 client as this function needs it.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use lambda_sdk::ConfigError;

/// How often the SDK sends a request that fails for a passing reason. With its waits of up to 20 s between them, a
/// bucket may answer `SlowDown` for a minute or two before it counts as a failure.
const MAX_ATTEMPTS: u32 = 8;

/// Variables that move S3 to another endpoint.
const ENDPOINT_URLS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Builds the client from the process environment, given as a map.
///
/// # Errors
///
/// The environment lacks what Lambda always sets, or an endpoint in it is no URL.
pub fn s3_client(
    env: &BTreeMap<String, String>,
    connector: SharedHttpConnector,
) -> Result<Client, ConfigError> {
    let sdk_config = lambda_sdk::sdk_config(env, connector)?;
    // An endpoint of one's own, such as 127.0.0.1, rarely has a DNS name for each bucket.
    let has_own_endpoint = ENDPOINT_URLS
        .iter()
        .any(|&name| env.get(name).is_some_and(|url| !url.is_empty()));
    // The SDK's retries share a quota that is meant for an outage. Here the requests that run at the same time are
    // few, each backs off on its own, and one that is given up ends the whole work.
    let retry_partition = RetryPartition::custom("s3-cleanup")
        .token_bucket(TokenBucket::unlimited())
        .build();
    let config = Builder::from(&sdk_config)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .retry_partition(retry_partition)
        .force_path_style(has_own_endpoint)
        .build();
    Ok(Client::from_conf(config))
}
