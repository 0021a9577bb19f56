//! The six calls to Amazon S3, each bound to one bucket and to the account that must own it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::Utf8Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::bucket_name::BucketName;
use crate::client::{Clients, is_busy};
use crate::error::{Cause, Refusal};
use crate::key;
use crate::listing_body::ShortListing;
use crate::plan::Range;
use crate::versions::{Version, Versions};

/// Most keys that one `DeleteObjects` takes.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.
pub(crate) const MAX_KEYS_PER_DELETE: usize = 1_000;

/// The tag by which a bucket consents to being emptied, and the value that does.
const CONSENT_TAG: &str = "patch-reporting:empty-on-delete";
const CONSENT: &str = "true";

/// The header in which S3 names the Region of a bucket that was asked for in another.
const BUCKET_REGION: &str = "x-amz-bucket-region";

/// A bucket as seen by the account that owns it. S3 refuses every call if another account owns it by now.
#[derive(Clone, Debug)]
pub(crate) struct Bucket<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) name: &'a BucketName,
    /// Twelve digits.
    pub(crate) owner: &'a str,
}

/// A place in the order of a listing; the listing goes on behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Marker {
    pub(crate) key: String,
    pub(crate) version_id: Option<String>,
}

impl Marker {
    /// The place behind all versions of a key, or behind all keys of a folder if that is what is listed.
    pub(crate) fn behind(key: String) -> Self {
        Self {
            key,
            version_id: None,
        }
    }
}

/// One page of versions: at most 1,000 of `versions`, `singles` and `folders` together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Page {
    pub(crate) versions: Versions,
    /// Those whose keys [XML can't carry](key::fits_xml).
    pub(crate) singles: Vec<Version>,
    /// The prefixes, up to a slash, of all the keys that have one behind the prefix asked for.
    pub(crate) folders: Vec<String>,
    /// Where the next page begins, unless this is the last.
    pub(crate) next: Option<Marker>,
}

/// An upload in parts that was neither completed nor aborted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Upload {
    key: String,
    id: String,
}

/// One page of incomplete uploads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct UploadPage {
    pub(crate) uploads: Vec<Upload>,
    /// The upload behind which the next page begins, unless this is the last.
    pub(crate) next: Option<Upload>,
}

/// What became of a delete of several versions.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// All are gone but those that S3 refused one by one. A version that can't be told from S3's words is none of
    /// those that were sent.
    Done(Vec<(Option<Version>, Refusal)>),
    /// It was too much for S3 at the moment.
    SlowDown,
}

/// Why a call did not do its work.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The bucket is gone, and all that was in it.
    NoSuchBucket,
    /// Anything else.
    Cause(Cause),
}

impl CallError {
    fn new<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        if error.code() == Some("NoSuchBucket") {
            return Self::NoSuchBucket;
        }
        if is_other_region(error.code()) {
            let headers = error.raw_response().map(HttpResponse::headers);
            let region = headers.and_then(|headers| headers.get(BUCKET_REGION));
            return Self::Cause(Cause::OtherRegion {
                region: region.map(str::to_owned),
                error: error.into(),
            });
        }
        Self::Cause(Cause::Request {
            operation,
            error: error.into(),
        })
    }
}

/// Whether S3 says with this error code that what is to be deleted is not there.
fn is_gone(code: Option<&str>) -> bool {
    matches!(code, Some("NoSuchKey" | "NoSuchVersion"))
}

/// Whether S3 says with this error code that the bucket is in another Region. It says so in two ways, by the Region
/// that it is asked in.
fn is_other_region(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed")
    )
}

