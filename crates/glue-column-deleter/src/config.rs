//! What the function is told by its environment.

use std::collections::BTreeMap;
use std::fmt;

/// Names the crawler whose success starts a repair.
const CRAWLER_NAME: &str = "CRAWLER_NAME";
/// Names the database that the crawler writes.
const DATABASE_NAME: &str = "DATABASE_NAME";
/// Says which folder the crawler reads.
const DATA_LOCATION: &str = "DATA_LOCATION";

/// The function's configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The crawler to listen to; events of any other are ignored.
    pub crawler: GlueName,
    /// The database to repair.
    pub database: GlueName,
    /// The folder that the crawler reads. Without it no table is made; that is how the function was deployed before it
    /// made any.
    pub data_location: Option<DataLocation>,
}

impl Config {
    /// Reads `CRAWLER_NAME`, `DATABASE_NAME` and, if it is set, `DATA_LOCATION` from the process environment, given as
    /// a map.
    ///
    /// # Errors
    ///
    /// One of the names is missing or is none that Glue accepts, or the location is no folder of a bucket.
    pub fn from_env(env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let name = |variable| {
            let value = env.get(variable).ok_or(ConfigError::Missing { variable })?;
            GlueName::new(value).map_err(|source| ConfigError::Invalid {
                variable,
                value: value.clone(),
                source,
            })
        };
        let location = |value: &String| {
            DataLocation::new(value).map_err(|source| ConfigError::InvalidLocation {
                variable: DATA_LOCATION,
                value: value.clone(),
                source,
            })
        };
        Ok(Self {
            crawler: name(CRAWLER_NAME)?,
            database: name(DATABASE_NAME)?,
            data_location: env.get(DATA_LOCATION).map(location).transpose()?,
        })
    }
}

/// Why the environment is no configuration.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set and required.
    #[error("environment variable {variable} is not set")]
    Missing {
        /// The variable's name.
        variable: &'static str,
    },
    /// The variable is set to something that is no name.
    #[error("environment variable {variable} is {value:?}: {source}")]
    Invalid {
        /// The variable's name.
        variable: &'static str,
        /// Its value as found.
        value: String,
        /// The rule that the value breaks.
        source: GlueNameError,
    },
    /// The variable is set to something that is no folder of a bucket.
    #[error("environment variable {variable} is {value:?}: {source}")]
    InvalidLocation {
        /// The variable's name.
        variable: &'static str,
        /// Its value as found.
        value: String,
        /// The rule that the value breaks.
        source: DataLocationError,
    },
}

/// The name of a crawler or of a database: Glue's `NameString`, 1 to 255 characters of a single line.
///
/// See <https://docs.aws.amazon.com/glue/latest/webapi/API_GetTables.html>.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GlueName(String);

impl GlueName {
    const MAX_CHARACTERS: usize = 255;

    /// Takes a name as it is, without trimming or folding.
    ///
    /// # Errors
    ///
    /// `name` is empty, too long or holds a character that Glue refuses.
    pub fn new(name: &str) -> Result<Self, GlueNameError> {
        let characters = name.chars().count();
        if characters == 0 {
            return Err(GlueNameError::Empty);
        }
        if characters > Self::MAX_CHARACTERS {
            return Err(GlueNameError::TooLong { characters });
        }
        // The pattern is [\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*; surrogates are no `char`.
        let refused = |c: char| (c < ' ' && c != '\t') || matches!(c, '\u{fffe}' | '\u{ffff}');
        match name.chars().find(|&c| refused(c)) {
            Some(character) => Err(GlueNameError::Character { character }),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The name as Glue is told it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GlueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rule of [`GlueName`] that a string breaks.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum GlueNameError {
    /// There is nothing.
    #[error("a name is not empty")]
    Empty,
    /// There is too much.
    #[error(
        "a name has at most {} characters, not {characters}",
        GlueName::MAX_CHARACTERS
    )]
    TooLong {
        /// The length found.
        characters: usize,
    },
    /// Control characters other than the tab are refused.
    #[error("a name does not hold the character {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
}

/// The folder that the crawler reads, as a URI: `s3://`, a bucket's name, a slash, and the folder's path, which ends in
/// a slash, or nothing for the whole bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataLocation(String);

impl DataLocation {
    /// Takes a location as it is.
    ///
    /// # Errors
    ///
    /// `location` is not of that form.
    pub fn new(location: &str) -> Result<Self, DataLocationError> {
        let path = location
            .strip_prefix("s3://")
            .ok_or(DataLocationError::Scheme)?;
        let (bucket, folder) = path.split_once('/').ok_or(DataLocationError::Slash)?;
        if !is_bucket_name(bucket) {
            return Err(DataLocationError::Bucket {
                bucket: bucket.to_owned(),
            });
        }
        if !folder.is_empty() && !folder.ends_with('/') {
            return Err(DataLocationError::Slash);
        }
        Ok(Self(location.to_owned()))
    }

