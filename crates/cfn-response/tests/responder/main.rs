//! What goes to CloudFormation for whatever may come from it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

mod any_event;
mod attempts;
mod delivery;
mod outcome;
mod property;
mod secrecy;
mod support;
mod wire;
