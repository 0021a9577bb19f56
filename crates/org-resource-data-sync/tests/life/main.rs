//! The life of a sync through CloudFormation's requests: the real client over a stand-in for
//! Systems Manager, and the answers that CloudFormation gets.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

mod cloudformation;
mod create;
mod delete;
mod delivery;
mod doubt;
mod faults;
mod in_the_way;
mod recipe;
mod replay;
mod restore;
mod ssm;
mod update;
