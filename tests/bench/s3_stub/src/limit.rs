//! S3's limit on the requests to a partition: a bucket of tokens that fills at the limit's rate and holds those of one
//! second.

use tokio::time::Instant;

#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// Per second; without one everything is taken.
    rate: Option<f64>,
    tokens: f64,
    counted: Instant,
}

impl Limit {
    pub(crate) fn new(rate: Option<f64>) -> Self {
        Self {
            rate,
            tokens: rate.unwrap_or_default(),
            counted: Instant::now(),
        }
    }

    /// Whether so many more are taken now; they are then counted.
    pub(crate) fn takes(&mut self, count: usize) -> bool {
        let Some(rate) = self.rate else {
            return true;
        };
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let gained = self.counted.elapsed().as_secs_f64() * rate;
        self.counted = Instant::now();
        self.tokens = (self.tokens + gained).min(rate);
        let takes = self.tokens >= count;
        if takes {
            self.tokens -= count;
        }
        takes
    }
}
