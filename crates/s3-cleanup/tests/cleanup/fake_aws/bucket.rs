//! One bucket: versions, delete markers, incomplete uploads and tags.

use std::collections::BTreeMap;
use std::fmt::Write;

use lambda_sdk::test_util::Reply;

use super::call::{Call, encode};
use super::{OWNER, PAGE, error};

#[derive(Clone, Debug)]
struct Version {
    /// Grows with each version that is written; 0 is the `null` version.
    number: u64,
    is_delete_marker: bool,
}

impl Version {
    fn id(&self) -> String {
        match self.number {
            0 => "null".to_owned(),
            number => format!("v{number}"),
        }
    }
}

/// One bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(super) owner: String,
    /// By key; the newest first.
    versions: BTreeMap<String, Vec<Version>>,
    /// Pairs of key and upload id, in S3's order.
    uploads: Vec<(String, String)>,
    written: u64,
    tags: Vec<(String, String)>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            owner: OWNER.to_owned(),
            versions: BTreeMap::new(),
            uploads: Vec::new(),
            written: 0,
            tags: Vec::new(),
        }
        .tagged("patch-reporting:empty-on-delete", "true")
    }
}

impl Bucket {
    /// Gives the bucket to another account.
    pub(crate) fn owned_by(mut self, account: &str) -> Self {
        account.clone_into(&mut self.owner);
        self
    }

    /// Gives the bucket this one tag and no other.
    pub(crate) fn tagged(mut self, key: &str, value: &str) -> Self {
        self.tags = vec![(key.to_owned(), value.to_owned())];
        self
    }

    /// Takes all tags from the bucket.
    pub(crate) fn untagged(mut self) -> Self {
        self.tags.clear();
        self
    }

    /// Writes a version of an object.
    pub(crate) fn put(&mut self, key: &str) {
        self.write(key, false);
    }

    /// Puts a delete marker on top of an object.
    pub(crate) fn mark_deleted(&mut self, key: &str) {
        self.write(key, true);
    }

    /// Writes an object as in a bucket whose versioning was never on.
    pub(crate) fn put_null(&mut self, key: &str) {
        let null = Version {
            number: 0,
            is_delete_marker: false,
        };
        self.versions.insert(key.to_owned(), vec![null]);
    }

    /// Writes an object as in a bucket whose versioning is suspended: the older versions stay.
    pub(crate) fn put_null_over(&mut self, key: &str) {
        let null = Version {
            number: 0,
            is_delete_marker: false,
        };
        self.versions.entry(key.to_owned()).or_default().push(null);
    }

    /// Begins an upload in parts.
    pub(crate) fn begin_upload(&mut self, key: &str, id: &str) {
        self.uploads.push((key.to_owned(), id.to_owned()));
        self.uploads.sort();
    }

    /// Ends all uploads of an object.
    pub(crate) fn end_upload(&mut self, key: &str) {
        self.uploads.retain(|(other, _)| other != key);
    }

