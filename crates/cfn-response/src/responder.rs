//! From event to answer: every way through here ends in exactly one.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use futures_util::FutureExt;
use lambda_runtime::LambdaEvent;
use serde_json::{Map, Value};

use crate::attempt::Age;
use crate::deadline::Deadline;
use crate::delivery::{self, DeliveryError};
use crate::outcome::{Failure, Success};
use crate::request::{Envelope, Request, RequestError, RequestType};
use crate::response::{self, CREATE_FAILED_ID};

/// What the handler leaves of an invocation's time for sending the answer.
pub(crate) const DELIVERY_RESERVE: Duration = Duration::from_secs(15);

/// What the delivery leaves of it for ending the invocation: an error that is returned gets
/// logged, an invocation that Lambda cuts off does not.
const RETURN_RESERVE: Duration = Duration::from_millis(500);

/// Why an invocation ends without an answer that CloudFormation took. Lambda invokes the function
/// again, up to twice.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The event names nowhere to send an answer.
    #[error(transparent)]
    Unanswerable(#[from] RequestError),
    /// The answer did not arrive.
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    /// The answer is left to the next attempt, see [`Failure::resumable`].
    #[error("{0}; the next attempt goes on from here")]
    Unfinished(String),
}

/// What became of a request when the handler did not say so itself.
#[derive(Debug, thiserror::Error)]
enum Abort {
    #[error("finish: panic: {0}")]
    Panic(String),
    #[error("finish within the {} s that the function has", .0.as_secs())]
    Deadline(Duration),
    #[error(
        "begin: the request is {} s old and CloudFormation no longer waits for its answer; nothing \
         was done",
        .0.as_secs()
    )]
    TooOld(Duration),
}

type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// Answers CloudFormation's requests.
#[derive(Clone)]
pub struct Responder {
    connector: SharedHttpConnector,
    clock: Arc<Clock>,
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").finish_non_exhaustive()
    }
}

impl Responder {
    /// A responder that sends its answers over `connector`.
    #[must_use]
    pub fn new(connector: SharedHttpConnector) -> Self {
        Self {
            connector,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// The same with another wall clock, for tests in virtual time.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// Handles one invocation: runs `handler` if the event makes a request, and sends one answer.
    ///
    /// The handler's [`Deadline`] is the invocation's less what it takes to send the answer; at
    /// that point it is dropped, and the answer is FAILED. It is not called at all for the Delete
    /// that follows a failed Create, see [`CREATE_FAILED_ID`], and for a request that is older than
    /// CloudFormation waits for its answer: such a late repetition would act on a stack that has moved on.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] if no answer arrived, or if the next attempt is to give it. A request that
    /// failed is not an error of the invocation: its answer says so.
    pub async fn answer<H, F>(
        &self,
        event: LambdaEvent<Value>,
        handler: H,
    ) -> Result<(), lambda_runtime::Error>
    where
        H: FnOnce(Request, Deadline) -> F,
        F: Future<Output = Result<Success, Failure>>,
    {
        let (event, context) = event.into_parts();
        let now = (self.clock)();
        let invocation = Deadline::of_invocation(&context, now).less(RETURN_RESERVE);
        let envelope = Envelope::parse(&event)
            .map_err(AnswerError::from)
            .inspect_err(|error| tracing::error!(error = chain(error), "request not answered"))?;
        tracing::info!(
            request_type = event["RequestType"].as_str(),
            stack_id = envelope.stack_id,
            logical_resource_id = envelope.logical_resource_id,
            physical_resource_id = envelope.physical_resource_id,
            "request received"
        );

        let age = Age::of_request(&envelope.response_url, now);
        let work = invocation.less(DELIVERY_RESERVE);
        let outcome = handle(&event, &envelope, age, work, handler).await;
        if let Err(failure) = &outcome
            && failure.is_resumable
            && age.is_retry_certain()
        {
            let cause = failed_to(failure);
            tracing::warn!(cause, "out of time, the next attempt goes on");
            return Err(AnswerError::Unfinished(cause).into());
        }
        let log_pointer = format!(
            "log stream {} of {}",
            context.env_config.log_stream, context.env_config.log_group
        );
        let body = body(&event, &envelope, outcome, &log_pointer);
        delivery::deliver(&self.connector, &envelope.response_url, &body, invocation)
            .await
            .map_err(AnswerError::from)
            .inspect_err(|error| tracing::error!(error = chain(error), "request not answered"))?;
        tracing::info!("request answered");
        Ok(())
    }
}

async fn handle<H, F>(
    event: &Value,
    envelope: &Envelope,
    age: Age,
    deadline: Deadline,
    handler: H,
) -> Result<Success, Failure>
where
    H: FnOnce(Request, Deadline) -> F,
    F: Future<Output = Result<Success, Failure>>,
{
    if is_delete(event) && envelope.physical_resource_id.as_deref() == Some(CREATE_FAILED_ID) {
        tracing::info!("the create had failed, nothing to delete");
        return Ok(Success {
            physical_resource_id: CREATE_FAILED_ID.to_owned(),
            data: Map::new(),
        });
    }
    let request = Request::parse(event, envelope)?;
    if let Some(age) = age.beyond_the_wait(&request.properties) {
        return Err(Abort::TooOld(age).into());
    }
    let time = deadline.remaining();
    // The handler is called inside of the future, so that a panic before its first await is caught
    // too, and in a box, since a chain of SDK calls is a large future.
    let work = Box::pin(async { handler(request, deadline).await });
    let work = AssertUnwindSafe(work).catch_unwind();
    match tokio::time::timeout_at(deadline.instant(), work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(Abort::Panic(panic_message(&*panic)).into()),
        Err(_) => Err(Abort::Deadline(time).into()),
    }
}

fn body(
    event: &Value,
    envelope: &Envelope,
    outcome: Result<Success, Failure>,
    log_pointer: &str,
) -> String {
    // Only a Create, and an Update that was carried out, may name the thing anew.
    let echo = |id: Option<String>| match &envelope.physical_resource_id {
        Some(echoed) => echoed.clone(),
        None => id.unwrap_or_else(|| CREATE_FAILED_ID.to_owned()),
    };
    let failure = match outcome {
        Ok(success) => {
            let id = if is_delete(event) {
                echo(Some(success.physical_resource_id))
            } else {
                success.physical_resource_id
            };
            match response::success(envelope, &id, &success.data) {
                Ok(body) => return body,
                Err(unfit) => Failure::from(unfit).with_physical_resource_id(id),
            }
        }
        Err(failure) => failure,
    };
    let cause = failed_to(&failure);
    tracing::error!(error = cause, "request failed");
    response::failed(
        envelope,
        &echo(failure.physical_resource_id),
        &cause,
        log_pointer,
    )
}

fn failed_to(failure: &Failure) -> String {
    format!("failed to {}", chain(&*failure.error))
}

fn is_delete(event: &Value) -> bool {
    event["RequestType"].as_str() == Some(RequestType::Delete.as_str())
}

/// `error` and its sources in one line, joined by `: `: how the Reason of an answer tells an error.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
