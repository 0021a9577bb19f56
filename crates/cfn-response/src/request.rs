//! Reading a request: first what is needed to answer it at all, then the rest.
//!
//! Members and their limits: [Custom resource request
//! objects](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html).

use serde_json::{Map, Value};

use crate::response_url::{ResponseUrl, ResponseUrlError};

/// Longest `StackId` that is repeated in an answer, in bytes of JSON; a stack's ARN has about 250.
const MAX_STACK_ID: usize = 512;
/// Longest `RequestId` that is repeated in an answer, in bytes of JSON; it is a UUID.
const MAX_REQUEST_ID: usize = 128;
/// Longest `LogicalResourceId` that is repeated in an answer, in bytes of JSON; CloudFormation
/// allows 255 characters.
const MAX_LOGICAL_RESOURCE_ID: usize = 512;
/// Longest `PhysicalResourceId` that is repeated in an answer, in bytes of JSON; CloudFormation
/// allows 1 KB.
pub(crate) const MAX_PHYSICAL_RESOURCE_ID: usize = 1_024;

/// What CloudFormation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestType {
    /// Make the thing.
    Create,
    /// Change the thing: some property of the resource differs.
    Update,
    /// Remove the thing.
    Delete,
}

impl RequestType {
    /// The word that stands for it in the event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
        }
    }
}

/// One request of CloudFormation.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What to do.
    pub request_type: RequestType,
    /// ARN of the stack.
    pub stack_id: String,
    /// Unique id of the request.
    pub request_id: String,
    /// Type of the resource in the template, such as `Custom::Example`; empty in a Delete that
    /// does not tell.
    pub resource_type: String,
    /// Name of the resource in the template.
    pub logical_resource_id: String,
    /// The id that earlier answers gave: always there in an Update and a Delete, never in a Create.
    pub physical_resource_id: Option<String>,
    /// Properties of the resource, CloudFormation's own `ServiceToken` and `ServiceTimeout` among
    /// them. Numbers and truth values arrive as strings. Empty in a Delete that does not tell:
    /// whatever a Delete does not need must not keep a stack from being deleted.
    pub properties: Map<String, Value>,
    /// The properties before an Update.
    pub old_properties: Option<Map<String, Value>>,
    /// Where the answer goes.
    pub response_url: ResponseUrl,
}

/// What is wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A member is not there.
    #[error("read the event: {member} is missing, must be {expected}")]
    Missing {
        /// Name of the member.
        member: &'static str,
        /// What is allowed.
        expected: String,
    },
    /// A member does not have the type or the length that the protocol gives it.
    #[error("read the event: {member} must be {expected}")]
    Unexpected {
        /// Name of the member.
        member: &'static str,
        /// What is allowed.
        expected: String,
    },
    /// CloudFormation asks for something unknown.
    #[error("read the event: RequestType {0:?} is unknown, must be Create, Update or Delete")]
    RequestType(String),
    /// Nobody can be answered.
    #[error("read the event: ResponseURL is {0}")]
    ResponseUrl(#[from] ResponseUrlError),
}

/// What an answer repeats of its request. Whatever of it the event lacks is left empty, so that an
/// answer can be sent to any event with a URL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Envelope {
    pub(crate) response_url: ResponseUrl,
    pub(crate) stack_id: String,
    pub(crate) request_id: String,
    pub(crate) logical_resource_id: String,
    pub(crate) physical_resource_id: Option<String>,
}

impl Envelope {
    /// Reads what can be read.
    ///
    /// # Errors
    ///
    /// [`RequestError`] only if there is no usable `ResponseURL`.
    pub(crate) fn parse(event: &Value) -> Result<Self, RequestError> {
        let response_url = ResponseUrl::parse(string(event, "ResponseURL", usize::MAX)?)?;
        let or_empty = |member, limit| string(event, member, limit).unwrap_or_default().to_owned();
        Ok(Self {
            response_url,
            stack_id: or_empty("StackId", MAX_STACK_ID),
            request_id: or_empty("RequestId", MAX_REQUEST_ID),
            logical_resource_id: or_empty("LogicalResourceId", MAX_LOGICAL_RESOURCE_ID),
            // A Create has none; one that says otherwise must not get it echoed by its failure.
            physical_resource_id: (event["RequestType"] != RequestType::Create.as_str())
                .then(|| physical_resource_id(event).ok())
                .flatten(),
        })
    }
}

impl Request {
    /// Reads the whole event; `envelope` is what was read of it before.
    ///
    /// # Errors
    ///
    /// [`RequestError`] names the first member that is missing or not as it must be.
    pub(crate) fn parse(event: &Value, envelope: &Envelope) -> Result<Self, RequestError> {
        let request_type = match string(event, "RequestType", usize::MAX)? {
            "Create" => RequestType::Create,
            "Update" => RequestType::Update,
            "Delete" => RequestType::Delete,
            other => return Err(RequestError::RequestType(other.to_owned())),
        };
        let is_delete = request_type == RequestType::Delete;
        Ok(Self {
            request_type,
            stack_id: string(event, "StackId", MAX_STACK_ID)?.to_owned(),
            request_id: string(event, "RequestId", MAX_REQUEST_ID)?.to_owned(),
            resource_type: match string(event, "ResourceType", usize::MAX) {
                Err(_) if is_delete => String::new(),
                resource_type => resource_type?.to_owned(),
            },
            logical_resource_id: string(event, "LogicalResourceId", MAX_LOGICAL_RESOURCE_ID)?
                .to_owned(),
            physical_resource_id: match request_type {
                RequestType::Create => None,
                RequestType::Update | RequestType::Delete => Some(physical_resource_id(event)?),
            },
            properties: match object(event, "ResourceProperties") {
                Err(_) if is_delete => Map::new(),
                properties => properties?.clone(),
            },
            old_properties: match request_type {
                RequestType::Update => Some(object(event, "OldResourceProperties")?.clone()),
                RequestType::Create | RequestType::Delete => None,
            },
            response_url: envelope.response_url.clone(),
        })
    }
}

fn physical_resource_id(event: &Value) -> Result<String, RequestError> {
    string(event, "PhysicalResourceId", MAX_PHYSICAL_RESOURCE_ID).map(str::to_owned)
}

/// The non-empty string `member`, of at most `limit` bytes as it stands in JSON.
fn string<'e>(
    event: &'e Value,
    member: &'static str,
    limit: usize,
) -> Result<&'e str, RequestError> {
    let is_fit = |text: &str| !text.is_empty() && crate::response::escaped_len(text) <= limit;
    let found = event.get(member);
    match found.and_then(Value::as_str) {
        Some(text) if is_fit(text) => Ok(text),
        _ => {
            let expected = match limit {
                usize::MAX => "a string that is not empty".to_owned(),
                limit => format!("a string of 1 to {limit} bytes"),
            };
            Err(unfit(member, found, expected))
        }
    }
}

fn object<'e>(
    event: &'e Value,
    member: &'static str,
) -> Result<&'e Map<String, Value>, RequestError> {
    let found = event.get(member);
    found
        .and_then(Value::as_object)
        .ok_or_else(|| unfit(member, found, "an object".to_owned()))
}

/// What is wrong with a member that is not as it must be.
fn unfit(member: &'static str, found: Option<&Value>, expected: String) -> RequestError {
    match found {
        None | Some(Value::Null) => RequestError::Missing { member, expected },
        Some(_) => RequestError::Unexpected { member, expected },
    }
}
