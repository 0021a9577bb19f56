//! What a handler can say about a request: done, or not done and why.

use std::error::Error;

use serde_json::{Map, Value};

/// The request was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// Names the thing that the resource manages, the same for as long as it is the same thing.
    ///
    /// Not empty, at most 1,024 bytes. A different id in the answer to an Update makes
    /// CloudFormation delete the old one later. Ignored for a Delete, whose answer always repeats
    /// the id of the request.
    pub physical_resource_id: String,
    /// What `Fn::GetAtt` finds.
    pub data: Map<String, Value>,
}

/// The request was not carried out.
///
/// Made from any error by `?` or [`Failure::new`]. The error and its sources become the Reason of
/// the answer, joined by `: ` and with "failed to" in front; so messages are lower-case fragments
/// such as `empty bucket "x"`.
#[derive(Debug)]
pub struct Failure {
    pub(crate) error: Box<dyn Error + Send + Sync>,
    pub(crate) physical_resource_id: Option<String>,
    pub(crate) is_resumable: bool,
}

impl Failure {
    /// A failure caused by `error`.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            error: error.into(),
            physical_resource_id: None,
            is_resumable: false,
        }
    }

    /// Says that nothing is wrong but the time was too short, and that another attempt at the same
    /// event goes on where this one ended.
    ///
    /// If Lambda is certain to make another attempt, the invocation ends in an error and without an
    /// answer, the one exception to "one answer for each request". An attempt that may be the last
    /// answers FAILED all the same.
    #[must_use]
    pub fn resumable(mut self) -> Self {
        self.is_resumable = true;
        self
    }

    /// Names what a failed Create has made and could not take away again, so that the Delete of the
    /// rollback does.
    ///
    /// Without it a failed Create answers [`CREATE_FAILED_ID`](crate::CREATE_FAILED_ID), and the
    /// Delete that follows never reaches the handler. An Update and a Delete always repeat the id
    /// of their request.
    #[must_use]
    pub fn with_physical_resource_id(mut self, id: impl Into<String>) -> Self {
        self.physical_resource_id = Some(id.into());
        self
    }

    /// The error that the failure was made from.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
