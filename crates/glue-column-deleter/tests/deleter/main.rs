//! Events in, requests to AWS Glue out: the real SDK client over a programmable HTTP client.

mod completion;
mod errors;
mod events;
mod faults;
mod glue;
mod moving;
mod recipe;
mod repairs;
mod support;
mod time;
mod twins;
