//! The command over HTTP: what goes on the wire, and how it ends.

mod command;
mod fake;
mod queries;
