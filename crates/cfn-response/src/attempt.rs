//! How old a request is when an attempt at it begins, and what follows from that.
//!
//! CloudFormation invokes the function asynchronously. Lambda repeats an invocation that ended in
//! an error or was cut off twice, the first time after one minute and the second time after two
//! ([error handling for asynchronous
//! invocation](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html)),
//! but does not tell an invocation which of the three it is. The age of the request does: the
//! third can't begin before it is 180 s old.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::response_url::ResponseUrl;

/// An attempt that begins at a request younger than this is the first or the second, so that a
/// further one follows if it ends in an error. Half a minute less than Lambda's two waits together,
/// for clocks that differ.
const RETRY_CERTAIN_WITHIN: Duration = Duration::from_secs(150);

/// How far a request may seem to come from the future. Beyond that the clocks can't be compared.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// How long CloudFormation waits for an answer at most, and if the template does not say
/// (`ServiceTimeout` of
/// [`AWS::CloudFormation::CustomResource`](https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html)),
/// 3,600 s.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The age of a request at the beginning of an attempt; none if its response URL does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(Option<Duration>);

impl Age {
    /// The age at `now` of the request that `response_url` belongs to.
    pub(crate) fn of_request(response_url: &ResponseUrl, now: SystemTime) -> Self {
        let age = response_url.signed_at().and_then(|signed_at| {
            now.duration_since(signed_at)
                .or_else(|error| {
                    let from_the_future = error.duration();
                    (from_the_future <= CLOCK_SKEW)
                        .then_some(Duration::ZERO)
                        .ok_or(error)
                })
                .ok()
        });
        Self(age)
    }

    /// Whether Lambda is sure to invoke again if this attempt ends in an error.
    pub(crate) fn is_retry_certain(self) -> bool {
        self.0.is_some_and(|age| age < RETRY_CERTAIN_WITHIN)
    }

    /// The age, if it is so great that CloudFormation no longer waits for an answer to a request
    /// with these properties.
    pub(crate) fn beyond_the_wait(self, properties: &Map<String, Value>) -> Option<Duration> {
        let wait =
            service_timeout(properties).map_or(LONGEST_WAIT, |it| it.saturating_add(CLOCK_SKEW));
        self.0.filter(|&age| age > wait.min(LONGEST_WAIT))
    }
}

/// The template's `ServiceTimeout`, in seconds, as it stands among the properties.
fn service_timeout(properties: &Map<String, Value>) -> Option<Duration> {
    let seconds = properties.get("ServiceTimeout")?.as_str()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_tells_whether_a_retry_is_certain_and_whether_anybody_waits() {
        let signed = "https://example.com/?X-Amz-Date=20260115T120000Z&X-Amz-Signature=x";
        let undated = "https://example.com/?AWSAccessKeyId=x&Expires=1&Signature=x";
        let noon = ResponseUrl::parse(signed).unwrap().signed_at().unwrap();
        let rows = [
            ("at once", signed, 0, true, false),
            ("by a clock behind", signed, -30, true, false),
            ("by a clock of another time", signed, -31, false, false),
            ("just in time", signed, 149, true, false),
            ("too late", signed, 150, false, false),
            ("third at the earliest", signed, 180, false, false),
            ("at the very end", signed, 3_600, false, false),
            ("nobody waits", signed, 3_601, false, true),
            ("no date", undated, 0, false, false),
        ];
        for (name, url, seconds, is_retry_certain, is_beyond) in rows {
            let now = if seconds < 0 {
                noon - Duration::from_secs(i64::unsigned_abs(seconds))
            } else {
                noon + Duration::from_secs(seconds.unsigned_abs())
            };
            let age = Age::of_request(&ResponseUrl::parse(url).unwrap(), now);
            assert_eq!(age.is_retry_certain(), is_retry_certain, "{name}");
            let unlimited = age.beyond_the_wait(&Map::new());
            assert_eq!(unlimited.is_some(), is_beyond, "{name}");
        }
    }

    #[test]
    fn the_templates_own_wait_is_what_counts() {
        let rows = [
            ("2100", 2_130, false),
            ("2100", 2_131, true),
            ("3600", 3_601, true),
            ("9999", 3_601, true),
            ("nonsense", 3_600, false),
            ("18446744073709551615", 3_601, true),
        ];
        for (timeout, seconds, is_beyond) in rows {
            let properties = Map::from_iter([("ServiceTimeout".to_owned(), timeout.into())]);
            let age = Age(Some(Duration::from_secs(seconds)));
            let found = age.beyond_the_wait(&properties);
            assert_eq!(found.is_some(), is_beyond, "{timeout} {seconds}");
        }
    }
}