impl Bucket<'_> {
    /// Whether the bucket consents to being emptied.
    pub(crate) async fn consents(&self) -> Result<bool, CallError> {
        let tagging = self
            .clients
            .general
            .get_bucket_tagging()
            .bucket(self.name.as_str())
            .expected_bucket_owner(self.owner)
            .send()
            .await;
        match tagging {
            Ok(tagging) => Ok(tagging
                .tag_set
                .iter()
                .any(|tag| tag.key == CONSENT_TAG && tag.value == CONSENT)),
            Err(error) if error.code() == Some("NoSuchTagSet") => Ok(false),
            Err(error) => Err(CallError::new("GetBucketTagging", error)),
        }
    }

    /// One page of the versions and delete markers of a range.
    pub(crate) async fn list(&self, range: &Range) -> Result<Page, CallError> {
        const OPERATION: &str = "ListObjectVersions";
        let from = range.from.clone();
        let (key_marker, version_id_marker) =
            from.map(|marker| (marker.key, marker.version_id)).unzip();
        let answer = self
            .clients
            .general
            .list_object_versions()
            .bucket(self.name.as_str())
            .expected_bucket_owner(self.owner)
            .encoding_type(EncodingType::Url)
            .set_prefix((!range.prefix.is_empty()).then(|| range.prefix.clone()))
            .set_delimiter(range.by_folder.then(|| "/".to_owned()))
            .set_key_marker(key_marker)
            .set_version_id_marker(version_id_marker.flatten())
            .customize()
            .interceptor(ShortListing)
            .send()
            .await
            .map_err(|error| CallError::new(OPERATION, error))?;

        let decoder = Decoder::new(OPERATION, answer.encoding_type.as_ref());
        let is_in_range = |key: &str| range.up_to.as_deref().is_none_or(|up_to| key <= up_to);
        let mut page = Page::default();
        let listed = answer.versions.into_iter().flatten();
        let markers = answer.delete_markers.into_iter().flatten();
        let found = listed
            .map(|version| (version.key, version.version_id))
            .chain(markers.map(|marker| (marker.key, marker.version_id)));
        for (key, version_id) in found {
            let Some(key) = key else {
                continue;
            };
            let key = decoder.decode(&key)?;
            if !is_in_range(&key) {
                continue;
            }
            if key::fits_xml(&key) {
                page.versions.push(&key, version_id.as_deref());
            } else {
                let key = key.into_owned();
                page.singles.push(Version { key, version_id });
            }
        }
        for folder in answer.common_prefixes.into_iter().flatten() {
            let Some(folder) = folder.prefix else {
                continue;
            };
            let folder = decoder.decode(&folder)?;
            if is_in_range(&folder) {
                page.folders.push(folder.into_owned());
            }
        }
        let next = answer
            .next_key_marker
            .filter(|_| answer.is_truncated == Some(true));
        if let Some(next) = next {
            let key = decoder.decode(&next)?.into_owned();
            page.next = is_in_range(&key).then_some(Marker {
                key,
                // Behind a folder S3 may say that there is none with an empty element, and takes no empty one.
                version_id: answer.next_version_id_marker.filter(|id| !id.is_empty()),
            });
        }
        Ok(page)
    }

    /// Deletes up to [`MAX_KEYS_PER_DELETE`] versions, all with keys that [fit XML](key::fits_xml), or a single one with
    /// any key. What is gone already counts as deleted.
    pub(crate) async fn delete(&self, versions: &Versions) -> Result<Deletion, CallError> {
        if versions.len() == 1
            && let Some(version) = versions.iter().find(|it| !key::fits_xml(&it.key))
        {
            return self.delete_single(&version).await;
        }
        let objects = versions.iter().map(|version| {
            let object = ObjectIdentifier::builder()
                .key(version.key)
                .set_version_id(version.version_id);
            object
                .build()
                .expect("the one required member, the key, is set")
        });
        let delete = Delete::builder()
            .set_objects(Some(objects.collect()))
            .quiet(true)
            .build()
            .expect("the one required member, the objects, is set");
        let answer = self
            .clients
            .deleting
            .delete_objects()
            .bucket(self.name.as_str())
            .expected_bucket_owner(self.owner)
            .delete(delete)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if is_busy(error.code(), error.raw_response()) => {
                return Ok(Deletion::SlowDown);
            }
            Err(error) => return Err(CallError::new("DeleteObjects", error)),
        };
        let errors = answer.errors.into_iter().flatten();
        let errors: Vec<_> = errors.filter(|error| !is_gone(error.code())).collect();
        if errors.is_empty() {
            return Ok(Deletion::Done(Vec::new()));
        }
        let mut sent: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for Version { key, version_id } in versions.iter() {
            sent.entry(key).or_default().push(version_id);
        }
        let refused = errors.into_iter().map(|error| {
            let refusal = Refusal {
                key: error.key.unwrap_or_default(),
                code: error.code.unwrap_or_default(),
                message: error.message.unwrap_or_default(),
            };
            // The version as it was sent: deleting a key without one would add a delete marker.
            let is_meant =
                |id: &&Option<String>| error.version_id.is_none() || error.version_id == **id;
            let ids = sent.get(&refusal.key);
            let id = ids.and_then(|ids| ids.iter().find(is_meant));
            let version = id.map(|id| Version {
                key: refusal.key.clone(),
                version_id: id.clone(),
            });
            (version, refusal)
        });
        Ok(Deletion::Done(refused.collect()))
    }

    /// Deletes one version, whatever its key. What is gone already counts as deleted.
    async fn delete_single(&self, version: &Version) -> Result<Deletion, CallError> {
        let deleted = self
            .clients
            .deleting
            .delete_object()
            .bucket(self.name.as_str())
            .expected_bucket_owner(self.owner)
            .key(&version.key)
            .set_version_id(version.version_id.clone())
            .send()
            .await;
        let error = match deleted {
            Ok(_) => return Ok(Deletion::Done(Vec::new())),
            Err(error) if is_gone(error.code()) => return Ok(Deletion::Done(Vec::new())),
            Err(error) if is_busy(error.code(), error.raw_response()) => {
                return Ok(Deletion::SlowDown);
            }
            Err(error) => error,
        };
        let refusal = Refusal {
            key: version.key.clone(),
            code: error.code().unwrap_or_default().to_owned(),
            message: error.message().unwrap_or_default().to_owned(),
        };
        match CallError::new("DeleteObject", error) {
            // S3's word on this one object, not on the bucket or the connection.
            CallError::Cause(Cause::Request { .. }) if !refusal.code.is_empty() => {
                Ok(Deletion::Done(vec![(Some(version.clone()), refusal)]))
            }
            error => Err(error),
        }
    }

    /// One page of the incomplete uploads, at most 1,000, that come after the upload `from`.
    pub(crate) async fn uploads(&self, from: Option<Upload>) -> Result<UploadPage, CallError> {
        const OPERATION: &str = "ListMultipartUploads";
        let (key_marker, upload_id_marker) = from.map(|upload| (upload.key, upload.id)).unzip();
        let page = self
            .clients
            .general
            .list_multipart_uploads()
            .bucket(self.name.as_str())
            .expected_bucket_owner(self.owner)
            .encoding_type(EncodingType::Url)
            .set_key_marker(key_marker)
            .set_upload_id_marker(upload_id_marker)
            .send()
            .await
            .map_err(|error| CallError::new(OPERATION, error))?;
        let decoder = Decoder::new(OPERATION, page.encoding_type.as_ref());
        let uploads = page.uploads.into_iter().flatten().filter_map(|upload| {
            let id = upload.upload_id?;
            let key = decoder.decode(&upload.key?).map(Cow::into_owned);
            Some(key.map(|key| Upload { key, id }))
        });
        let next = page
            .next_key_marker
            .zip(page.next_upload_id_marker)
            .filter(|_| page.is_truncated == Some(true));
        Ok(UploadPage {
            uploads: uploads.collect::<Result<_, _>>()?,
            next: next
                .map(|(key, id)| {
                    let key = decoder.decode(&key).map(Cow::into_owned);
                    key.map(|key| Upload { key, id })
                })
                .transpose()?,
        })
    }

    /// Aborts an upload. One that is completed or aborted by now is nobody's trouble.
    pub(crate) async fn abort(&self, upload: Upload) -> Result<(), CallError> {
        let aborted = self
            .clients
            .general
            .abort_multipart_upload()
            .bucket(self.name.as_str())
            .expected_bucket_owner(self.owner)
            .key(upload.key)
            .upload_id(upload.id)
            .send()
            .await;
        match aborted {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(CallError::new("AbortMultipartUpload", error)),
        }
    }
}

/// Decodes the texts of one listing, if S3 says that it has encoded them.
struct Decoder {
    operation: &'static str,
    is_encoded: bool,
}

impl Decoder {
    fn new(operation: &'static str, encoding: Option<&EncodingType>) -> Self {
        Self {
            operation,
            is_encoded: encoding == Some(&EncodingType::Url),
        }
    }

    fn decode<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, CallError> {
        if !self.is_encoded {
            return Ok(Cow::Borrowed(text));
        }
        key::decode(text).map_err(|_: Utf8Error| {
            CallError::Cause(Cause::Encoding {
                operation: self.operation,
            })
        })
    }
}
