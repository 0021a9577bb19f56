//! How fast versions are deleted: as fast as S3 takes them.
//!
//! S3 takes at least 3,500 deletes a second for each partition of a bucket, each key of a `DeleteObjects` counted, and
//! answers `SlowDown` to what is too much:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>. Where the limit lies at the
//! moment nobody tells, and it moves as S3 splits partitions. So there is next to no pace until the first `SlowDown`; then
//! it is a little less than what was sent, and grows slowly until the next one.
//!
//! Where partitions begin nobody tells either. If much more goes through before the first `SlowDown` than one partition
//! takes, there are several, and each top-level folder then has a pace of its own; folders that share a partition come to
//! share its limit.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::plan::LANES;

/// What S3 takes at least, in keys a second; a first pace is hardly lower.
const DOCUMENTED_RATE: f64 = 3_500.0;
/// Leaves room for what is counted a little differently.
const NEARLY: f64 = 0.97;

/// What goes through before the first `SlowDown` is a pace of its own for each folder if it comes to so much for each, in
/// keys a second: two full deletes.
const LEAST_OF_A_LANE: f64 = 2_000.0;

/// The time between the first deletes, before a `SlowDown`: enough for one to be heard before many more are sent. So many
/// are as many keys as a partition takes in two seconds.
const FIRST_GAP: Duration = Duration::from_millis(3);
const FIRST_DELETES: u32 = 7;

/// What is left of the pace after the first `SlowDown`.
const FIRST_CUT: f64 = 0.85;

/// The same after one since whose predecessor nothing has gone through: the limit may be anywhere below.
const DEEP_CUT: f64 = 0.7;

/// The same after any other one: the pace is near the limit. Or the limit of one partition among several is hit, for
/// deletes never come quite evenly, and to be much slower for that would leave the others idle.
const CUT: f64 = 0.95;

/// How much the pace grows with each [`GROWTH_KEYS`] that are sent, so that one full delete in thirty or so is refused.
const GROWTH: f64 = 1.0015;
const GROWTH_KEYS: f64 = 1_000.0;
/// The same after so many that were not refused, for then the limit has moved.
const FAST_GROWTH: f64 = 1.01;
const SLOW_GROWTHS: f64 = 60.0;

/// The pace is not cut any further than to this, in keys a second: a full delete every ten seconds finds out soon enough
/// that S3 takes more again.
const SLOWEST_RATE: f64 = 100.0;

/// The wait after a second `SlowDown` with nothing gone through in between, at least; after each further one it is twice
/// as long, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a time what went through is measured over.
const WINDOW: Duration = Duration::from_secs(1);

/// The pace of all deletes of a sweep, which run in one task; then, maybe, one for each lane.
#[derive(Debug)]
pub(crate) struct Paces {
    whole: Pace,
    /// The lanes that anything was sent in.
    used: RefCell<BTreeSet<usize>>,
    lanes: OnceCell<Vec<Pace>>,
}

impl Paces {
    pub(crate) fn new() -> Self {
        Self {
            whole: Pace::new(),
            used: RefCell::default(),
            lanes: OnceCell::new(),
        }
    }

    fn of(&self, lane: usize) -> &Pace {
        self.lanes.get().map_or(&self.whole, |lanes| &lanes[lane])
    }

    /// Waits until a delete of so many keys of a lane may be sent, and returns when that is.
    pub(crate) async fn turn(&self, lane: usize, keys: usize) -> Instant {
        self.used.borrow_mut().insert(lane);
        self.of(lane).turn(keys).await
    }

    /// Takes in that something of a lane went through.
    pub(crate) fn deleted(&self, lane: usize) {
        self.of(lane).deleted();
    }

    /// Takes in that S3 refused a delete of so many keys of a lane, sent at that time, because it was too much.
    pub(crate) fn slowed_down(&self, lane: usize, sent: Instant, keys: usize) {
        if self.lanes.get().is_none() && !self.whole.is_cut() {
            let used = number(self.used.borrow().len());
            let of_each = self.whole.sent_besides(keys) / used;
            if used > 1.0 && of_each >= LEAST_OF_A_LANE {
                let rate = first_rate(of_each);
                tracing::info!(
                    keys_per_second = rate.round(),
                    folders = used,
                    "S3 asks to slow down, each folder has its pace"
                );
                let lanes = (0..=LANES).map(|_| Pace::at(rate, keys)).collect();
                self.lanes.get_or_init(|| lanes);
                return;
            }
        }
        self.of(lane).slowed_down(sent, keys);
    }
}

