//! The SDK's configuration from the environment that Lambda sets: Region, the role's credentials,
//! and the endpoint variables of [every AWS
//! SDK](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// Attempts at one call. Two more than the SDK's own: a StackSet starts many functions at once,
/// and the calls of a sync's life have low rate limits.
const MAX_ATTEMPTS: u32 = 5;

/// How long one attempt may take from connecting to the last byte of the answer. A little more than
/// the connector gives the answer's head, so that a body that never ends is found out too.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(35);

const REGION: &str = "AWS_REGION";
const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// Endpoint of all services; `AWS_ENDPOINT_URL_<SERVICE>` overrides it for one.
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// What is wrong with the environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A variable that Lambda always sets is not there.
    #[error("configure the SDK: environment variable {0} is not set")]
    Missing(&'static str),
    /// An endpoint variable does not hold a URL.
    #[error("configure the SDK: {name} is {value:?}, must be an absolute http or https URL")]
    EndpointUrl {
        /// Name of the variable.
        name: String,
        /// Its value.
        value: String,
    },
}

/// Makes the configuration from which the client of any service is made.
///
/// `env` is the process environment; it is read once, since Lambda never changes it while the
/// process lives.
///
/// # Errors
///
/// [`ConfigError`] if Region or credentials are not there, or an endpoint is no URL.
pub fn sdk_config(
    env: &BTreeMap<String, String>,
    connector: SharedHttpConnector,
) -> Result<SdkConfig, ConfigError> {
    let required = |name| match env.get(name) {
        Some(value) if !value.is_empty() => Ok(value.clone()),
        _ => Err(ConfigError::Missing(name)),
    };
    let credentials = Credentials::new(
        required(ACCESS_KEY_ID)?,
        required(SECRET_ACCESS_KEY)?,
        env.get(SESSION_TOKEN).filter(|it| !it.is_empty()).cloned(),
        None,
        "environment",
    );
    let endpoints = Endpoints::from_env(env)?;
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(required(REGION)?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .build(),
        )
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()));
    config.set_endpoint_url(endpoints.0.get(ENDPOINT_URL).cloned());
    config.set_service_config(Some(endpoints));
    Ok(config.build())
}

/// The retries of a function's clients, for the `retry_partition` of their configuration.
///
/// The SDK keeps count of all retries of a process and makes no more when there were many. That is
/// meant for servers in an outage: in a warm function it would take away the retries of one
/// invocation for what went wrong in another. Here each call makes the attempts that it has, and the
/// invocation's time is the bound.
#[must_use]
pub fn retry_partition() -> RetryPartition {
    RetryPartition::custom("function")
        .token_bucket(TokenBucket::unlimited())
        .build()
}

/// The endpoint variables that are set, by name.
#[derive(Debug)]
struct Endpoints(BTreeMap<String, String>);

impl Endpoints {
    fn from_env(env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        env.iter()
            .filter(|(name, value)| name.starts_with(ENDPOINT_URL) && !value.is_empty())
            .map(|(name, value)| {
                if is_absolute_url(value) {
                    Ok((name.clone(), value.clone()))
                } else {
                    Err(ConfigError::EndpointUrl {
                        name: name.clone(),
                        value: value.clone(),
                    })
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl LoadServiceConfig for Endpoints {
    /// Called by a service's client for its own setting, with the service's id and the name of
    /// the variable for all services.
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        self.0.get(&format!("{}_{service}", key.env())).cloned()
    }
}

fn is_absolute_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
    })
}
