//! The one HTTP connector of a function: its connection pool and TLS stack serve every AWS client
//! and the answers to CloudFormation.

use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpConnector};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a response's head may take: the slowest call of ours, a `DeleteObjects` of 1,000 keys
/// or a `CreateResourceDataSync` that writes to a bucket, takes a few seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Builds the connector: rustls with ring (aws-lc would cost half a second of a small function's
/// CPU at the first handshake) and the platform's root certificates; plain HTTP for an endpoint
/// that says so.
#[must_use]
pub fn http_connector() -> SharedHttpConnector {
    SharedHttpConnector::new(
        Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .connector_settings(
                HttpConnectorSettings::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .build(),
            )
            .sleep_impl(TokioSleep::new())
            .build(),
    )
}
