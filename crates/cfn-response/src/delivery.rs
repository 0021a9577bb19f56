//! Sending the answer: one PUT, tried again until it is taken or the invocation ends.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use crate::deadline::Deadline;
use crate::response_url::ResponseUrl;

/// How long one attempt may take, from connecting to the status line. The answer is a few KiB for
/// an S3 endpoint of the same Region.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// The wait before the second attempt is drawn from zero to this; each further one from twice the
/// range, up to [`MAX_BACKOFF`].
const BASE_BACKOFF: Duration = Duration::from_millis(250);

/// Longest wait between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(8);

/// Why the answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The server answered with something other than a 2xx.
    #[error("deliver the answer to {host}: status {status}")]
    Status {
        /// Host of the response URL.
        host: String,
        /// Status code of the last attempt.
        status: u16,
    },
    /// The connection failed, or broke.
    #[error("deliver the answer to {host}")]
    Connection {
        /// Host of the response URL.
        host: String,
        /// What the HTTP client says.
        source: aws_smithy_runtime_api::client::result::ConnectorError,
    },
    /// No status came back in time.
    #[error("deliver the answer to {host}: no response within {} ms", .after.as_millis())]
    Timeout {
        /// Host of the response URL.
        host: String,
        /// How long was waited for.
        after: Duration,
    },
}

/// PUTs `body` to `url` until a 2xx comes back.
///
/// The content type is empty and the length exact, since the URL's signature covers them.
///
/// # Errors
///
/// The [`DeliveryError`] of the last attempt, when the next one could not start before the deadline.
pub(crate) async fn deliver(
    connector: &SharedHttpConnector,
    url: &ResponseUrl,
    body: &str,
    deadline: Deadline,
) -> Result<(), DeliveryError> {
    let mut attempt = 1;
    loop {
        let error = match put(connector, url, body, deadline).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let pause = backoff(attempt);
        if deadline.remaining() <= pause {
            return Err(error);
        }
        tracing::warn!(
            attempt,
            error = crate::responder::chain(&error),
            "answer not delivered, trying again"
        );
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

async fn put(
    connector: &SharedHttpConnector,
    url: &ResponseUrl,
    body: &str,
    deadline: Deadline,
) -> Result<(), DeliveryError> {
    let host = || url.host().to_owned();
    let timeout = ATTEMPT_TIMEOUT.min(deadline.remaining());
    let call = connector.call(request(url, body));
    match tokio::time::timeout(timeout, call).await {
        Ok(Ok(response)) if response.status().is_success() => Ok(()),
        Ok(Ok(response)) => Err(DeliveryError::Status {
            host: host(),
            status: response.status().as_u16(),
        }),
        Ok(Err(source)) => Err(DeliveryError::Connection {
            host: host(),
            source,
        }),
        Err(_) => Err(DeliveryError::Timeout {
            host: host(),
            after: timeout,
        }),
    }
}

fn request(url: &ResponseUrl, body: &str) -> HttpRequest {
    http::Request::put(url.expose().clone())
        .header(CONTENT_TYPE, "")
        .header(CONTENT_LENGTH, body.len())
        .body(body.into())
        .ok()
        .and_then(|request| HttpRequest::try_from(request).ok())
        .expect("a parsed URL and two plain headers always make a request")
}

/// A random wait after `attempt` failed attempts ("full jitter").
fn backoff(attempt: u32) -> Duration {
    let range = BASE_BACKOFF.saturating_mul(2_u32.saturating_pow(attempt - 1));
    let range = range.min(MAX_BACKOFF);
    range.mul_f64(fastrand::f64())
}
