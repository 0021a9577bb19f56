//! The properties of the custom resource.
//!
//! Limits are those of
//! [`CreateResourceDataSync`](https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ResourceDataSyncS3Destination.html);
//! what breaks one is refused here, in words that name the property, before any call is made.

use serde_json::{Map, Value};

use crate::sync::{Destination, Sync};

const NAME: &str = "ResourceDataSyncName";
const BUCKET: &str = "S3BucketName";
const PREFIX: &str = "S3BucketPrefix";
const REGION: &str = "S3BucketRegion";
const KMS_KEY_ARN: &str = "KMSKeyArn";

/// `ServiceToken` and `ServiceTimeout` are CloudFormation's own.
const KNOWN: [&str; 7] = [
    NAME,
    BUCKET,
    PREFIX,
    REGION,
    KMS_KEY_ARN,
    "ServiceToken",
    "ServiceTimeout",
];

/// A property that can't be used, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// A required property is not there, or empty.
    #[error("read property {property}: it is missing, it must be {expected}")]
    Missing {
        /// Name of the property.
        property: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
    /// The value breaks a rule.
    #[error("read property {property}: {value} must be {expected}")]
    Invalid {
        /// Name of the property.
        property: &'static str,
        /// Its value as JSON.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// There is no property of this name.
    #[error("read property {0}: it is unknown, allowed are {known}", known = KNOWN.join(", "))]
    Unknown(String),
}

/// Reads the sync that the resource's properties ask for. An empty `S3BucketPrefix` or `KMSKeyArn`
/// counts as left out.
///
/// # Errors
///
/// The first [`PropertyError`].
pub fn parse_properties(properties: &Map<String, Value>) -> Result<Sync, PropertyError> {
    if let Some(unknown) = properties.keys().find(|name| !KNOWN.contains(&&***name)) {
        return Err(PropertyError::Unknown(unknown.clone()));
    }
    let name = required(
        properties,
        NAME,
        "1 to 64 letters, digits, '.', '_' and '-'",
        |name| name.len() <= 64 && name.chars().all(is_name_char),
    )?;
    let bucket = required(
        properties,
        BUCKET,
        "the name of a bucket: 3 to 63 lower-case letters, digits, '.' and '-'",
        |bucket| (3..=63).contains(&bucket.len()) && bucket.chars().all(is_bucket_char),
    )?;
    let prefix = optional(
        properties,
        PREFIX,
        "empty, or up to 256 characters without '/' at either end",
        |prefix| {
            prefix.chars().count() <= 256 && !prefix.starts_with('/') && !prefix.ends_with('/')
        },
    )?;
    let region = required(
        properties,
        REGION,
        "the code of a Region, such as us-east-1",
        is_region,
    )?;
    let kms_key_arn = optional(
        properties,
        KMS_KEY_ARN,
        "empty, or the ARN of a KMS key in the Region of the bucket",
        |arn| is_kms_arn_in(arn, &region),
    )?;
    Ok(Sync {
        name,
        destination: Destination {
            bucket,
            prefix,
            region,
            kms_key_arn,
        },
    })
}

fn required(
    properties: &Map<String, Value>,
    property: &'static str,
    expected: &'static str,
    is_valid: impl Fn(&str) -> bool,
) -> Result<String, PropertyError> {
    optional(properties, property, expected, is_valid)?
        .ok_or(PropertyError::Missing { property, expected })
}

fn optional(
    properties: &Map<String, Value>,
    property: &'static str,
    expected: &'static str,
    is_valid: impl Fn(&str) -> bool,
) -> Result<Option<String>, PropertyError> {
    match properties.get(property) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) if value.is_empty() => Ok(None),
        Some(Value::String(value)) if is_valid(value) => Ok(Some(value.clone())),
        Some(value) => Err(PropertyError::Invalid {
            property,
            value: value.to_string(),
            expected,
        }),
    }
}

fn is_name_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '-')
}

fn is_bucket_char(char: char) -> bool {
    char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '.' | '-')
}

/// A list of Regions would be out of date next year; all codes have at least three such parts, in
/// GovCloud, China and the isolated partitions too.
fn is_region(code: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    code.len() <= 64 && code.split('-').count() >= 3 && code.split('-').all(is_part)
}

