//! A versioned bucket whose objects are known from a few numbers: keys in their order, one bit for each version that
//! says whether it is gone.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Most entries of one page.
const PAGE: usize = 1_000;

/// A text behind all that begins like it.
const LAST: char = '\u{10ffff}';

/// What S3 leaves as it is when it encodes a key for a listing.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_');

/// How the keys look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Layout {
    /// As a resource data sync writes them: a folder for each type, account and Region.
    Sync,
    /// All in one folder, with names like those of Athena's results.
    Flat,
    /// All in one folder, numbered one after the other.
    Numbered,
}

impl Layout {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "sync" => Some(Self::Sync),
            "flat" => Some(Self::Flat),
            "numbered" => Some(Self::Numbered),
            _ => None,
        }
    }

    /// The keys of so many objects, in their order.
    fn keys(self, objects: usize) -> Vec<String> {
        let mut keys: Vec<_> = (0..objects)
            .map(|object| match self {
                Self::Sync => {
                    let (node, kind) = (object / TYPES.len(), TYPES[object % TYPES.len()]);
                    let account = 100_000_000_000 + (node % ACCOUNTS) * 7_000_000_001;
                    let region = REGIONS[node / ACCOUNTS % REGIONS.len()];
                    let id = scrambled(node as u64) >> 64;
                    format!(
                        "AWS:{kind}/accountid={account}/region={region}/resourcetype=ManagedInstanceInventory/\
                         i-0{id:016x}.json"
                    )
                }
                Self::Flat => {
                    let id = format!("{:032x}", scrambled(object as u64));
                    format!(
                        "results/{}-{}-{}-{}-{}.csv",
                        &id[..8],
                        &id[8..12],
                        &id[12..16],
                        &id[16..20],
                        &id[20..]
                    )
                }
                Self::Numbered => format!("log/{object:012}.gz"),
            })
            .collect();
        keys.sort_unstable();
        keys
    }
}

/// Each node has an object of each of these types.
const TYPES: [&str; 12] = [
    "AWSComponent",
    "Application",
    "BillingInfo",
    "ComplianceItem",
    "ComplianceSummary",
    "InstanceDetailedInformation",
    "InstanceInformation",
    "Network",
    "PatchCompliance",
    "PatchSummary",
    "Service",
    "Tag",
];
const ACCOUNTS: usize = 25;
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];

/// A number that looks random and is the same each time (splitmix64, twice).
fn scrambled(seed: u64) -> u128 {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let high = mix(seed);
    (u128::from(high) << 64) | u128::from(mix(high))
}

/// The id of a version, to be written with 32 hexadecimal digits.
fn version_id_of(version: usize) -> u128 {
    scrambled(!(version as u64))
}

struct Object {
    key: Box<str>,
    encoded: Box<str>,
    /// Its partition's number.
    partition: usize,
}

/// The bucket.
pub(crate) struct Bucket {
    objects: Vec<Object>,
    versions_per_object: usize,
    /// A bit for each version, in the order of the listing.
    gone: Vec<u64>,
    left: usize,
    partitions: usize,
}

impl Bucket {
    /// So many versions; the last object may have fewer than the others. Partitions are the top-level folders, or there
    /// is one for the whole bucket.
    pub(crate) fn new(
        layout: Layout,
        versions: usize,
        versions_per_object: usize,
        partition_by_folder: bool,
    ) -> Self {
        let mut objects: Vec<Object> = Vec::new();
        let mut partitions = 0;
        let mut folder = String::new();
        for key in layout.keys(versions.div_ceil(versions_per_object)) {
            let top = key.split_once('/').map_or("", |(top, _)| top);
            if partitions == 0 || (partition_by_folder && top != folder) {
                partitions += 1;
                top.clone_into(&mut folder);
            }
            objects.push(Object {
                encoded: utf8_percent_encode(&key, ENCODED)
                    .to_string()
                    .into_boxed_str(),
                key: key.into_boxed_str(),
                partition: partitions - 1,
            });
        }
        Self {
            objects,
            versions_per_object,
            gone: vec![0; versions.div_ceil(64)],
            left: versions,
            partitions: partitions.max(1),
        }
        .with_end(versions)
    }

