//! Keeps the tables of a crawled database fit for the queries: free of columns that repeat a partition key, and with all
//! that the queries name.
//!
//! A resource data sync writes `…/AWS:InstanceInformation/accountid=…/region=…/resourcetype=…/`, and the files
//! in those folders carry a `ResourceType` of their own. The crawler makes a partition key of the folder and a
//! data column of the member, lower-cases both, and from then on Athena refuses every query on the table with
//! `HIVE_INVALID_METADATA: … Table descriptor contains duplicate columns`. This function runs when the crawler
//! has succeeded and takes such columns out again; the partition keys stay, since the files lie by them.
//!
//! The crawler knows of a type or an attribute only what a file of this fleet has shown it so far. So the function also
//! adds the documented columns that a known type's table lacks, and makes the known types' tables that are not there.
//!
//! - [`Config`]: the crawler to listen to, the database to repair and where its data lies, from the environment.
//! - [`ColumnDeleter`]: the handler, which answers with a [`Summary`] or an [`Error`].

mod catalog;
mod config;
mod error;
mod event;
mod handler;
mod plan;
mod repair;
mod schema;
mod table_input;

pub use config::{Config, ConfigError, DataLocation, DataLocationError, GlueName, GlueNameError};
pub use error::{Error, TableError};
pub use handler::{ColumnDeleter, Summary};
