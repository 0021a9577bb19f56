//! Waiting for what becomes visible later.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;

/// The first look comes this long after the change, each further one after twice the wait. What was
/// asked for is not there at once, so that a look before would be a call in vain. The native resource
/// waits for 2 s.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest wait between two looks. The rate of `ListResourceDataSync` is not documented, so it is
/// not asked more often than it takes.
const MAX_PAUSE: Duration = Duration::from_secs(15);

/// Looks again and again until `look` finds something, for at most `limit`.
///
/// # Errors
///
/// The first error of `look`.
pub(crate) async fn poll<T>(
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let end = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        pause = (pause * 2).min(MAX_PAUSE).min(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn looks_come_at_growing_distances_and_once_more_at_the_end() {
        let start = Instant::now();
        let mut looks = Vec::new();
        let found = poll::<()>(LIMIT, async || {
            looks.push(start.elapsed().as_secs());
            Ok(None)
        })
        .await;
        assert_eq!(found.unwrap(), None);
        assert_eq!(looks, [1, 3, 7, 15, 30, 45, 60]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_found_ends_the_wait() {
        let start = Instant::now();
        let mut looks = 0;
        let found = poll(LIMIT, async || {
            looks += 1;
            Ok((looks == 3).then_some("it"))
        })
        .await;
        assert_eq!(found.unwrap(), Some("it"));
        assert_eq!(start.elapsed(), Duration::from_secs(7));
    }
}