    /// Marks the places behind the last version as gone.
    fn with_end(mut self, versions: usize) -> Self {
        for index in versions..self.gone.len() * 64 {
            self.gone[index / 64] |= 1 << (index % 64);
        }
        self
    }

    pub(crate) fn left(&self) -> usize {
        self.left
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions
    }

    /// The partition that a listing of a prefix reads.
    pub(crate) fn partition_of_prefix(&self, prefix: &str) -> usize {
        let object = self.place(prefix);
        self.objects
            .get(object)
            .or_else(|| self.objects.last())
            .map_or(0, |object| object.partition)
    }

    /// The version that a key and an id name, and its partition.
    pub(crate) fn find(&self, key: &str, version_id: &str) -> Option<(usize, usize)> {
        let object = self.place(key);
        let found = self
            .objects
            .get(object)
            .filter(|found| *found.key == *key)?;
        let id = u128::from_str_radix(version_id, 16).ok()?;
        let first = object * self.versions_per_object;
        (first..first + self.versions_per_object)
            .find(|&version| version_id_of(version) == id)
            .map(|version| (version, found.partition))
    }

    /// Deletes a version.
    pub(crate) fn delete(&mut self, version: usize) {
        let (word, bit) = (version / 64, 1 << (version % 64));
        if self.gone[word] & bit == 0 {
            self.gone[word] |= bit;
            self.left -= 1;
        }
    }

    /// A page of `ListObjectVersions` with `encoding-type=url`, or not.
    pub(crate) fn list(&self, query: &Query) -> String {
        let prefix = &*query.prefix;
        let end = self.place(&format!("{prefix}{LAST}")) * self.versions_per_object;
        let start = self.place(prefix) * self.versions_per_object;
        let mut index = start.max(self.behind(query)).min(end);
        let mut entries = String::with_capacity(PAGE * 480);
        let mut folders = String::new();
        let mut count = 0;
        let mut next = String::new();
        let name = |object: &Object| {
            if query.is_encoded {
                &object.encoded
            } else {
                &object.key
            }
            .to_string()
        };
        loop {
            index = self.next_left(index).min(end);
            if index == end || count == PAGE {
                break;
            }
            count += 1;
            let object = &self.objects[index / self.versions_per_object];
            let folder = query
                .by_folder
                .then(|| object.key[prefix.len()..].find('/'))
                .flatten()
                .map(|length| &object.key[..=prefix.len() + length]);
            let Some(folder) = folder else {
                let key = name(object);
                let id = format!("{:032x}", version_id_of(index));
                let is_latest = index.is_multiple_of(self.versions_per_object);
                let _ = write!(
                    entries,
                    "<Version><Key>{key}</Key><VersionId>{id}</VersionId><IsLatest>{is_latest}</IsLatest>\
                     <LastModified>2026-01-15T12:00:00.000Z</LastModified>\
                     <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>2345</Size>\
                     <Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner>\
                     <StorageClass>STANDARD</StorageClass></Version>"
                );
                next.clear();
                let _ = write!(
                    next,
                    "<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{id}</NextVersionIdMarker>"
                );
                index += 1;
                continue;
            };
            index = self.place(&format!("{folder}{LAST}")) * self.versions_per_object;
            let folder = if query.is_encoded {
                utf8_percent_encode(folder, ENCODED).to_string()
            } else {
                folder.to_owned()
            };
            let _ = write!(
                folders,
                "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
            );
            next = format!("<NextKeyMarker>{folder}</NextKeyMarker>");
        }
        let is_truncated = index < end;
        if !is_truncated {
            next.clear();
        }
        let encoding = if query.is_encoded {
            "<EncodingType>url</EncodingType>"
        } else {
            ""
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bucket</Name><Prefix></Prefix>\
             <KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker>{next}<MaxKeys>1000</MaxKeys>{encoding}\
             <IsTruncated>{is_truncated}</IsTruncated>{entries}{folders}</ListVersionsResult>"
        )
    }