    /// The keys of all versions and delete markers, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self
            .versions
            .iter()
            .flat_map(|(key, versions)| vec![key.clone(); versions.len()]);
        keys.collect()
    }

    /// How many incomplete uploads there are.
    pub(crate) fn uploads(&self) -> usize {
        self.uploads.len()
    }

    fn write(&mut self, key: &str, is_delete_marker: bool) {
        self.written += 1;
        let version = Version {
            number: self.written,
            is_delete_marker,
        };
        self.versions
            .entry(key.to_owned())
            .or_default()
            .insert(0, version);
    }

    pub(super) fn remove(&mut self, key: &str, version_id: &str) {
        if let Some(versions) = self.versions.get_mut(key) {
            versions.retain(|version| version.id() != version_id);
            if versions.is_empty() {
                self.versions.remove(key);
            }
        }
    }

    pub(super) fn abort(&mut self, call: &Call) -> Reply {
        let upload = (call.key.clone(), call.query["uploadId"].clone());
        if !self.uploads.contains(&upload) {
            return error(
                404,
                "NoSuchUpload",
                "The specified multipart upload does not exist.",
            );
        }
        self.uploads.retain(|other| *other != upload);
        Reply::status(204, "")
    }

    pub(super) fn tagging(&self) -> Reply {
        if self.tags.is_empty() {
            return error(404, "NoSuchTagSet", "The TagSet does not exist");
        }
        let mut tags = String::new();
        for (key, value) in &self.tags {
            let _ = write!(tags, "<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        }
        Reply::ok(format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"))
    }

    pub(super) fn list(&self, call: &Call) -> Reply {
        let parameter = |name| call.query.get(name).cloned().unwrap_or_default();
        assert_eq!(
            parameter("encoding-type"),
            "url",
            "keys that XML can't carry would break the page"
        );
        let (prefix, delimiter, key_marker) = (
            parameter("prefix"),
            parameter("delimiter"),
            parameter("key-marker"),
        );
        if call
            .query
            .get("version-id-marker")
            .is_some_and(String::is_empty)
        {
            return error(
                400,
                "InvalidArgument",
                "A version-id marker cannot be empty.",
            );
        }
        let version_marker = match parameter("version-id-marker").as_str() {
            "" => None,
            "null" => Some(0),
            id => Some(id[1..].parse::<u64>().expect("an id of ours")),
        };

        let (mut entries, mut count, mut last_folder) = (String::new(), 0, String::new());
        let (mut next_key, mut next_version) = (String::new(), String::new());
        for (key, versions) in self
            .versions
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
        {
            let below = &key[prefix.len()..];
            let folder = (!delimiter.is_empty())
                .then(|| below.find(&delimiter))
                .flatten();
            if let Some(end) = folder {
                let folder = &key[..prefix.len() + end + delimiter.len()];
                if *key <= key_marker
                    || folder <= key_marker.as_str() && key_marker == folder
                    || last_folder == folder
                {
                    continue;
                }
                if count == PAGE {
                    return truncated(&entries, &next_key, &next_version);
                }
                count += 1;
                folder.clone_into(&mut last_folder);
                folder.clone_into(&mut next_key);
                next_version.clear();
                let _ = write!(
                    entries,
                    "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>",
                    encode(folder)
                );
                continue;
            }
            for version in versions {
                let is_behind_marker = match version_marker {
                    Some(number) if *key == key_marker => version.number < number,
                    _ => *key > key_marker,
                };
                if !is_behind_marker {
                    continue;
                }
                if count == PAGE {
                    return truncated(&entries, &next_key, &next_version);
                }
                count += 1;
                key.clone_into(&mut next_key);
                next_version = version.id();
                let element = if version.is_delete_marker {
                    "DeleteMarker"
                } else {
                    "Version"
                };
                let _ = write!(
                    entries,
                    "<{element}><Key>{}</Key><VersionId>{next_version}</VersionId></{element}>",
                    encode(key)
                );
            }
        }
        Reply::ok(format!(
            "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>{entries}\
             </ListVersionsResult>"
        ))
    }

    pub(super) fn list_uploads(&self, call: &Call) -> Reply {
        let parameter = |name| call.query.get(name).cloned().unwrap_or_default();
        let marker = (parameter("key-marker"), parameter("upload-id-marker"));
        let behind: Vec<_> = self
            .uploads
            .iter()
            .filter(|upload| **upload > marker)
            .collect();
        let mut entries = String::new();
        for (key, id) in behind.iter().take(PAGE) {
            let _ = write!(
                entries,
                "<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>",
                encode(key)
            );
        }
        let is_truncated = behind.len() > PAGE;
        if is_truncated {
            let (key, id) = behind[PAGE - 1];
            let _ = write!(
                entries,
                "<NextKeyMarker>{}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>",
                encode(key)
            );
        }
        Reply::ok(format!(
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>{is_truncated}</IsTruncated>\
             {entries}</ListMultipartUploadsResult>"
        ))
    }
}

fn truncated(entries: &str, next_key: &str, next_version: &str) -> Reply {
    let version = match next_version {
        "" => "<NextVersionIdMarker/>".to_owned(),
        id => format!("<NextVersionIdMarker>{id}</NextVersionIdMarker>"),
    };
    Reply::ok(format!(
        "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>{entries}\
         <NextKeyMarker>{}</NextKeyMarker>{version}</ListVersionsResult>",
        encode(next_key)
    ))
}
