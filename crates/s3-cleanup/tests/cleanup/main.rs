//! Requests of CloudFormation in, requests to AWS out: the real SDK clients over a programmable HTTP client.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

mod consent;
mod emptying;
mod fake_aws;
mod faults;
mod parallel;
mod recipe;
mod refusals;
mod requests;
mod support;
mod time;
