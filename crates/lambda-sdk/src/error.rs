//! One rendering of what the SDK's errors have to say: `{}` of an `SdkError` prints "service
//! error", `{:?}` prints a page.

use std::error::Error;
use std::fmt::{self, Write};

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId;

/// A call to AWS that failed: the service's code, its message, the HTTP status and the request's
/// id, or else why no proper response came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    code: Option<String>,
    message: Option<String>,
    text: String,
}

impl AwsError {
    /// The service's error code, such as `AccessDeniedException`. None if the call failed without
    /// an answer of the service, or with one that has none.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The service's message; some errors have none.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for AwsError {}

impl<E> From<SdkError<E, HttpResponse>> for AwsError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let mut text = match &error {
            SdkError::ServiceError(_) => service_error(&error),
            _ => chain(&error),
        };
        if let Some(response) = error.raw_response() {
            let _ = write!(text, " (status {}", response.status().as_u16());
            if let Some(id) = error.request_id() {
                let _ = write!(text, ", request id {id}");
            }
            text.push(')');
        }
        Self {
            code: error.code().map(str::to_owned),
            message: error.message().map(str::to_owned),
            text,
        }
    }
}

fn service_error(error: &impl ProvideErrorMetadata) -> String {
    let code = error.code().unwrap_or("error without a code");
    match error.message() {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    }
}

/// An error with all its causes, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
