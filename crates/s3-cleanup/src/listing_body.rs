//! Takes out of the answers of `ListObjectVersions` what nobody asks for, while they come in.
//!
//! S3 tells seven things more of each version than its key and id, and can't be asked not to. They make up more than half
//! of a page, and of the time and the memory that it takes to understand one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use memchr::{memchr, memmem};

/// The start tags of the elements that are left out, with all that is in them.
///
/// See the members of `Version` and `DeleteMarkers` at
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>.
const LEFT_OUT: [&[u8]; 9] = [
    b"<ChecksumAlgorithm>",
    b"<ChecksumType>",
    b"<ETag>",
    b"<IsLatest>",
    b"<LastModified>",
    b"<Owner>",
    b"<RestoreStatus>",
    b"<Size>",
    b"<StorageClass>",
];

/// Makes the answers to a call of `ListObjectVersions` shorter.
#[derive(Debug)]
pub(crate) struct ShortListing;

impl Intercept for ShortListing {
    fn name(&self) -> &'static str {
        "short listing"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            let body = std::mem::replace(response.body_mut(), SdkBody::taken());
            *response.body_mut() = SdkBody::from_body_1_x(ShortBody {
                body,
                filter: Filter::default(),
            });
        }
        Ok(())
    }
}

struct ShortBody {
    body: SdkBody,
    filter: Filter,
}

impl Body for ShortBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    let rest = self.filter.end();
                    return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest.into()))));
                }
            };
            match frame.into_data() {
                Ok(data) => {
                    let kept = self.filter.next(&data);
                    if !kept.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(kept.into()))));
                    }
                }
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Goes through XML piece by piece. It knows no more of XML than that a `<` begins a tag and a `>` ends it, so it leaves
/// everything as it is from the first comment or CDATA section on. (S3 sends none.)
#[derive(Debug, Default)]
struct Filter {
    /// The end of what came so far, not yet understood: the beginning of a tag or, while an element is left out, what may
    /// be the beginning of its end tag.
    rest: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Copy,
    /// Leaves out everything up to the end tag that goes with this start tag.
    Skip(&'static [u8]),
    CopyAll,
}

impl Filter {
    /// What is kept of the next piece.
    fn next(&mut self, piece: &[u8]) -> Vec<u8> {
        let joined;
        let mut input = piece;
        if !self.rest.is_empty() {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(piece);
            joined = rest;
            input = &joined;
        }
        let mut kept = Vec::with_capacity(input.len() / 2);
        loop {
            match self.state {
                State::CopyAll => {
                    kept.extend_from_slice(input);
                    return kept;
                }
                State::Skip(start_tag) => {
                    let Some(end) = end_of_element(input, start_tag) else {
                        let may_begin = input.len().saturating_sub(start_tag.len());
                        self.rest.extend_from_slice(&input[may_begin..]);
                        return kept;
                    };
                    input = &input[end..];
                    self.state = State::Copy;
                }
                State::Copy => {
                    let Some((from, to)) = self.next_left_out(input) else {
                        let whole = input.len() - self.rest.len();
                        kept.extend_from_slice(&input[..whole]);
                        return kept;
                    };
                    kept.extend_from_slice(&input[..from]);
                    input = &input[to..];
                }
            }
        }
    }

    /// The next start tag of an element to be left out, from where to where, or the place from which on all is copied;
    /// the state is set accordingly. `None` if there is none; the beginning of a tag at the end then is the rest.
    fn next_left_out(&mut self, input: &[u8]) -> Option<(usize, usize)> {
        let mut at = 0;
        loop {
            let from = at + memchr(b'<', &input[at..])?;
            let tag = &input[from..];
            let Some(length) = memchr(b'>', tag) else {
                self.rest.extend_from_slice(tag);
                return None;
            };
            if tag.starts_with(b"<!") {
                self.state = State::CopyAll;
                return Some((from, from));
            }
            let tag = &tag[..=length];
            at = from + tag.len();
            if let Some(start_tag) = LEFT_OUT.into_iter().find(|left_out| *left_out == tag) {
                self.state = State::Skip(start_tag);
                return Some((from, at));
            }
        }
    }

    /// What is kept once everything has come. A document that breaks off stays one that breaks off.
    fn end(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.rest);
        match self.state {
            State::Skip(_) => Vec::new(),
            State::Copy | State::CopyAll => rest,
        }
    }
}

/// Where the element ends whose start tag came before.
fn end_of_element(input: &[u8], start_tag: &[u8]) -> Option<usize> {
    // The tag without its `<`.
    let name = &start_tag[1..];
    memmem::find_iter(input, b"</")
        .map(|at| at + 2)
        .find(|&at| input[at..].starts_with(name))
        .map(|at| at + name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\"?>\n<ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <IsTruncated>true</IsTruncated><Version><Key>ETag%3C</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest>\
        <LastModified>2026-01-15T12:00:00.000Z</LastModified><ETag>&quot;d4&quot;</ETag><Size>2</Size>\
        <Owner><ID>75aa</ID><DisplayName>IsLatest</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Version>\
        <DeleteMarker><Owner><ID>75aa</ID></Owner><Key>b</Key><VersionId>v2</VersionId></DeleteMarker>\
        <CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListVersionsResult>";

    const SHORT: &str = "<?xml version=\"1.0\"?>\n<ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <IsTruncated>true</IsTruncated><Version><Key>ETag%3C</Key><VersionId>v1</VersionId></Version>\
        <DeleteMarker><Key>b</Key><VersionId>v2</VersionId></DeleteMarker>\
        <CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes></ListVersionsResult>";

    fn filtered<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut filter = Filter::default();
        let mut kept = Vec::new();
        for piece in pieces {
            kept.extend(filter.next(piece));
        }
        kept.extend(filter.end());
        String::from_utf8(kept).expect("UTF-8")
    }

    #[test]
    fn keys_ids_folders_and_markers_are_kept_however_the_pieces_are_cut() {
        for size in 1..=PAGE.len() {
            assert_eq!(filtered(PAGE.as_bytes().chunks(size)), SHORT, "{size}");
        }
    }

    #[test]
    fn what_it_does_not_understand_stays_as_it_is() {
        for page in [
            "",
            "no XML <",
            "<Error><Code>NoSuchBucket</Code></Error>",
            "<A><Size/><Size a=\"b\">1</Size></A>",
            "<A><Key><![CDATA[<Size>1</Size>]]></Key></A>",
            "<A><!-- <Size>1</Size> --></A>",
            "<A><Key>breaks off",
        ] {
            for size in 1..=page.len().max(1) {
                assert_eq!(filtered(page.as_bytes().chunks(size)), page, "{size}");
            }
        }
    }

    #[test]
    fn an_element_that_breaks_off_leaves_a_document_that_breaks_off() {
        let kept = filtered([b"<A><Key>a</Key><Owner><ID>75".as_slice()]);
        assert_eq!(kept, "<A><Key>a</Key>");
    }
}
