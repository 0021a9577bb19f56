//! Keys as they travel: an object key is any UTF-8 text, and XML 1.0 is not.

use std::borrow::Cow;
use std::str::Utf8Error;

use percent_encoding::percent_decode_str;

/// Decodes a key, prefix or marker of a listing that was asked for with `encoding-type=url`.
///
/// S3 encodes as HTML forms do: a space is `+`, and a plus sign is `%2B`.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, Utf8Error> {
    if text.contains('+') {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8()?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(text).decode_utf8()
}

/// Whether XML 1.0 can carry the key: the body of a `DeleteObjects` request is XML, that of a `DeleteObject` empty.
///
/// See [the characters of XML](https://www.w3.org/TR/xml/#charsets).
pub(crate) fn fits_xml(key: &str) -> bool {
    let is_plain = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    is_plain
        || key.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..))
}

/// How many bytes two keys have in common at their beginning.
pub(crate) fn same_bytes(one: &str, other: &str) -> usize {
    let pairs = one.bytes().zip(other.bytes());
    pairs.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_decode_as_s3_encodes_them() {
        for (encoded, key) in [
            ("plain/key.json", "plain/key.json"),
            ("a+b", "a b"),
            ("a%2Bb", "a+b"),
            ("100%25", "100%"),
            ("%252B", "%2B"),
            ("%C3%BC", "ü"),
            ("%26%3C%3E", "&<>"),
            ("line%0Abreak", "line\nbreak"),
            ("%01", "\u{1}"),
            (
                "AWS%3ATag/accountid%3D210987654321/",
                "AWS:Tag/accountid=210987654321/",
            ),
        ] {
            assert_eq!(decode(encoded).as_deref(), Ok(key), "{encoded:?}");
        }
        decode("%FF").expect_err("keys are UTF-8");
    }

    #[test]
    fn xml_carries_text_but_no_control_characters() {
        for key in [
            "a b",
            "100%",
            "ü",
            "&<>",
            "tab\t",
            "line\nbreak",
            "cr\r",
            "𝒳",
            "\u{85}",
            "\u{7f}",
        ] {
            assert!(fits_xml(key), "{key:?}");
        }
        for key in [
            "\0",
            "\u{1}",
            "bell\u{7}",
            "\u{1b}[0m",
            "\u{fffe}",
            "\u{ffff}",
        ] {
            assert!(!fits_xml(key), "{key:?}");
        }
    }
}
