//! A sync as the properties want it and as the API lists it.

use std::fmt;

/// A resource data sync: its name, unique among the account's and Region's syncs, and where it
/// ships to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// 1 to 64 characters.
    pub name: String,
    /// Where it ships to.
    pub destination: Destination,
}

/// The S3 destination of a sync. `Display` shows it as a URL, such as
/// `s3://amzn-s3-demo-bucket/ResourceDataSync`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Name of the bucket.
    pub bucket: String,
    /// Folder of the objects; at the bucket's root without one.
    pub prefix: Option<String>,
    /// Region of the bucket.
    pub region: String,
    /// The key that objects are encrypted with; the bucket's default encryption without one.
    pub kms_key_arn: Option<String>,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        match &self.prefix {
            Some(prefix) => write!(f, "/{prefix}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.name, self.destination)
    }
}
