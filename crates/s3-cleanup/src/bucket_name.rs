//! The names that a bucket can have.

use std::fmt;

/// The name of a general purpose bucket.
///
/// The rules are those for buckets made since March 2018, in every partition (GovCloud and China have no others):
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct BucketName(String);

/// Prefixes and suffixes that AWS keeps for itself: access point aliases, directory and table buckets and the like.
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

impl BucketName {
    /// Takes a name as it is, without trimming or folding.
    ///
    /// # Errors
    /// The name breaks one of the rules; the error says which.
    pub fn new(name: &str) -> Result<Self, BucketNameError> {
        let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !(3..=63).contains(&name.len()) {
            return Err(BucketNameError::Length);
        }
        if !name
            .chars()
            .all(|c| is_alphanumeric(c) || matches!(c, '.' | '-'))
        {
            return Err(BucketNameError::Character);
        }
        if !name.starts_with(is_alphanumeric) || !name.ends_with(is_alphanumeric) {
            return Err(BucketNameError::Ends);
        }
        if name.contains("..") {
            return Err(BucketNameError::AdjacentPeriods);
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(BucketNameError::IpAddress);
        }
        if let Some(affix) = RESERVED_PREFIXES
            .into_iter()
            .find(|prefix| name.starts_with(prefix))
            .or_else(|| {
                RESERVED_SUFFIXES
                    .into_iter()
                    .find(|suffix| name.ends_with(suffix))
            })
        {
            return Err(BucketNameError::Reserved { affix });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as S3 is told it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule of [`BucketName`] that a string breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BucketNameError {
    /// Shorter than 3 or longer than 63 characters.
    #[error("it must have 3 to 63 characters")]
    Length,
    /// A character outside the four kinds.
    #[error("it may hold only lower-case letters, digits, periods and hyphens")]
    Character,
    /// A period or hyphen at one end.
    #[error("it must begin and end with a letter or a digit")]
    Ends,
    /// Two periods in a row.
    #[error("it may not hold two adjacent periods")]
    AdjacentPeriods,
    /// Formatted as an IPv4 address.
    #[error("it may not be an IP address")]
    IpAddress,
    /// A prefix or suffix that AWS keeps for other things than general purpose buckets.
    #[error("{affix:?} is reserved by AWS")]
    Reserved {
        /// The prefix or suffix.
        affix: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_are_kept_as_they_are() {
        let longest = "a".repeat(63);
        for name in [
            "abc",
            "ssm-resource-sync-us-east-1-111122223333",
            "ssm-resource-sync-us-gov-west-1-111122223333",
            "ssm-resource-sync-cn-northwest-1-111122223333",
            "ssm-res-sync-athena-query-results-ap-southeast-2-111122223333",
            "with.period",
            "0digits9",
            "1.2.3.4.5",
            "account-regional-111122223333-us-east-1-an",
            &longest,
        ] {
            assert_eq!(
                BucketName::new(name).as_ref().map(BucketName::as_str),
                Ok(name)
            );
        }
    }

    #[test]
    fn bad_names_say_which_rule_they_break() {
        let too_long = "a".repeat(64);
        for (name, error) in [
            ("", BucketNameError::Length),
            ("ab", BucketNameError::Length),
            (&too_long, BucketNameError::Length),
            ("Upper-Case", BucketNameError::Character),
            ("under_score", BucketNameError::Character),
            ("with space", BucketNameError::Character),
            ("one,two", BucketNameError::Character),
            ("arn:aws:s3:::bucket", BucketNameError::Character),
            ("arn:aws-cn:s3:::bucket", BucketNameError::Character),
            ("bücket", BucketNameError::Character),
            ("folder/bucket", BucketNameError::Character),
            ("-leading", BucketNameError::Ends),
            ("trailing-", BucketNameError::Ends),
            (".leading", BucketNameError::Ends),
            ("two..periods", BucketNameError::AdjacentPeriods),
            ("192.168.5.4", BucketNameError::IpAddress),
            ("xn--bucket", BucketNameError::Reserved { affix: "xn--" }),
            (
                "bucket--use1-az4--x-s3",
                BucketNameError::Reserved { affix: "--x-s3" },
            ),
            (
                "alias-s3alias",
                BucketNameError::Reserved { affix: "-s3alias" },
            ),
        ] {
            assert_eq!(BucketName::new(name), Err(error), "{name:?}");
        }
    }
}
