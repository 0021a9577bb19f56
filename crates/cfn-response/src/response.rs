//! The body of an answer, never larger than CloudFormation takes.
//!
//! Members and their limits: [Custom resource response
//! objects](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::request::{Envelope, MAX_PHYSICAL_RESOURCE_ID};

/// Largest body, in bytes. A larger one is refused with "Response object is too long.", which
/// hides the reason of a failure.
pub(crate) const MAX_BODY: usize = 4_096;

/// Longest pointer to the log that a reason keeps, in bytes of JSON. A log stream's name has about
/// 60 characters, a group's at most 512.
const MAX_LOG_POINTER: usize = 700;

/// What stands for the part of a reason that was cut out.
const ELLIPSIS: &str = " … ";

/// The physical id of a resource whose Create failed. The rollback sends a Delete with it, which
/// is answered SUCCESS without asking the handler: there is nothing to delete, and whatever made
/// the Create fail (a thing of that name that somebody else owns, say) must be left alone.
pub const CREATE_FAILED_ID: &str = "cfn-response:create-failed";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Map<String, Value>>,
}

/// Why a success can't be told to CloudFormation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnfitSuccess {
    #[error(
        "answer: with its Data the answer has {0} bytes, CloudFormation takes {MAX_BODY} (a fault \
         of the provider: the request was carried out)"
    )]
    TooLarge(usize),
    #[error("answer: the physical id must have 1 to {MAX_PHYSICAL_RESOURCE_ID} bytes, it has {0}")]
    PhysicalResourceId(usize),
}

/// The body of a SUCCESS.
///
/// # Errors
///
/// [`UnfitSuccess`] if it breaks one of CloudFormation's limits.
pub(crate) fn success(
    envelope: &Envelope,
    physical_resource_id: &str,
    data: &Map<String, Value>,
) -> Result<String, UnfitSuccess> {
    if !is_fit_as_id(physical_resource_id) {
        return Err(UnfitSuccess::PhysicalResourceId(physical_resource_id.len()));
    }
    let body = Body {
        status: "SUCCESS",
        reason: None,
        data: (!data.is_empty()).then_some(data),
        ..Body::new(envelope, physical_resource_id)
    }
    .to_json();
    if body.len() > MAX_BODY {
        return Err(UnfitSuccess::TooLarge(body.len()));
    }
    Ok(body)
}

/// The body of a FAILED. Its reason is `cause` and then `log_pointer` in brackets; what is too
/// much is cut from the middle of the cause, so that the step that failed, the innermost error and
/// the log's name stay. An id that breaks CloudFormation's limit is replaced by
/// [`CREATE_FAILED_ID`].
pub(crate) fn failed(
    envelope: &Envelope,
    physical_resource_id: &str,
    cause: &str,
    log_pointer: &str,
) -> String {
    let id = if is_fit_as_id(physical_resource_id) {
        physical_resource_id
    } else {
        CREATE_FAILED_ID
    };
    let with_reason = |reason| {
        Body {
            reason: Some(reason),
            ..Body::new(envelope, id)
        }
        .to_json()
    };
    let suffix = format!(" ({})", cut_middle(log_pointer, MAX_LOG_POINTER));
    let room = MAX_BODY - with_reason(String::new()).len() - escaped_len(&suffix);
    with_reason(cut_middle(cause, room) + &suffix)
}

