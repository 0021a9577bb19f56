//! How long an invocation may go on.
//!
//! Lambda states the end of an invocation as wall-clock time (`Lambda-Runtime-Deadline-Ms` of the
//! [runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)); it is turned
//! into a point of tokio's monotonic clock once, when the invocation starts.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The point in time by which a piece of work has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that is `duration` away from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// The end of the invocation that `context` belongs to, if it is `now`.
    #[must_use]
    pub(crate) fn of_invocation(context: &lambda_runtime::Context, now: SystemTime) -> Self {
        Self::after(context.deadline().duration_since(now).unwrap_or_default())
    }

    /// What is left until the deadline: zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The deadline on tokio's clock, for `tokio::time::timeout_at` and the like.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// An earlier deadline that leaves `reserve` for what has to follow, but never more than half
    /// of what remains.
    #[must_use]
    pub fn less(self, reserve: Duration) -> Self {
        let remaining = self.remaining();
        Self::after(remaining.saturating_sub(reserve.min(remaining / 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reserve_takes_half_of_the_time_at_most() {
        let seconds = Duration::from_secs;
        let rows = [
            ("plenty of time", 300, 15, 285),
            ("just twice the reserve", 30, 15, 15),
            ("less than that", 10, 15, 5),
            ("none", 0, 15, 0),
        ];
        for (name, time, reserve, expected) in rows {
            let less = Deadline::after(seconds(time)).less(seconds(reserve));
            assert_eq!(less.remaining(), seconds(expected), "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_remains_of_an_invocation_that_is_over() {
        let mut context = lambda_runtime::Context::default();
        context.deadline = 1_000;
        assert_eq!(
            Deadline::of_invocation(&context, SystemTime::now()).remaining(),
            Duration::ZERO
        );
    }
}
