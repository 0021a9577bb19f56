//! Versions in little memory. A page of them is held while its delete is under way, and neighbours in a listing have
//! most of their keys in common: of each key only what the one before it does not begin with is kept.

use crate::key::same_bytes;

/// One version of an object, or one delete marker: both go in the same way.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Version {
    pub(crate) key: String,
    /// `null` in a bucket whose versioning was never on.
    pub(crate) version_id: Option<String>,
}

/// Any number of versions in the order in which they were added.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Versions {
    entries: Vec<Entry>,
    /// What is kept of each key, followed by the version id.
    text: String,
    last_key: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Entry {
    /// How many bytes of the key are those of the key before it.
    shared: u32,
    /// Where the rest of the key ends in the text; it begins where the entry before it ends.
    key_end: u32,
    /// Where the version id ends, if there is one.
    id_end: Option<u32>,
}

impl Entry {
    fn end(self) -> usize {
        to_usize(self.id_end.unwrap_or(self.key_end))
    }
}

impl Versions {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// # Panics
    /// The text of all of them comes to 4 GiB. A page of a listing has 2 MiB at most.
    pub(crate) fn push(&mut self, key: &str, version_id: Option<&str>) {
        // An object's versions follow each other.
        let shared = if *key == *self.last_key {
            key.len()
        } else {
            key.floor_char_boundary(same_bytes(key, &self.last_key))
        };
        self.text.push_str(&key[shared..]);
        let key_end = to_u32(self.text.len());
        let id_end = version_id.map(|id| {
            self.text.push_str(id);
            to_u32(self.text.len())
        });
        self.entries.push(Entry {
            shared: to_u32(shared),
            key_end,
            id_end,
        });
        self.last_key.truncate(shared);
        self.last_key.push_str(&key[shared..]);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Version> {
        let (mut key, mut start) = (String::new(), 0);
        self.entries.iter().map(move |entry| {
            let key_end = to_usize(entry.key_end);
            key.truncate(to_usize(entry.shared));
            key.push_str(&self.text[start..key_end]);
            start = entry.end();
            Version {
                key: key.clone(),
                version_id: entry
                    .id_end
                    .map(|end| self.text[key_end..to_usize(end)].to_owned()),
            }
        })
    }
}

impl FromIterator<Version> for Versions {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        let mut list = Self::default();
        for version in versions {
            list.push(&version.key, version.version_id.as_deref());
        }
        list
    }
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).expect("less than 4 GiB of keys")
}

fn to_usize(length: u32) -> usize {
    usize::try_from(length).expect("at least 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_comes_back() {
        let versions = [
            ("", None),
            ("a", Some("v")),
            ("a", Some("w")),
            ("a", None),
            ("ab/c", Some("")),
            ("ab/d", Some("v")),
            ("b", Some("null")),
            ("ü", Some("v")),
            // The first byte of both is the same, the first character is not.
            ("ö", Some("v")),
            ("öü", Some("v")),
            ("", Some("v")),
        ]
        .map(|(key, id)| Version {
            key: key.to_owned(),
            version_id: id.map(str::to_owned),
        });
        let list: Versions = versions.iter().cloned().collect();
        assert_eq!(list.len(), versions.len());
        assert_eq!(list.iter().collect::<Vec<_>>(), versions);
    }

    #[test]
    fn neighbours_take_little_memory() {
        let key =
            |node| format!("AWS:Tag/accountid=111122223333/region=us-east-1/i-{node:017x}.json");
        let list: Versions = (0..1_000)
            .map(|version| Version {
                key: key(version / 4),
                version_id: Some(format!("{version:032}")),
            })
            .collect();
        let per_version = list.text.len() / list.len();
        assert!(per_version < 40, "{per_version} bytes of text a version");
    }
}
