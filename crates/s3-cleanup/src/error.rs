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
    /// The stack's status can't be looked up, so that nobody knows whether the stack is going.
    #[error("look up the status of stack {stack_id}: {error}{}", stack_advice(.error))]
    StackStatus {
        /// The stack's ARN.
        stack_id: String,
        /// The cause as AWS or the connection told it.
        error: AwsError,
    },
    /// CloudFormation does not tell the stack's status.
    #[error("look up the status of stack {stack_id}: the answer has none")]
    NoStatus {
        /// The stack's ARN.
        stack_id: String,
    },
    /// Some buckets could not be emptied; the others were.
    #[error("{}", joined(.0))]
    Buckets(Vec<BucketError>),
}

/// Why one bucket is not empty.
#[derive(Debug, thiserror::Error)]
#[error("empty bucket {bucket} ({deleted} versions deleted in this attempt): {cause}")]
pub struct BucketError {
    /// The bucket's name.
    pub bucket: String,
    /// How many versions and delete markers this attempt has deleted.
    pub deleted: u64,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong with a bucket.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A request as a whole was refused.
    #[error("{operation}: {error}{}", bucket_advice(operation, .error))]
    Request {
        /// The operation's name in the API.
        operation: &'static str,
        /// The cause as AWS or the connection told it.
        error: AwsError,
    },
    /// The bucket is not where the function is.
    #[error(
        "the bucket is in {}, the function reaches buckets of its own Region only: {error}",
        .region.as_deref().unwrap_or("another Region")
    )]
    OtherRegion {
        /// The bucket's Region, if S3 tells it.
        region: Option<String>,
        /// S3's words.
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

impl CleanupError {
    /// Whether nothing but time is missing, so that another attempt goes on from here.
    pub(crate) fn is_resumable(&self) -> bool {
        match self {
            Self::Buckets(errors) => errors
                .iter()
                .all(|error| matches!(error.cause, Cause::OutOfTime)),
            _ => false,
        }
    }
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

/// What to do about a refusal to tell the stack's status.
fn stack_advice(error: &AwsError) -> &'static str {
    if is_denied(error) {
        "; the function's role needs cloudformation:DescribeStacks on the stack"
    } else {
        ""
    }
}

/// What to do about a refusal of S3, which does not tell whether a permission is missing or the owner is another.
fn bucket_advice(operation: &str, error: &AwsError) -> String {
    if !is_denied(error) {
        return String::new();
    }
    let action = match operation {
        "ListObjectVersions" => "s3:ListBucketVersions",
        "ListMultipartUploads" => "s3:ListBucketMultipartUploads",
        "DeleteObjects" => "s3:DeleteObject and s3:DeleteObjectVersion",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        _ => "s3:GetBucketTagging",
    };
    format!(
        "; unless a policy or MFA delete denies it, the function's role lacks {action} or the bucket belongs to another \
         account by now"
    )
}

fn is_denied(error: &AwsError) -> bool {
    error
        .code()
        .is_some_and(|code| code.starts_with("AccessDenied"))
}

fn joined(errors: &[BucketError]) -> String {
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
