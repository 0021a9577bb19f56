//! How our functions reach AWS: one HTTP connector, a hand-built
//! [`SdkConfig`](aws_types::SdkConfig), one rendering of errors, and the log.
//!
//! The configuration is built by hand instead of by `aws-config`, whose chain of profile, SSO,
//! IMDS, ECS and STS credentials a function never uses and would carry (0.7 MB) all the same.
//!
//! The command `patch-report`, which runs on a person's machine and uses that chain, takes the rendering of errors from here.

mod config;
mod error;
mod http_connector;
#[cfg(feature = "log")]
mod log;
#[cfg(feature = "test-util")]
pub mod test_util;

pub use config::{ConfigError, retry_partition, sdk_config};
pub use error::{AwsError, chain};
pub use http_connector::http_connector;
#[cfg(feature = "log")]
pub use log::init_log;
