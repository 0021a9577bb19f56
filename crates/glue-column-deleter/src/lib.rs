//! Keeps the tables of a crawled database free of columns that repeat a partition key.
//!
//! A resource data sync writes `…/AWS:InstanceInformation/accountid=…/region=…/resourcetype=…/`, and the files
//! in those folders carry a `ResourceType` of their own. The crawler makes a partition key of the folder and a
//! data column of the member, lower-cases both, and from then on Athena refuses every query on the table with
//! `HIVE_INVALID_METADATA: … Table descriptor contains duplicate columns`. This function runs when the crawler
//! has succeeded and takes such columns out again; the partition keys stay, since the files lie by them.
//!
//! - [`Config`]: the crawler to listen to and the database to repair, from the environment.
//! - [`ColumnDeleter`]: the handler, which answers with a [`Summary`] or an [`Error`].

mod catalog;
mod config;
mod error;
mod event;
mod handler;
mod repair;
mod table_input;

pub use config::{Config, ConfigError, GlueName, GlueNameError};
pub use error::{Error, TableError};
pub use handler::{ColumnDeleter, Summary};
