//! Custom resource for a resource data sync of Systems Manager that belongs to an organization.
//!
//! Such a sync ships the inventory and the patch compliance of an account and Region to a central
//! bucket whose policy names the organization instead of its accounts. The native
//! `AWS::SSM::ResourceDataSync` can't make one: it lacks `DestinationDataSharing`.
//!
//! The API has no change in place, and an account and Region can have one sync of this kind, so
//! that an update has to delete the old one, wait, and make the new one
//! ([`UpdateResourceDataSync`](https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateResourceDataSync.html)
//! is for syncs from a source only).

mod bounds;
mod error;
mod handler;
mod making;
mod poll;
mod properties;
mod sync;
mod syncs;

pub use error::Error;
pub use handler::Handler;
pub use properties::{PropertyError, parse_properties};
pub use sync::{Destination, Sync};