impl<'a> Body<'a> {
    fn new(envelope: &'a Envelope, physical_resource_id: &'a str) -> Self {
        Self {
            status: "FAILED",
            reason: None,
            physical_resource_id,
            stack_id: &envelope.stack_id,
            request_id: &envelope.request_id,
            logical_resource_id: &envelope.logical_resource_id,
            data: None,
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and JSON values always serialize")
    }
}

fn is_fit_as_id(id: &str) -> bool {
    !id.is_empty() && escaped_len(id) <= MAX_PHYSICAL_RESOURCE_ID
}

/// Bytes that `text` takes inside a JSON string.
pub(crate) fn escaped_len(text: &str) -> usize {
    text.chars().map(escaped_char_len).sum()
}

/// Bytes that `char` takes inside a JSON string as `serde_json` writes it.
fn escaped_char_len(char: char) -> usize {
    match char {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..'\u{20}' => 6,
        _ => char.len_utf8(),
    }
}

/// `text` if it takes at most `room` bytes of JSON; otherwise as much of its beginning and of its
/// end as does.
fn cut_middle(text: &str, room: usize) -> String {
    if escaped_len(text) <= room {
        return text.to_owned();
    }
    let half = room.saturating_sub(escaped_len(ELLIPSIS)) / 2;
    let head = bytes_within(text.chars(), half);
    let tail = text.len() - bytes_within(text.chars().rev(), half);
    format!("{}{ELLIPSIS}{}", &text[..head], &text[tail..])
}

/// Bytes of the longest run of `chars` that takes at most `room` bytes of JSON.
fn bytes_within(chars: impl Iterator<Item = char>, room: usize) -> usize {
    chars
        .scan(0, |escaped, char| {
            *escaped += escaped_char_len(char);
            (*escaped <= room).then(|| char.len_utf8())
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::response_url::ResponseUrl;

    fn envelope() -> Envelope {
        Envelope {
            response_url: ResponseUrl::parse("https://example.com/").unwrap(),
            stack_id: "arn:aws:cloudformation:us-east-1:111122223333:stack/s/1".to_owned(),
            request_id: "r-1".to_owned(),
            logical_resource_id: "Thing".to_owned(),
            physical_resource_id: None,
        }
    }

    fn reason(body: &str) -> String {
        let body: Value = serde_json::from_str(body).unwrap();
        body["Reason"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_success_repeats_the_request_and_carries_its_data() {
        let data = json!({"Name": "a"}).as_object().unwrap().clone();
        let body = success(&envelope(), "id", &data).unwrap();
        let expected = json!({
            "Status": "SUCCESS",
            "PhysicalResourceId": "id",
            "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/s/1",
            "RequestId": "r-1",
            "LogicalResourceId": "Thing",
            "Data": {"Name": "a"},
        });
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    }

    #[test]
    fn a_success_beyond_the_limits_is_refused() {
        let data = json!({"Name": "x".repeat(MAX_BODY)});
        let rows = [
            ("data", "id", data.as_object().unwrap().clone()),
            ("empty id", "", Map::new()),
            (
                "long id",
                &*"i".repeat(MAX_PHYSICAL_RESOURCE_ID + 1),
                Map::new(),
            ),
        ];
        for (name, id, data) in rows {
            assert!(success(&envelope(), id, &data).is_err(), "{name}");
        }
    }

    #[test]
    fn a_short_reason_is_left_as_it_is() {
        let body = failed(&envelope(), "id", "failed to x: y", "log stream s of g");
        assert_eq!(reason(&body), "failed to x: y (log stream s of g)");
    }

    #[test]
    fn a_long_reason_keeps_the_step_the_innermost_error_and_the_log() {
        let cause = format!("failed to step: {}: innermost", "ü".repeat(10_000));
        let body = failed(&envelope(), "id", &cause, "log stream s of g");
        let reason = reason(&body);
        assert!(reason.starts_with("failed to step: ü"), "{reason}");
        assert!(
            reason.ends_with("ü: innermost (log stream s of g)"),
            "{reason}"
        );
        assert!(reason.contains(ELLIPSIS), "{reason}");
        assert!(body.len() > MAX_BODY - 8, "room is left: {}", body.len());
    }

    proptest! {
        #[test]
        fn lengths_are_those_of_serde_json(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(escaped_len(&text), json.len() - 2);
        }

        #[test]
        fn any_failure_fits(
            ids in prop::array::uniform3("[\\x00-\\x7f€😀]{0,300}"),
            id in any::<String>(),
            cause in "[\\x00-\\x1f\"\\\\a-z€😀]{0,5000}",
            log_pointer in any::<String>(),
        ) {
            let [stack, request, logical] = &ids;
            let event = json!({
                "ResponseURL": "https://example.com/",
                "StackId": stack,
                "RequestId": request,
                "LogicalResourceId": logical,
            });
            let envelope = Envelope::parse(&event).unwrap();
            let body = failed(&envelope, &id, &cause, &log_pointer);
            prop_assert!(body.len() <= MAX_BODY, "{} bytes", body.len());
            let body: Value = serde_json::from_str(&body).unwrap();
            prop_assert_eq!(&body["Status"], "FAILED");
            prop_assert!(!body["PhysicalResourceId"].as_str().unwrap().is_empty());
        }
    }
}
