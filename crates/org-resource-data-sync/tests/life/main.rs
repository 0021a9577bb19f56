//! The life of a sync through CloudFormation's requests: the real client over a stand-in for
//! Systems Manager, and the answers that CloudFormation gets.

mod cloudformation;
mod create;
mod delete;
mod ssm;
mod update;