#[derive(Debug)]
struct Pace {
    /// Whoever has it is the next to send; the others queue.
    turn: Mutex<()>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    /// When the next delete may be sent.
    next: Instant,
    began: Instant,
    /// How many of the [`FIRST_DELETES`] are to come.
    first_deletes: u32,
    cut: Option<Cut>,
    /// How often the pace was cut since something went through.
    cuts_in_a_row: u32,
    /// When so many keys were sent, within the last [`WINDOW`], that were not refused.
    sent: VecDeque<(Instant, usize)>,
}

/// The last time that the pace was cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    at: Instant,
    /// Keys a second, at first.
    rate: f64,
    /// Keys that were sent since.
    sent: f64,
}

impl Cut {
    /// Keys a second, by now.
    fn rate(self) -> f64 {
        let growths = self.sent / GROWTH_KEYS;
        let fast = (growths - SLOW_GROWTHS).max(0.0);
        self.rate * GROWTH.powf(growths - fast) * FAST_GROWTH.powf(fast)
    }
}

impl Pace {
    fn new() -> Self {
        Self {
            turn: Mutex::new(()),
            state: RefCell::new(State {
                next: Instant::now(),
                began: Instant::now(),
                first_deletes: FIRST_DELETES,
                cut: None,
                cuts_in_a_row: 0,
                sent: VecDeque::new(),
            }),
        }
    }

    /// With a rate that it begins with, once the time for so many keys is over.
    fn at(rate: f64, keys: usize) -> Self {
        let pace = Self::new();
        let mut state = pace.state.borrow_mut();
        state.cut = Some(Cut {
            at: state.began,
            rate,
            sent: 0.0,
        });
        state.next = state.began + time_for(keys, rate);
        drop(state);
        pace
    }

    fn is_cut(&self) -> bool {
        self.state.borrow().cut.is_some()
    }

    /// How many keys a second were sent and not refused, besides so many that are refused now.
    fn sent_besides(&self, keys: usize) -> f64 {
        (self.state.borrow_mut().sent_per_second() - number(keys)).max(0.0)
    }

    /// Waits until a delete of so many keys may be sent, and returns when that is.
    async fn turn(&self, keys: usize) -> Instant {
        let _turn = self.turn.lock().await;
        loop {
            let now = Instant::now();
            let next = self.state.borrow().next;
            if next > now {
                // A cut in the meantime moves the time.
                sleep_until(next).await;
                continue;
            }
            let mut state = self.state.borrow_mut();
            state.forget_the_past();
            state.sent.push_back((now, keys));
            if let Some(cut) = &mut state.cut {
                cut.sent += number(keys);
                state.next = now + time_for(keys, cut.rate());
            } else if state.first_deletes > 0 {
                state.first_deletes -= 1;
                state.next = now + FIRST_GAP;
            }
            return now;
        }
    }

    /// Takes in that something went through.
    fn deleted(&self) {
        self.state.borrow_mut().cuts_in_a_row = 0;
    }

    /// Takes in that S3 refused a delete of so many keys, sent at that time, because it was too much.
    fn slowed_down(&self, sent: Instant, keys: usize) {
        let mut state = self.state.borrow_mut();
        state.refuse(sent, keys);
        // What was under way when the pace was cut says nothing about the new pace.
        if state.cut.is_some_and(|cut| sent <= cut.at) {
            return;
        }
        let now = Instant::now();
        let through = state.sent_per_second();
        let rate = match state.cut {
            None => first_rate(through),
            Some(cut) => {
                let mut limit = cut.rate();
                // What is not sent can't be refused: the pace may be far above what this function comes to.
                if state.began + WINDOW < now {
                    limit = limit.min((through * 1.1).max(DOCUMENTED_RATE));
                }
                let is_first_in_a_row = state.cuts_in_a_row == 0;
                limit * if is_first_in_a_row { CUT } else { DEEP_CUT }
            }
        };
        let rate = rate.max(SLOWEST_RATE);
        state.cut = Some(Cut {
            at: now,
            rate,
            sent: 0.0,
        });
        let mut pause = time_for(keys, rate);
        if state.cuts_in_a_row > 0 {
            let backed_off = PAUSE * 2_u32.saturating_pow(state.cuts_in_a_row.min(10));
            pause = pause.max(backed_off.min(LONGEST_PAUSE));
        }
        state.cuts_in_a_row += 1;
        state.next = state.next.max(now + pause);
        tracing::info!(keys_per_second = rate.round(), "S3 asks to slow down");
    }
}

