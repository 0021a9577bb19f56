//! The provider's side of CloudFormation's custom-resource protocol.
//!
//! [`Responder::answer`] takes the raw event of an invocation, hands the parsed [`Request`] to a
//! handler, and sends exactly one answer whatever becomes of it: success, a typed failure, a panic,
//! or the invocation's deadline. A provider that does not answer leaves its stack waiting for up to
//! an hour. The one exception is work that is too long for one invocation: while Lambda is certain
//! to invoke again, [`Failure::resumable`] leaves the answer to the next attempt.
//!
//! The protocol is described in the CloudFormation User Guide, ["Custom resource
//! reference"](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html).

mod attempt;
mod deadline;
mod delivery;
mod outcome;
mod request;
mod responder;
mod response;
mod response_url;

pub use deadline::Deadline;
pub use delivery::DeliveryError;
pub use outcome::{Failure, Success};
pub use request::{Request, RequestError, RequestType};
pub use responder::{AnswerError, Responder, chain};
pub use response::CREATE_FAILED_ID;
pub use response_url::{ResponseUrl, ResponseUrlError};
