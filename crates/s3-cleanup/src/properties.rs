//! What the resource is told by its template.

use serde_json::{Map, Value};

use crate::bucket_name::{BucketName, BucketNameError};

/// The one property: the names of the buckets to empty.
const BUCKET_NAMES: &str = "BucketNames";

/// The properties of the custom resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Properties {
    /// The buckets to empty when the resource is deleted: at least one, in the template's order.
    pub bucket_names: Vec<BucketName>,
}

impl Properties {
    /// Reads `ResourceProperties`.
    ///
    /// # Errors
    /// `BucketNames` is missing or is no list of bucket names.
    pub fn new(properties: &Map<String, Value>) -> Result<Self, PropertiesError> {
        let names = match properties.get(BUCKET_NAMES) {
            None => return Err(PropertiesError::Missing),
            Some(Value::Array(names)) if !names.is_empty() => names,
            Some(_) => return Err(PropertiesError::NoList),
        };
        let bucket_names = names
            .iter()
            .map(|name| {
                let name = name.as_str().ok_or(PropertiesError::NoList)?;
                BucketName::new(name).map_err(|source| PropertiesError::Name {
                    name: name.to_owned(),
                    source,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { bucket_names })
    }
}

/// Why the properties can't be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PropertiesError {
    /// The property is not there.
    #[error("read property {BUCKET_NAMES}: it is missing")]
    Missing,
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
        let names = Properties::new(&properties)?.bucket_names;
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
