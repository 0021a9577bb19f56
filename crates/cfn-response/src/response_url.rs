//! Where the answer goes: a presigned URL, so whoever can read it can answer in the provider's
//! place.

use std::fmt;
use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::Uri;

/// The member of a presigned URL's query that says when it was signed, such as `20260115T120000Z`.
/// See [Authenticating requests: using query
/// parameters](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
const SIGNED_AT: &str = "X-Amz-Date";

/// The `ResponseURL` of a request. `Debug` and `Display` show its host only.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseUrl(Uri);

/// Why a text is no response URL. Never holds the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseUrlError {
    /// The text does not follow the grammar of URLs.
    #[error("not a valid URL")]
    Malformed,
    /// The URL has no host, or a scheme other than `https` and `http`.
    #[error("not an absolute https or http URL")]
    NotAbsolute,
}

impl ResponseUrl {
    /// Parses the text of a `ResponseURL` member.
    ///
    /// # Errors
    ///
    /// [`ResponseUrlError`] if it is not an absolute `https` or `http` URL.
    pub fn parse(text: &str) -> Result<Self, ResponseUrlError> {
        let uri: Uri = text.parse().map_err(|_| ResponseUrlError::Malformed)?;
        match (uri.scheme_str(), uri.host()) {
            (Some("https" | "http"), Some(host)) if !host.is_empty() => Ok(Self(uri)),
            _ => Err(ResponseUrlError::NotAbsolute),
        }
    }

    /// The host that the answer is sent to.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// When CloudFormation signed the URL, and so made the request, by its own clock and in whole
    /// seconds. Every repetition of the event has the same.
    ///
    /// `None` if the URL does not tell: CloudFormation documents neither the kind of signature nor
    /// its members, and older ones have no date.
    #[must_use]
    pub fn signed_at(&self) -> Option<SystemTime> {
        let members = self.0.query()?.split('&');
        let date = members
            .filter_map(|member| member.split_once('='))
            .find_map(|(name, value)| (name == SIGNED_AT).then_some(value))?;
        SystemTime::try_from(basic_date_time(date)?).ok()
    }

    /// The whole URL, signature included, for the one place that sends the answer.
    pub(crate) fn expose(&self) -> &Uri {
        &self.0
    }
}

/// Reads ISO 8601's basic form, `20260115T120000Z`.
fn basic_date_time(text: &str) -> Option<DateTime> {
    let part = |range| text.get(range);
    if text.len() != "20260115T120000Z".len() || !text.is_ascii() {
        return None;
    }
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(9..11)?, part(11..13)?, part(13..15)?);
    let extended = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    DateTime::from_str(&extended, Format::DateTime).ok()
}

impl fmt::Display for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host())
    }
}

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResponseUrl({})", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESIGNED: &str = "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/\
        arn%3Aaws%3Acloudformation%3Aus-east-1%3A111122223333%3Astack/s/1%7CX%7C2?X-Amz-Signature=s3cr3t";

    #[test]
    fn a_printed_url_shows_its_host_only() {
        let url = ResponseUrl::parse(PRESIGNED).unwrap();
        let host = "cloudformation-custom-resource-response-useast1.s3.amazonaws.com";
        assert_eq!(url.to_string(), host);
        assert_eq!(format!("{url:?}"), format!("ResponseUrl({host})"));
        assert_eq!(
            format!("{:?}", Some(&url)),
            format!("Some(ResponseUrl({host}))")
        );
    }

    #[test]
    fn the_url_is_sent_to_as_it_was_given() {
        let url = ResponseUrl::parse(PRESIGNED).unwrap();
        assert_eq!(url.expose().to_string(), PRESIGNED);
    }

    #[test]
    fn urls_that_nothing_can_be_sent_to_are_refused() {
        let rows = [
            ("empty", "", ResponseUrlError::Malformed),
            ("space", "https://a b/", ResponseUrlError::Malformed),
            ("path only", "/response", ResponseUrlError::NotAbsolute),
            ("host only", "example.com", ResponseUrlError::NotAbsolute),
            (
                "other scheme",
                "ftp://example.com/",
                ResponseUrlError::NotAbsolute,
            ),
            ("no host", "https://:443/", ResponseUrlError::NotAbsolute),
        ];
        for (name, text, expected) in rows {
            assert_eq!(ResponseUrl::parse(text), Err(expected), "{name}");
        }
    }
}