    /// The location of a folder in this one.
    #[must_use]
    pub fn folder(&self, name: &str) -> String {
        format!("{}{name}/", self.0)
    }
}

/// As far as a slip would show: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
fn is_bucket_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    (3..=63).contains(&name.len()) && name.chars().all(is_allowed)
}

/// The rule of [`DataLocation`] that a string breaks.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum DataLocationError {
    /// It is no URI of S3.
    #[error("a location begins with s3://")]
    Scheme,
    /// It names an object, or the bucket has no end.
    #[error("a location ends in a slash")]
    Slash,
    /// The bucket's name is none.
    #[error("{bucket:?} is no bucket's name")]
    Bucket {
        /// What stands in its place.
        bucket: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_glues_rule() {
        let longest = "n".repeat(255);
        for good in [
            "SSM-GlueCrawler",
            "ssm_global_resource_sync",
            "a b",
            "tab\there",
            "été",
            "𝒳",
            &longest,
        ] {
            assert_eq!(GlueName::new(good).as_ref().map(GlueName::as_str), Ok(good));
        }
        let too_long = "n".repeat(256);
        for (bad, error) in [
            ("", GlueNameError::Empty),
            (
                too_long.as_str(),
                GlueNameError::TooLong { characters: 256 },
            ),
            ("two\nlines", GlueNameError::Character { character: '\n' }),
            ("nul\0", GlueNameError::Character { character: '\0' }),
            (
                "\u{ffff}",
                GlueNameError::Character {
                    character: '\u{ffff}',
                },
            ),
        ] {
            assert_eq!(GlueName::new(bad), Err(error), "{bad:?}");
        }
    }

    fn env<const N: usize>(variables: [(&str, &str); N]) -> BTreeMap<String, String> {
        variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn env_with_location(location: &str) -> BTreeMap<String, String> {
        env([
            ("CRAWLER_NAME", "c"),
            ("DATABASE_NAME", "db"),
            ("DATA_LOCATION", location),
        ])
    }

    #[test]
    fn the_environment_is_read_by_name() {
        let env = env([
            ("CRAWLER_NAME", "SSM-GlueCrawler"),
            ("DATABASE_NAME", "ssm_global_resource_sync"),
            ("AWS_REGION", "us-east-1"),
        ]);
        let config = Config::from_env(&env).expect("both are good names");
        assert_eq!(config.crawler.as_str(), "SSM-GlueCrawler");
        assert_eq!(config.database.as_str(), "ssm_global_resource_sync");
        assert_eq!(config.data_location, None);
    }

    #[test]
    fn a_location_is_a_folder_of_a_bucket_or_the_whole_of_it() {
        for (good, folder) in [
            (
                "s3://ssm-resource-sync-us-east-1-111122223333/ResourceDataSync/",
                "s3://ssm-resource-sync-us-east-1-111122223333/ResourceDataSync/AWS:Tag/",
            ),
            ("s3://b.1/a/b/", "s3://b.1/a/b/AWS:Tag/"),
            ("s3://bucket/", "s3://bucket/AWS:Tag/"),
        ] {
            let location = DataLocation::new(good).expect(good);
            assert_eq!(location.folder("AWS:Tag"), folder);
        }
    }

    #[test]
    fn a_missing_or_malformed_variable_is_named_with_its_value() {
        for (env, message) in [
            (
                env([("DATABASE_NAME", "db")]),
                "environment variable CRAWLER_NAME is not set",
            ),
            (
                env([("CRAWLER_NAME", "c")]),
                "environment variable DATABASE_NAME is not set",
            ),
            (
                env([("CRAWLER_NAME", ""), ("DATABASE_NAME", "db")]),
                r#"environment variable CRAWLER_NAME is "": a name is not empty"#,
            ),
            (
                env([("CRAWLER_NAME", "c"), ("DATABASE_NAME", "d\nb")]),
                r#"environment variable DATABASE_NAME is "d\nb": a name does not hold the character '\n'"#,
            ),
            (
                env_with_location(""),
                r#"environment variable DATA_LOCATION is "": a location begins with s3://"#,
            ),
            (
                env_with_location("https://bucket/folder/"),
                r#"environment variable DATA_LOCATION is "https://bucket/folder/": a location begins with s3://"#,
            ),
            (
                env_with_location("s3://bucket"),
                r#"environment variable DATA_LOCATION is "s3://bucket": a location ends in a slash"#,
            ),
            (
                env_with_location("s3://bucket/folder"),
                r#"environment variable DATA_LOCATION is "s3://bucket/folder": a location ends in a slash"#,
            ),
            (
                env_with_location("s3:///folder/"),
                r#"environment variable DATA_LOCATION is "s3:///folder/": "" is no bucket's name"#,
            ),
            (
                env_with_location("s3://${Bucket}/folder/"),
                r#"environment variable DATA_LOCATION is "s3://${Bucket}/folder/": "${Bucket}" is no bucket's name"#,
            ),
        ] {
            let error = Config::from_env(&env).expect_err(message);
            assert_eq!(error.to_string(), message);
        }
    }
}
