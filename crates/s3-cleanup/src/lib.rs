//! Empties the buckets of a stack when the stack is deleted, for CloudFormation deletes none that holds anything.
//!
//! The provider of a custom resource with one property, `BucketNames`. Create and Update touch nothing. Delete removes
//! every version and every delete marker of each bucket and aborts its incomplete uploads, if two things hold: the
//! stack itself is going, as CloudFormation says, and the bucket carries the tag `patch-reporting:empty-on-delete` with
//! the value `true`. Otherwise it touches nothing either.
//!
//! - [`check`], [`bucket_names`] and [`BucketName`]: what the template tells.
//! - [`s3_client`]: the client to empty them with.
//! - [`Cleanup`]: what each kind of request comes to.
//! - [`CleanupError`]: how it fails.

mod bucket;
mod bucket_name;
mod client;
mod empty;
mod error;
mod guess;
mod handler;
mod key;
mod listing_body;
mod pace;
mod plan;
mod progress;
mod properties;
mod stack;
mod status;
mod sweep;
mod versions;

pub use bucket_name::{BucketName, BucketNameError};
pub use client::s3_client;
pub use error::{BucketError, Cause, CleanupError, Refusal, Refusals};
pub use handler::Cleanup;
pub use properties::{PropertiesError, bucket_names, check};