/// SSM wants the key in the bucket's Region, and says so only in words that don't name the key.
fn is_kms_arn_in(arn: &str, region: &str) -> bool {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    arn.len() <= 512
        && matches!(*parts, ["arn", partition, "kms", its_region, _, resource]
            if partition.starts_with("aws") && its_region == region && resource.contains('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn properties(changes: Value) -> Map<String, Value> {
        let mut properties = json!({
            "ServiceToken": "arn:aws:lambda:us-east-1:210987654321:function:sync",
            "ServiceTimeout": "900",
            "ResourceDataSyncName": "patch-reporting",
            "S3BucketName": "ssm-resource-sync-us-east-1-111122223333",
            "S3BucketPrefix": "ResourceDataSync",
            "S3BucketRegion": "us-east-1",
        });
        let Value::Object(changes) = changes else {
            panic!("changes are an object");
        };
        for (name, value) in changes {
            properties[name] = value;
        }
        properties.as_object().unwrap().clone()
    }

    #[test]
    fn properties_describe_a_sync() {
        let sync = parse_properties(&properties(json!({"KMSKeyArn": KEY}))).unwrap();
        let expected = Sync {
            name: "patch-reporting".to_owned(),
            destination: Destination {
                bucket: "ssm-resource-sync-us-east-1-111122223333".to_owned(),
                prefix: Some("ResourceDataSync".to_owned()),
                region: "us-east-1".to_owned(),
                kms_key_arn: Some(KEY.to_owned()),
            },
        };
        assert_eq!(sync, expected);
    }

    #[test]
    fn an_empty_prefix_or_key_is_left_out() {
        let rows = [
            ("empty", json!({"S3BucketPrefix": "", "KMSKeyArn": ""})),
            ("null", json!({"S3BucketPrefix": null, "KMSKeyArn": null})),
        ];
        for (name, changes) in rows {
            let destination = parse_properties(&properties(changes)).unwrap().destination;
            assert_eq!(destination.prefix, None, "{name}");
            assert_eq!(destination.kms_key_arn, None, "{name}");
        }
    }

    #[test]
    fn values_of_every_partition_are_taken() {
        let in_region =
            |region: &str, key: &str| json!({"S3BucketRegion": region, "KMSKeyArn": key});
        let rows = [
            in_region(
                "us-gov-west-1",
                "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/1",
            ),
            in_region(
                "cn-north-1",
                "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1",
            ),
            in_region(
                "us-isob-east-1",
                "arn:aws-iso-b:kms:us-isob-east-1:111122223333:alias/a",
            ),
            in_region("eusc-de-east-1", ""),
            json!({"ResourceDataSyncName": "A_b.c-9".repeat(9)}),
            json!({"S3BucketPrefix": "with a/folder, ünd more"}),
        ];
        for changes in rows {
            let parsed = parse_properties(&properties(changes.clone()));
            assert!(parsed.is_ok(), "{changes}: {parsed:?}");
        }
    }

    #[test]
    fn an_error_names_the_property_and_what_is_allowed() {
        let rows = [
            (
                json!({"ResourceDataSyncName": null}),
                "ResourceDataSyncName: it is missing, it must be 1 to 64 letters",
            ),
            (json!({"S3BucketName": ""}), "S3BucketName: it is missing"),
            (
                json!({"S3BucketRegion": null}),
                "S3BucketRegion: it is missing",
            ),
            (
                json!({"ResourceDataSyncName": "a b"}),
                "ResourceDataSyncName: \"a b\" must be 1 to 64 letters",
            ),
            (
                json!({"ResourceDataSyncName": "a".repeat(65)}),
                "ResourceDataSyncName: ",
            ),
            (
                json!({"ResourceDataSyncName": ["a"]}),
                "ResourceDataSyncName: [\"a\"] must be",
            ),
            (
                json!({"S3BucketName": "Bucket"}),
                "S3BucketName: \"Bucket\" must be the name of a bucket",
            ),
            (json!({"S3BucketName": "ab"}), "S3BucketName: "),
            (json!({"S3BucketName": "s3://bucket"}), "S3BucketName: "),
            (
                json!({"S3BucketPrefix": "a/"}),
                "S3BucketPrefix: \"a/\" must be empty, or",
            ),
            (json!({"S3BucketPrefix": "/a"}), "S3BucketPrefix: "),
            (
                json!({"S3BucketPrefix": "ü".repeat(257)}),
                "S3BucketPrefix: ",
            ),
            (
                json!({"S3BucketRegion": "us-east"}),
                "S3BucketRegion: \"us-east\" must be the code",
            ),
            (json!({"S3BucketRegion": "US-EAST-1"}), "S3BucketRegion: "),
            (json!({"S3BucketRegion": "us--1"}), "S3BucketRegion: "),
            (
                json!({"KMSKeyArn": "alias/key"}),
                "KMSKeyArn: \"alias/key\" must be empty, or the ARN",
            ),
            (
                json!({"KMSKeyArn": KEY, "S3BucketRegion": "eu-west-1"}),
                "KMSKeyArn: \"arn:aws:kms:us-east-1:",
            ),
            (
                json!({"BucketName": "x"}),
                "BucketName: it is unknown, allowed are ResourceDataSyncName, S3BucketName, \
                 S3BucketPrefix, S3BucketRegion, KMSKeyArn, ServiceToken, ServiceTimeout",
            ),
        ];
        for (changes, expected) in rows {
            let error = parse_properties(&properties(changes.clone()))
                .unwrap_err()
                .to_string();
            let expected = format!("read property {expected}");
            assert!(error.starts_with(&expected), "{changes}: {error}");
        }
    }
}
