//! The log, in the format and at the level that the function's [logging
//! configuration](https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html)
//! asks for.

use std::collections::BTreeMap;

use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets};
use lambda_runtime::tracing::subscriber::layer::SubscriberExt;
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt;
use lambda_runtime::tracing::subscriber::{Layer, fmt, registry};

/// `TRACE` to `ERROR`; Lambda sets it from the function's configuration.
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";
/// `JSON` or `Text`.
const LOG_FORMAT: &str = "AWS_LAMBDA_LOG_FORMAT";

/// Starts the log on standard output, as the runtime's own `init_default_subscriber` does, but for
/// two things: the runtime itself never says more than `INFO`, because at `TRACE` it prints every
/// event whole, with the secret response URL of a custom resource in it; and a level is a plain
/// level, so that no expression engine has to be carried along.
///
/// # Panics
///
/// If the process has a log already.
pub fn init_log(env: &BTreeMap<String, String>) {
    let lines = fmt::layer().with_target(false).without_time();
    let lines = if is_json(env) {
        lines.json().boxed()
    } else {
        lines.with_ansi(false).boxed()
    };
    registry().with(lines.with_filter(filter(env))).init();
}

fn is_json(env: &BTreeMap<String, String>) -> bool {
    env.get(LOG_FORMAT)
        .is_some_and(|format| format.eq_ignore_ascii_case("json"))
}

/// The level of the environment, `INFO` without one; the runtime capped.
fn filter(env: &BTreeMap<String, String>) -> Targets {
    let level = env
        .get(LOG_LEVEL)
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    // The prefix covers lambda_runtime_api_client too.
    Targets::new()
        .with_default(level)
        .with_target("lambda_runtime", level.min(LevelFilter::INFO))
}

#[cfg(test)]
mod tests {
    use lambda_runtime::tracing::Level;

    use super::*;

    fn env(name: &str, value: &str) -> BTreeMap<String, String> {
        [(name.to_owned(), value.to_owned())].into()
    }

    #[test]
    fn the_level_is_lambdas_and_info_without_one() {
        let rows = [
            ("OTHER", "", Level::INFO),
            (LOG_LEVEL, "DEBUG", Level::DEBUG),
            (LOG_LEVEL, "TRACE", Level::TRACE),
            (LOG_LEVEL, "nonsense", Level::INFO),
        ];
        for (name, value, most) in rows {
            let filter = filter(&env(name, value));
            for level in [Level::INFO, Level::DEBUG, Level::TRACE] {
                let expected = level <= most;
                assert_eq!(
                    filter.would_enable("s3_cleanup", &level),
                    expected,
                    "{name}={value} {level}"
                );
            }
        }
    }

    #[test]
    fn the_runtime_never_prints_events() {
        for target in [
            "lambda_runtime::layers::api_response",
            "lambda_runtime_api_client",
        ] {
            let at = |level: &str| filter(&env(LOG_LEVEL, level));
            assert!(!at("TRACE").would_enable(target, &Level::TRACE), "{target}");
            assert!(!at("TRACE").would_enable(target, &Level::DEBUG), "{target}");
            assert!(at("TRACE").would_enable(target, &Level::INFO), "{target}");
            assert!(!at("ERROR").would_enable(target, &Level::INFO), "{target}");
        }
    }

    #[test]
    fn the_format_is_lambdas() {
        assert!(is_json(&env(LOG_FORMAT, "JSON")));
        assert!(!is_json(&env(LOG_FORMAT, "Text")));
        assert!(!is_json(&env("OTHER", "JSON")));
    }
}
