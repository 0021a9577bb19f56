//! Guesses keys in a range of keys that has no folders, so that its parts can be listed beside each other. Nothing
//! depends on a guess but the time: a bad one leaves all of the range on one side.
//!
//! A key is read as a number whose digits are the characters that the keys of a page have where they begin to differ.
//! What a page spans then tells how dense the keys are.

use std::collections::BTreeSet;

use crate::key::same_bytes;

/// How many characters of a key count.
const DIGITS: usize = 12;

/// In bytes: S3 has no longer key.
const LONGEST_KEY: usize = 1_024;

/// By how many characters before the first that differs the number may grow.
const CARRY: usize = 4;

/// How far ahead the first guess in a range without an end is, in pages.
pub(crate) const FIRST_REACH: u32 = 8;
/// How much further each next one is that lay before the end of the keys.
pub(crate) const REACH_GROWTH: u32 = 8;
const LONGEST_REACH: u32 = 4_096;

/// The listing of a range of keys, as far as one page tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    /// The first key of the page and the last, in the order of the keys.
    pub(crate) first: &'a str,
    pub(crate) last: &'a str,
    /// The last key that may belong to the range, if it has an end.
    pub(crate) up_to: Option<&'a str>,
}

/// A key between the last one of the page and the end of the range: in the middle of what is left, or in a range
/// without an end so many pages ahead. `None` if the page does not tell enough or about a page is left.
///
/// All keys begin with `prefix`; what is guessed has no slash behind it.
pub(crate) fn guess<'a>(
    prefix: &str,
    span: Span<'a>,
    reach: u32,
    keys: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let Span { first, last, up_to } = span;
    let differs = same_bytes(first, last);
    let characters = Characters::of(keys.chain(up_to), differs);
    let mut start = differs;
    while start > prefix.len()
        && differs - start < CARRY
        && characters.has(last.as_bytes()[start - 1])
    {
        start -= 1;
    }
    // What lies ahead may differ from the page earlier than the page differs in itself.
    let start = up_to.map_or(start, |up_to| start.min(same_bytes(last, up_to)));
    if start < prefix.len() || !last.is_char_boundary(start) {
        return None;
    }
    let number = |key: &str| characters.number(key.as_bytes().get(start..).unwrap_or_default());
    let page = number(last)
        .checked_sub(number(first))
        .filter(|&page| page > 0)?;
    let end = up_to.map_or(characters.most(), number);
    let left = end
        .checked_sub(number(last))
        .filter(|left| left / page >= 2)?;
    let ahead = match up_to {
        Some(_) => left / 2,
        None => (page * u128::from(reach.min(LONGEST_REACH))).min(left / 2),
    };
    let guessed = number(last) + ahead;
    let mut key = last[..start].to_owned();
    key.push_str(&characters.text(guessed));
    let is_between =
        key.len() <= LONGEST_KEY && *key > *last && up_to.is_none_or(|up_to| *key < *up_to);
    is_between.then_some(key)
}

/// The digits.
struct Characters(Vec<u8>);

impl Characters {
    /// The characters of the keys from a place on, up to the next slash and to where they are worth nothing.
    fn of<'a>(keys: impl Iterator<Item = &'a str>, from: usize) -> Self {
        let mut characters = BTreeSet::new();
        for key in keys {
            let rest = key.as_bytes().get(from..).unwrap_or_default();
            let segment = rest.iter().take(DIGITS).take_while(|&&byte| byte != b'/');
            characters.extend(segment.filter(|byte| byte.is_ascii_graphic()));
        }
        Self(characters.into_iter().collect())
    }

    fn has(&self, byte: u8) -> bool {
        self.0.binary_search(&byte).is_ok()
    }

    fn base(&self) -> u128 {
        u128::try_from(self.0.len()).unwrap_or(u128::MAX)
    }

    /// The number that the beginning of a text stands for.
    fn number(&self, text: &[u8]) -> u128 {
        let digit = |index: usize| {
            let byte = text.get(index).copied().unwrap_or_default();
            // Any other character counts as the one before it.
            let digit = match self.0.binary_search(&byte) {
                Ok(digit) => digit,
                Err(place) => place.saturating_sub(1),
            };
            u128::try_from(digit).unwrap_or_default()
        };
        (0..DIGITS).fold(0, |number, index| number * self.base() + digit(index))
    }

    /// The largest number.
    fn most(&self) -> u128 {
        (0..DIGITS).fold(0, |number, _| {
            number * self.base() + self.base().saturating_sub(1)
        })
    }

    fn text(&self, mut number: u128) -> String {
        let mut digits = Vec::with_capacity(DIGITS);
        for _ in 0..DIGITS {
            let digit = usize::try_from(number % self.base()).unwrap_or_default();
            digits.push(char::from(self.0[digit]));
            number /= self.base();
        }
        digits.into_iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(keys: &[&str], up_to: Option<&str>, reach: u32) -> Option<String> {
        let (first, last) = (keys.first()?, keys.last()?);
        let span = Span { first, last, up_to };
        guess("p/", span, reach, keys.iter().copied())
    }

    #[test]
    fn without_an_end_the_guess_is_so_many_pages_ahead() {
        let keys: Vec<_> = (0..100)
            .map(|number| format!("p/{:04}", 1_000 + number))
            .collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        for (reach, near) in [(1, "p/1198"), (10, "p/2089"), (20, "p/3079")] {
            let key = guessed(&keys, None, reach).expect("a guess");
            assert_eq!(&key[..near.len()], near, "{reach} pages: {key}");
        }
    }

    #[test]
    fn with_an_end_the_guess_is_in_the_middle_of_what_is_left() {
        let keys = ["p/1000", "p/1050", "p/1063", "p/1078", "p/1099", "p/1124"];
        let key = guessed(&keys, Some("p/9124"), 8).expect("a guess");
        assert_eq!(&key[..6], "p/5124", "{key}");
    }

    #[test]
    fn a_page_before_the_end_is_left_in_one_piece() {
        let keys = ["p/10", "p/13", "p/16", "p/19"];
        assert_eq!(guessed(&keys, Some("p/29"), 8), None);
    }

    #[test]
    fn pages_that_tell_nothing_lead_to_no_guess() {
        for keys in [
            &["p/a"][..],
            &["p/a", "p/a"],
            &["p/", "p/"],
            &["p/é", "p/ü"],
        ] {
            assert_eq!(guessed(keys, None, 8), None, "{keys:?}");
        }
        assert_eq!(
            guess(
                "p/",
                Span {
                    first: "p/a",
                    last: "p/b",
                    up_to: None
                },
                8,
                [].into_iter()
            ),
            None
        );
    }

    #[test]
    fn a_guess_has_no_slash_behind_the_folder() {
        let keys: Vec<_> = (0..100).map(|number| format!("p/{number:03}/x")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let key = guessed(&keys, None, 4).expect("a guess");
        assert!(!key[2..].contains('/'), "{key}");
    }

    #[test]
    fn a_guess_is_no_longer_than_a_key_may_be() {
        let folder = format!("p/{}", "x".repeat(1_018));
        let keys: Vec<_> = (1_000..1_100)
            .map(|number| format!("{folder}{number}"))
            .collect();
        assert_eq!(keys[0].len(), 1_024);
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        assert_eq!(guessed(&keys, None, 8), None);
    }
}