impl State {
    fn refuse(&mut self, sent: Instant, keys: usize) {
        let entry = self.sent.iter_mut().find(|(at, _)| *at == sent);
        if let Some((_, counted)) = entry {
            *counted = counted.saturating_sub(keys);
        }
    }

    fn sent_per_second(&mut self) -> f64 {
        self.forget_the_past();
        let sent = self.sent.iter().map(|(_, keys)| keys).sum();
        number(sent) / WINDOW.as_secs_f64()
    }

    fn forget_the_past(&mut self) {
        let now = Instant::now();
        while self.sent.front().is_some_and(|&(at, _)| now - at > WINDOW) {
            self.sent.pop_front();
        }
    }
}

/// The pace after the first `SlowDown`, by what went through before it.
fn first_rate(through: f64) -> f64 {
    (through * FIRST_CUT).max(DOCUMENTED_RATE * NEARLY)
}

fn time_for(keys: usize, rate: f64) -> Duration {
    Duration::from_secs_f64(number(keys) / rate)
}

fn number(keys: usize) -> f64 {
    f64::from(u32::try_from(keys).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::plan::MAX_DELETES;

    /// What S3 takes: keys a second, and a burst.
    struct Limit {
        rate: f64,
        left: f64,
        at: Instant,
    }

    impl Limit {
        fn new(rate: f64) -> Self {
            let (left, at) = (rate, Instant::now());
            Self { rate, left, at }
        }

        fn takes(&mut self, keys: usize) -> bool {
            let now = Instant::now();
            let gained = (now - self.at).as_secs_f64() * self.rate;
            self.left = (self.left + gained).min(self.rate.max(2_000.0));
            self.at = now;
            let takes = self.left >= number(keys);
            if takes {
                self.left -= number(keys);
            }
            takes
        }
    }

    /// Sends full deletes for so long, each answered after 100 ms, and returns how many keys a second went through
    /// and which part of the deletes was refused.
    async fn run(pace: &Pace, limit: &mut Limit, time: Duration) -> (f64, f64) {
        let end = Instant::now() + time;
        let (mut through, mut sent, mut refused) = (0, 0, 0);
        while Instant::now() < end {
            let sent_at = pace.turn(1_000).await;
            sent += 1;
            let takes = limit.takes(1_000);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if takes {
                through += 1_000;
                pace.deleted();
            } else {
                refused += 1;
                pace.slowed_down(sent_at, 1_000);
            }
        }
        let rate = number(through) / time.as_secs_f64();
        (rate, f64::from(refused) / f64::from(sent))
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_slow_down_hardly_anything_waits() {
        let pace = Pace::new();
        let start = Instant::now();
        for _ in 0..1_000 {
            pace.turn(1_000).await;
            pace.deleted();
        }
        assert!(start.elapsed() < Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn nearly_all_that_s3_takes_is_sent_and_little_that_it_refuses() {
        // Also limits that S3 does not go down to.
        for rate in [3_500.0, 7_000.0, 1_500.0, 350.0] {
            let pace = Pace::new();
            let mut limit = Limit::new(rate);
            let time = Duration::from_secs_f64(2_000_000.0 / rate);
            let (through, refused) = run(&pace, &mut limit, time).await;
            assert!(through > 0.9 * rate, "{through} of {rate} keys a second");
            assert!(
                refused < 0.05,
                "{refused} of the deletes were refused at {rate} keys a second"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_follows_a_limit_that_moves() {
        let pace = Pace::new();
        let mut limit = Limit::new(500.0);
        run(&pace, &mut limit, Duration::from_mins(5)).await;
        limit.rate = 5_000.0;
        // S3 splits a partition in minutes.
        run(&pace, &mut limit, Duration::from_mins(6)).await;
        let (through, _) = run(&pace, &mut limit, Duration::from_mins(5)).await;
        assert!(through > 4_500.0, "{through} keys a second");
    }

    #[tokio::test(start_paused = true)]
    async fn deletes_that_are_refused_together_cut_the_pace_once() {
        let pace = Pace::new();
        let sent = pace.turn(1_000).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        for _ in 0..32 {
            pace.slowed_down(sent, 1_000);
        }
        let start = Instant::now();
        for _ in 0..11 {
            pace.turn(1_000).await;
        }
        let rate = 11_000.0 / start.elapsed().as_secs_f64();
        // From a little less than 3,500 on, and growing.
        assert!((3_300.0..4_000.0).contains(&rate), "{rate} keys a second");
    }

    /// Sends full deletes of the lanes by turns, as many at a time as a sweep does, and returns how many keys a second went
    /// through and which part of the deletes was refused.
    async fn run_lanes(limits: Vec<Limit>, lane_limits: &[usize], time: Duration) -> (f64, f64) {
        let paces = Paces::new();
        let limits = RefCell::new(limits);
        let (through, sent, refused) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let end = Instant::now() + time;
        let senders = (0..MAX_DELETES).map(|sender| {
            let (paces, limits, lane) = (&paces, &limits, sender % lane_limits.len());
            let (through, sent, refused) = (&through, &sent, &refused);
            async move {
                while Instant::now() < end {
                    let sent_at = paces.turn(lane, 1_000).await;
                    sent.set(sent.get() + 1);
                    let takes = limits.borrow_mut()[lane_limits[lane]].takes(1_000);
                    tokio::time::sleep(Duration::from_millis(if takes { 50 } else { 5 })).await;
                    if takes {
                        through.set(through.get() + 1_000);
                        paces.deleted(lane);
                    } else {
                        refused.set(refused.get() + 1);
                        paces.slowed_down(lane, sent_at, 1_000);
                    }
                }
            }
        });
        futures_util::future::join_all(senders).await;
        let rate = number(through.get()) / time.as_secs_f64();
        (rate, f64::from(refused.get()) / f64::from(sent.get()))
    }

    #[tokio::test(start_paused = true)]
    async fn each_partition_gets_what_it_takes() {
        let own: Vec<_> = (0..12).collect();
        let time = Duration::from_mins(1);
        let limits = || own.iter().map(|_| Limit::new(3_500.0)).collect();
        let (through, refused) = run_lanes(limits(), &own, time).await;
        assert!(through > 0.9 * 42_000.0, "{through} keys a second");
        // One in twenty-five of all requests: there is a listing for each delete.
        assert!(refused < 0.08, "{refused} of the deletes were refused");
    }

    #[tokio::test(start_paused = true)]
    async fn folders_of_one_partition_share_what_it_takes() {
        for rate in [3_500.0, 20_000.0, 40_000.0] {
            let time = Duration::from_secs_f64(2_000_000.0 / rate);
            let (through, refused) = run_lanes(vec![Limit::new(rate)], &[0; 12], time).await;
            assert!(through > 0.9 * rate, "{through} of {rate} keys a second");
            assert!(
                refused < 0.1,
                "{refused} of the deletes were refused at {rate}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_refuses_everything_is_asked_less_and_less() {
        let pace = Pace::new();
        let start = Instant::now();
        let mut sent = 0;
        while start.elapsed() < Duration::from_mins(15) {
            let sent_at = pace.turn(1).await;
            sent += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            pace.slowed_down(sent_at, 1);
        }
        assert!((80..110).contains(&sent), "{sent} deletes in 15 minutes");
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_never_comes_to_a_stop() {
        let pace = Pace::new();
        for _ in 0..1_000 {
            let sent = pace.turn(1_000).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            pace.slowed_down(sent, 1_000);
        }
        let start = Instant::now();
        pace.turn(1_000).await;
        assert!(start.elapsed() <= Duration::from_secs(10));
    }
}
