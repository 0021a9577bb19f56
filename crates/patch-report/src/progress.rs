//! What the user sees meanwhile, on standard error: a line for each query that changes on a terminal, and plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Where the progress goes.
#[derive(Debug)]
pub struct Progress(Option<MultiProgress>);

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Bars if standard error is a terminal, else lines.
    #[must_use]
    pub fn new() -> Self {
        Self(io::stderr().is_terminal().then(MultiProgress::new))
    }

    /// Prints a line. What comes from elsewhere can't act on the terminal.
    pub fn line(&self, text: &str) {
        let text = printable(text);
        match &self.0 {
            Some(bars) => bars.suspend(|| print(&text)),
            None => print(&text),
        }
    }

    pub(crate) fn query(&self, name: &'static str) -> QueryProgress<'_> {
        let bar = self.0.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:24} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        QueryProgress {
            progress: self,
            name,
            bar,
        }
    }
}

/// Progress of one query.
#[derive(Debug)]
pub(crate) struct QueryProgress<'a> {
    progress: &'a Progress,
    name: &'static str,
    bar: Option<ProgressBar>,
}

impl QueryProgress<'_> {
    /// What it does now. Elsewhere than on a terminal only its end is worth a line.
    pub(crate) fn state(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(printable(text));
        }
    }

    /// How it ended.
    pub(crate) fn ended(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.finish_with_message(printable(text)),
            None => self.progress.line(&format!("{}: {text}", self.name)),
        }
    }
}

fn print(text: &str) {
    // Whoever closed it does not want to know.
    let _ = writeln!(io::stderr(), "{text}");
}

/// The text in one line, without control characters and what turns round the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let one = |c: char| match c {
        '\n' | '\t' => ' ',
        c if c.is_control() || turns_round(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.trim().chars().map(one).collect()
}

/// Whether it changes the direction of writing.
fn turns_round(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_t_act_on_the_terminal() {
        assert_eq!(
            printable("line 1:8: \u{202e}\x1b]0;title\x07\u{9b}2J\nsecond line\r\n"),
            "line 1:8: \u{fffd}\u{fffd}]0;title\u{fffd}\u{fffd}2J second line"
        );
    }
}
