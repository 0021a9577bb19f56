//! The SDK's configuration by the conventions of all of AWS's tools, and the clients made from it.

use std::time::{Duration, SystemTime};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::service_config::ServiceConfigKey;

/// Attempts at one call, which with the SDK's waits take half a minute at most. Athena lets a workgroup start only so many
/// queries a second, and gives `TooManyRequestsException` beyond:
/// <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>.
const MAX_ATTEMPTS: u32 = 6;

/// The SDK's own number of attempts: what a configuration has that names none.
const SDK_ATTEMPTS: u32 = 3;

/// How long one attempt at a call may take until its answer begins, or, where it is no object of S3, ends. Without it a
/// connection that broke without a word is waited for without end.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Loads the configuration: the environment, the profile's files, IAM Identity Center, and the roles of containers and
/// machines. Credentials are not yet asked for.
///
/// A profile that is named here comes before credentials of the environment, as it does for the AWS CLI; the SDK by itself
/// would take those of the environment.
pub async fn load_config(profile: Option<&str>, region: Option<&str>) -> SdkConfig {
    let http = http_client();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let (config, credentials) = match profile {
        None => {
            let config = loader.load().await;
            let credentials = config.credentials_provider();
            (config, credentials)
        }
        Some(profile) => {
            let config = loader.profile_name(profile).load().await;
            let settings = ProviderConfig::without_region()
                .with_region(config.region().cloned())
                .with_http_client(http);
            let credentials = ProfileFileCredentialsProvider::builder()
                .configure(&settings)
                .profile_name(profile)
                .build();
            (config, Some(SharedCredentialsProvider::new(credentials)))
        }
    };
    let credentials = credentials.map(|source| SharedCredentialsProvider::new(Kept::new(source)));
    let mut config = config.into_builder();
    config.set_credentials_provider(credentials);
    config.build()
}

/// Credentials that are asked for once and kept until shortly before they expire. They are looked at before any call is made,
/// and a `credential_process` must not ask its user a second time for the calls.
#[derive(Debug)]
struct Kept {
    source: SharedCredentialsProvider,
    kept: tokio::sync::Mutex<Option<Credentials>>,
}

impl Kept {
    /// Longer than the SDK's own time before the end at which it asks for new ones.
    const BEFORE_END: Duration = Duration::from_mins(1);

    fn new(source: SharedCredentialsProvider) -> Self {
        Self {
            source,
            kept: tokio::sync::Mutex::default(),
        }
    }

    async fn get(&self) -> provider::Result {
        let mut kept = self.kept.lock().await;
        let lasts = |credentials: &&Credentials| {
            credentials
                .expiry()
                .is_none_or(|end| end > SystemTime::now() + Self::BEFORE_END)
        };
        if let Some(credentials) = kept.as_ref().filter(lasts) {
            return Ok(credentials.clone());
        }
        let fresh = self.source.provide_credentials().await?;
        Ok(kept.insert(fresh).clone())
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        provider::future::ProvideCredentials::new(self.get())
    }
}

/// Connections by rustls with ring, with the platform's root certificates, and through the proxy that `HTTPS_PROXY`,
/// `HTTP_PROXY` and `NO_PROXY` name.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

/// A client of each service.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) athena: aws_sdk_athena::Client,
    pub(crate) glue: aws_sdk_glue::Client,
    pub(crate) s3: aws_sdk_s3::Client,
}

impl Clients {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        let attempts = match config.retry_config().map(RetryConfig::max_attempts) {
            None | Some(SDK_ATTEMPTS) => MAX_ATTEMPTS,
            Some(given) => given,
        };
        let retries = RetryConfig::standard().with_max_attempts(attempts);
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = &config
            .to_builder()
            .retry_config(retries)
            .timeout_config(timeouts)
            .build();
        let s3 = aws_sdk_s3::config::Builder::from(config)
            // An endpoint of one's own, such as 127.0.0.1, rarely has a DNS name for each bucket.
            .force_path_style(has_own_endpoint(config));
        Self {
            athena: aws_sdk_athena::Client::new(config),
            glue: aws_sdk_glue::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
        }
    }
}

fn has_own_endpoint(config: &SdkConfig) -> bool {
    let of_s3 = || {
        let key = ServiceConfigKey::builder()
            .service_id("S3")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build();
        config.service_config()?.load_config(key.ok()?)
    };
    config.endpoint_url().is_some() || of_s3().is_some()
}

/// Returns when the user or the system wants the tool to end.
pub async fn interrupted() {
    #[cfg(unix)]
    if let Ok(mut terminated) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_amazon_have_names_of_their_own() {
        let config = SdkConfig::builder();
        assert!(!has_own_endpoint(&config.build()));
        let config = SdkConfig::builder().endpoint_url("http://127.0.0.1:4566");
        assert!(has_own_endpoint(&config.build()));
    }
}