    /// The version behind the marker of a query.
    fn behind(&self, query: &Query) -> usize {
        let Some(marker) = &query.key_marker else {
            return 0;
        };
        if let Some(id) = &query.version_id_marker {
            return self.find(marker, id).map_or(0, |(version, _)| version + 1);
        }
        let behind = if query.by_folder && marker.ends_with('/') {
            format!("{marker}{LAST}")
        } else {
            format!("{marker}\0")
        };
        self.place(&behind) * self.versions_per_object
    }

    /// The first version from `index` on that is not gone.
    fn next_left(&self, mut index: usize) -> usize {
        let end = self.gone.len() * 64;
        while index < end {
            let ahead = self.gone[index / 64] >> (index % 64);
            let skip = (!ahead).trailing_zeros() as usize;
            if skip < 64 - index % 64 {
                return index + skip;
            }
            index = (index / 64 + 1) * 64;
        }
        end
    }

    /// The first object whose key is not before `text`.
    fn place(&self, text: &str) -> usize {
        self.objects.partition_point(|object| *object.key < *text)
    }
}

/// What a listing asks for.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pub(crate) prefix: String,
    pub(crate) by_folder: bool,
    pub(crate) is_encoded: bool,
    pub(crate) key_marker: Option<String>,
    pub(crate) version_id_marker: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn texts(page: &str, element: &str) -> Vec<String> {
        let (start, end) = (format!("<{element}>"), format!("</{element}>"));
        let parts = page.split(&*start).skip(1);
        parts
            .map(|part| part.split_once(&*end).expect("an end").0.to_owned())
            .collect()
    }

    /// The versions and folders of all pages of a query, and how many pages there are.
    fn all(bucket: &Bucket, mut query: Query) -> (Vec<(String, String)>, Vec<String>, usize) {
        let (mut versions, mut folders, mut pages) = (Vec::new(), Vec::new(), 0);
        loop {
            let page = bucket.list(&query);
            pages += 1;
            versions.extend(
                texts(&page, "Key")
                    .into_iter()
                    .zip(texts(&page, "VersionId")),
            );
            folders.extend(texts(&page, "CommonPrefixes"));
            if texts(&page, "IsTruncated") == ["false"] {
                return (versions, folders, pages);
            }
            query.key_marker = texts(&page, "NextKeyMarker").pop();
            query.version_id_marker = texts(&page, "NextVersionIdMarker").pop();
        }
    }

    #[test]
    fn pages_hold_each_version_once_until_it_is_deleted() {
        for layout in [Layout::Sync, Layout::Flat, Layout::Numbered] {
            let mut bucket = Bucket::new(layout, 5_003, 4, true);
            let (versions, _, pages) = all(&bucket, Query::default());
            assert_eq!((versions.len(), pages), (5_003, 6), "{layout:?}");
            assert!(versions.is_sorted_by(|(one, _), (other, _)| one <= other));
            assert_eq!(versions.iter().collect::<BTreeSet<_>>().len(), 5_003);
            for (key, id) in versions.iter().skip(3) {
                let (version, _) = bucket.find(key, id).expect("it is there");
                bucket.delete(version);
                bucket.delete(version);
            }
            assert_eq!(bucket.left(), 3);
            assert_eq!(all(&bucket, Query::default()).0, versions[..3]);
        }
    }

    #[test]
    fn folders_stand_for_what_is_in_them() {
        let bucket = Bucket::new(Layout::Sync, 20_000, 4, true);
        let query = Query {
            by_folder: true,
            ..Query::default()
        };
        let (versions, folders, _) = all(&bucket, query);
        assert_eq!((versions.len(), folders.len()), (0, TYPES.len()));
        assert_eq!(bucket.partitions(), TYPES.len());
        let query = Query {
            prefix: "AWS:Tag/".to_owned(),
            key_marker: Some("AWS:Tag/accountid=107000000001/".to_owned()),
            by_folder: true,
            ..Query::default()
        };
        assert_eq!(
            all(&bucket, query).1.len(),
            ACCOUNTS - 2,
            "behind the marker as a whole"
        );
    }
}
