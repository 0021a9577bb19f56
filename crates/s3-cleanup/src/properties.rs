//! What the resource is told by its template.

use serde_json::{Map, Value};

use crate::bucket_name::{BucketName, BucketNameError};

/// The one property: the names of the buckets to empty.
const BUCKET_NAMES: &str = "BucketNames";

/// All properties; two of them are CloudFormation's own.
const KNOWN: [&str; 3] = [BUCKET_NAMES, "ServiceToken", "ServiceTimeout"];

/// Checks `ResourceProperties` of a Create or an Update, which need none of them: the Delete that comes one day shall
/// not be the first to complain.
///
/// # Errors
/// A property is unknown, or `BucketNames` is not what [`bucket_names`] reads.
pub fn check(properties: &Map<String, Value>) -> Result<(), PropertiesError> {
    if let Some(unknown) = properties.keys().find(|name| !KNOWN.contains(&&***name)) {
        return Err(PropertiesError::Unknown(unknown.clone()));
    }
    bucket_names(properties).map(|_| ())
}

/// Reads the buckets to empty when the resource is deleted: at least one, in the template's order.
///
/// # Errors
/// `BucketNames` is missing or is no list of bucket names.
pub fn bucket_names(properties: &Map<String, Value>) -> Result<Vec<BucketName>, PropertiesError> {
    let names = match properties.get(BUCKET_NAMES) {
        None | Some(Value::Null) => return Err(PropertiesError::Missing),
        Some(Value::Array(names)) if !names.is_empty() => names,
        Some(_) => return Err(PropertiesError::NoList),
    };
    let name = |name: &Value| {
        let name = name.as_str().ok_or(PropertiesError::NoList)?;
        BucketName::new(name).map_err(|source| PropertiesError::Name {
            name: name.to_owned(),
            source,
        })
    };
    names.iter().map(name).collect()
}

/// Why the properties can't be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PropertiesError {
    /// The property is not there.
    #[error("read property {BUCKET_NAMES}: it is missing, it must be a list of bucket names")]
    Missing,
    /// There is no property of this name.
    #[error("read property {0}: it is unknown, allowed are {known}", known = KNOWN.join(", "))]
    Unknown(String),
    /// The property is something else than it must be.
    #[error("read property {BUCKET_NAMES}: it must be a list of one or more bucket names")]
    NoList,
    /// A member of the list is no name of a bucket.
    #[error("read property {BUCKET_NAMES}: {name:?} is no name of a bucket")]
    Name {
        /// The member as found.
        name: String,
        /// The rule that it breaks.
        source: BucketNameError,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(properties: Value) -> Result<Vec<String>, PropertiesError> {
        let Value::Object(properties) = properties else {
            panic!("properties are an object")
        };
        let names = bucket_names(&properties)?;
        Ok(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn bucket_names_are_a_list_in_the_templates_order() {
        let properties = json!({ "ServiceToken": "arn:…", "ServiceTimeout": "900", "BucketNames": ["zzz", "aaa"] });
        assert_eq!(
            read(properties),
            Ok(vec!["zzz".to_owned(), "aaa".to_owned()])
        );
    }

    #[test]
    fn a_property_that_is_unknown_is_refused_where_the_template_is_checked() {
        let properties =
            json!({ "ServiceToken": "arn:…", "BucketNames": ["one"], "BucketName": "one" });
        let Value::Object(mut properties) = properties else {
            panic!("properties are an object")
        };
        let error = check(&properties).unwrap_err().to_string();
        assert_eq!(
            error,
            "read property BucketName: it is unknown, allowed are BucketNames, ServiceToken, ServiceTimeout"
        );
        properties.remove("BucketName");
        assert_eq!(check(&properties), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        let bad_name = |name: &str, source| PropertiesError::Name {
            name: name.to_owned(),
            source,
        };
        for (properties, error) in [
            (json!({}), PropertiesError::Missing),
            (
                json!({ "s3BucketNames": "one,two" }),
                PropertiesError::Missing,
            ),
            (json!({ "BucketNames": [] }), PropertiesError::NoList),
            (json!({ "BucketNames": "one" }), PropertiesError::NoList),
            (
                json!({ "BucketNames": ["one", 2] }),
                PropertiesError::NoList,
            ),
            (
                json!({ "BucketNames": ["one", ""] }),
                bad_name("", BucketNameError::Length),
            ),
            (
                json!({ "BucketNames": ["one,two"] }),
                bad_name("one,two", BucketNameError::Character),
            ),
        ] {
            assert_eq!(read(properties.clone()), Err(error), "{properties}");
        }
    }
}
