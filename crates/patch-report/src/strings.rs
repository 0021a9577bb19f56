//! Every distinct string once.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Strings by number. Number 0 is the empty string, which stands for what is absent.
#[derive(Clone, Debug)]
pub(crate) struct Strings {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Default for Strings {
    fn default() -> Self {
        let mut strings = Self {
            numbers: HashMap::new(),
            texts: Vec::new(),
        };
        strings.add("");
        strings
    }
}

impl Strings {
    /// The number of a text, which is new if the text is.
    pub(crate) fn add(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let text: Arc<str> = text.into();
        self.add_new(text)
    }

    fn add_new(&mut self, text: Arc<str>) -> u32 {
        let number = u32::try_from(self.texts.len()).expect("fewer than four billion strings");
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// The text with a number.
    pub(crate) fn get(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    /// The number that a text of another collection has here.
    pub(crate) fn take(&mut self, other: &Self, number: u32) -> u32 {
        let text = &other.texts[number as usize];
        match self.numbers.get(text) {
            Some(&number) => number,
            None => self.add_new(Arc::clone(text)),
        }
    }
}

impl Serialize for Strings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.texts.iter().map(AsRef::as_ref))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_the_empty_one_has_zero() {
        let mut strings = Strings::default();
        assert_eq!((strings.add("a"), strings.add("b")), (1, 2));
        assert_eq!((strings.add("a"), strings.add("")), (1, 0));
        assert_eq!(strings.get(2), "b");
        assert_eq!(serde_json::to_string(&strings).unwrap(), r#"["","a","b"]"#);
    }

    #[test]
    fn texts_keep_their_meaning_in_another_collection() {
        let (mut strings, mut other) = (Strings::default(), Strings::default());
        strings.add("only here");
        let number = other.add("there");
        let here = strings.take(&other, number);
        assert_eq!(strings.get(here), "there");
        assert_eq!(strings.take(&other, number), here);
        assert_eq!(strings.take(&other, 0), 0);
    }
}
