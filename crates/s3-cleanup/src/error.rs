//! How emptying a bucket fails. Messages are fragments that fit after "failed to".

use std::fmt;

use lambda_sdk::AwsError;

/// How many keys a failure names.
const KEYS_NAMED: usize = 5;

/// Why buckets are not empty.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The stack's ARN is not what it should be, so that nobody knows whose buckets to empty.
    #[error("find the account in the stack id {stack_id:?}")]
    StackId {
        /// The ARN as received.
        stack_id: String,
    },
    /// Some buckets could not be emptied; the others were.
    #[error("{}", joined(.0))]
    Buckets(Vec<BucketError>),
}

/// Why one bucket is not empty.
#[derive(Debug, thiserror::Error)]
#[error("empty bucket {bucket} ({deleted} versions deleted): {cause}")]
pub struct BucketError {
    /// The bucket's name.
    pub bucket: String,
    /// How many versions and delete markers were deleted before.
    pub deleted: u64,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong with a bucket.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A request as a whole was refused.
    #[error("{operation}: {error}")]
    Request {
        /// The operation's name in the API.
        operation: &'static str,
        /// The cause as AWS or the connection told it.
        error: AwsError,
    },
    /// A listing can't be understood.
    #[error("{operation}: the answer holds a key that is not UTF-8")]
    Encoding {
        /// The operation's name in the API.
        operation: &'static str,
    },
    /// Requests succeeded but some versions in them were refused.
    #[error("{0}")]
    Refused(Refusals),
    /// Something goes on writing to the bucket.
    #[error("it was emptied {passes} times and something still writes to it")]
    Refilled {
        /// How often it was emptied.
        passes: u32,
    },
    /// The invocation is over.
    #[error("the time is up; deleting the stack again goes on from here")]
    OutOfTime,
}

/// The versions that S3 refused to delete: how many, and the first of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refusals {
    count: u64,
    first: Vec<Refusal>,
}

/// One version that S3 refused to delete, with the error as in the `Errors` of a `DeleteObjects` answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The object's key.
    pub key: String,
    /// Such as `AccessDenied`.
    pub code: String,
    /// S3's words.
    pub message: String,
}

impl Refusals {
    pub(crate) fn add(&mut self, refusal: Refusal) {
        self.count += 1;
        if self.first.len() < KEYS_NAMED {
            self.first.push(refusal);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} versions were refused", self.count)?;
        for (index, Refusal { key, code, message }) in self.first.iter().enumerate() {
            let separator = if index == 0 { ": " } else { "; " };
            write!(f, "{separator}{key:?} {code} ({message})")?;
        }
        if self.count > KEYS_NAMED as u64 {
            f.write_str("; and so on")?;
        }
        Ok(())
    }
}

fn joined(errors: &[BucketError]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
