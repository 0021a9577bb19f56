//! What is seen before the page's code has run, and all that is seen without it: the header and the key figures, in the words
//! and classes that the code gives them (`page/src/header.tsx` and `page/src/kpis.tsx`), so that nothing jumps.

use std::fmt::Write as _;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::summary::{Status, Summary};

/// The element that the code replaces.
pub(crate) fn first_paint(summary: &Summary) -> String {
    let place: Vec<&str> = [summary.account.as_deref(), Some(&summary.region)]
        .into_iter()
        .flatten()
        .collect();
    let mut facts = String::new();
    for (name, value) in [
        ("Made", time(&summary.made)),
        ("Workgroup", escaped(&summary.workgroup)),
        ("Database", escaped(&summary.database)),
        ("Athena in", escaped(&place.join(", "))),
        ("Newest scan", scan(summary, summary.newest_scan.as_deref())),
        ("Oldest scan", scan(summary, summary.oldest_scan.as_deref())),
        ("Queries", queries(summary)),
    ] {
        let _ = writeln!(
            facts,
            "<div class=\"fact\"><dt>{name}</dt><dd>{value}</dd></div>"
        );
    }
    format!(
        r#"<div id="app" class="page">
<header class="top">
<div class="title"><h1>Patch compliance</h1></div>
<dl class="facts">
{facts}</dl>
{}</header>
<main>
<section class="kpis" aria-labelledby="kpis">
<h2 id="kpis" class="hidden">Key figures</h2>
<ul>
{}{}</ul>
</section>
<p class="loading">Reading the data. The tables need JavaScript, and the file to its end.</p>
</main>
</div>
"#,
        notice(summary),
        rate(summary),
        tiles(summary),
    )
}

fn queries(summary: &Summary) -> String {
    let all = summary.queries.len();
    match failed(summary).count() {
        0 => format!("{all} saved queries, all succeeded"),
        failed => format!("<span class=\"loud\">{failed} of {all} did not succeed</span>"),
    }
}

fn failed(summary: &Summary) -> impl Iterator<Item = &crate::summary::QuerySummary> {
    let queries = summary.queries.iter();
    queries.filter(|query| query.status != Status::Succeeded)
}

fn notice(summary: &Summary) -> String {
    if !summary.incomplete {
        return String::new();
    }
    let mut html = String::from(
        "<div class=\"notice bad\"><p><strong>This report is incomplete.</strong> \
         What these queries would have said is missing from it:</p>\n<ul>\n",
    );
    for query in failed(summary) {
        let word = match query.status {
            Status::Succeeded => "Succeeded",
            Status::Failed => "Failed",
            Status::Cancelled => "Cancelled",
            Status::TimedOut => "Timed out",
            Status::Missing => "Not saved in the workgroup",
        };
        let reason = escaped(query.reason.as_deref().unwrap_or_default());
        let _ = writeln!(
            html,
            "<li><strong>{}</strong>: {word}: {reason}</li>",
            query.name
        );
    }
    html.push_str("</ul></div>\n");
    html
}

fn rate(summary: &Summary) -> String {
    const LABEL: &str = "Compliance rate";
    let (Some(nodes), Some(compliant), Some(non_compliant), Some(not_scanned)) = (
        summary.nodes,
        summary.compliant,
        summary.non_compliant,
        summary.not_scanned,
    ) else {
        let note = "compliant nodes in percent of all";
        return tile("kpi-rate", "", LABEL, "unknown", note, "");
    };
    let rate = summary.rate_in_words().unwrap_or_else(|| "–".to_owned());
    let rate = rate.replace(' ', "&nbsp;");
    let note = format!(
        "{} of {} {} compliant",
        grouped(compliant),
        grouped(nodes),
        if nodes == 1 { "node is" } else { "nodes are" }
    );
    let (mut bar, mut words) = (String::new(), String::new());
    let mut before = 0;
    for (at, (count, word)) in [
        (compliant, "compliant"),
        (non_compliant, "non-compliant"),
        (not_scanned, "not scanned"),
    ]
    .into_iter()
    .enumerate()
    .filter(|(_, (count, _))| *count > 0)
    {
        #[expect(clippy::cast_precision_loss, reason = "a bar's length")]
        let percent = |part: u64| part as f64 * 100.0 / nodes as f64;
        let _ = write!(
            bar,
            r#"<rect class="fill-{at}" x="{:.3}%" width="{:.3}%" height="100%"/>"#,
            percent(before),
            percent(count)
        );
        let _ = write!(
            words,
            r#"<span class="count"><span class="key key-{at}" aria-hidden="true"></span>{} {word}</span>"#,
            grouped(count)
        );
        before += count;
    }
    let more = format!(
        r#"<svg class="bar" aria-hidden="true" focusable="false">{bar}</svg><span class="counts">{words}</span>"#
    );
    tile("kpi-rate", "", LABEL, &rate, &note, &more)
}

fn tiles(summary: &Summary) -> String {
    let stale = summary.stale_after_days.map_or_else(
        || "newest scan too old".to_owned(),
        |days| format!("newest scan over {days} days old"),
    );
    [
        (
            "Non-compliant",
            summary.non_compliant,
            "as their newest scan says",
            "bad",
        ),
        (
            "Never scanned",
            summary.not_scanned,
            "count against the rate",
            "grey",
        ),
        ("Stale", summary.stale, &stale, "warn"),
        (
            "Pending reboot",
            summary.pending_reboot,
            "patched, in effect after a reboot",
            "warn",
        ),
        (
            "Agents behind",
            summary.agents_behind,
            "older than the fleet's newest",
            "warn",
        ),
    ]
    .into_iter()
    .map(|(label, number, note, tone)| {
        let tone = match number {
            None | Some(0) => String::new(),
            Some(_) => format!("kpi-{tone}"),
        };
        let number = number.map_or_else(|| "unknown".to_owned(), grouped);
        tile("", &tone, label, &number, note, "")
    })
    .collect()
}

fn tile(class: &str, tone: &str, label: &str, value: &str, note: &str, more: &str) -> String {
    format!(
        r#"<li class="{class}"><div class="kpi {tone}"><span class="kpi-label">{label}</span><span class="kpi-value">{value}</span><span class="kpi-note">{note}</span>{more}</div></li>
"#
    )
}

/// A scan's time and how old it was when the report was made.
fn scan(summary: &Summary, at: Option<&str>) -> String {
    let seconds = |text: &str| {
        DateTime::from_str(text, Format::DateTime)
            .ok()
            .map(|it| it.secs())
    };
    let Some(text) = at else {
        return if summary.nodes.is_none() {
            "unknown"
        } else {
            "none"
        }
        .to_owned();
    };
    let (Some(made), Some(at)) = (seconds(&summary.made), seconds(text)) else {
        return escaped(text);
    };
    let age = made.saturating_sub(at);
    let is_stale = summary
        .stale_after_days
        .is_some_and(|days| age > i64::from(days) * DAY);
    let class = if is_stale { "loud" } else { "soft" };
    let age = in_words(u64::try_from(age).unwrap_or_default());
    format!(
        "{} <span class=\"{class}\">({age} old when made)</span>",
        time(text)
    )
}

const DAY: i64 = 86_400;

/// How long, in its largest whole unit.
fn in_words(seconds: u64) -> String {
    for (size, name) in [(86_400, "day"), (3600, "hour"), (60, "minute")] {
        match seconds / size {
            0 => {}
            1 => return format!("1 {name}"),
            whole => return format!("{} {name}s", grouped(whole)),
        }
    }
    "less than a minute".to_owned()
}

/// `2026-01-15 12:00 UTC`, of a time in the summary.
fn time(text: &str) -> String {
    match text.get(..16) {
        Some(minutes) => format!("{} UTC", escaped(&minutes.replace('T', " "))),
        None => escaped(text),
    }
}

/// With commas between the thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Text for HTML, between tags or in quotation marks.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::summary;
    use crate::summary::QuerySummary;

    #[test]
    fn what_is_known_can_be_read_without_the_code() {
        let summary = Summary {
            account: Some("111122223333".to_owned()),
            nodes: Some(1234),
            compliant: Some(1000),
            non_compliant: Some(234),
            not_scanned: Some(0),
            rate: Some(81.0),
            stale: Some(2),
            newest_scan: Some("2026-01-15T06:00:00Z".to_owned()),
            oldest_scan: Some("2025-11-15T06:00:00Z".to_owned()),
            ..summary()
        };
        let html = first_paint(&summary);
        for text in [
            r#"<div class="fact"><dt>Made</dt><dd>2026-01-15 12:00 UTC</dd></div>"#,
            "<dt>Athena in</dt><dd>111122223333, us-east-1</dd>",
            r#"<dd>2026-01-15 06:00 UTC <span class="soft">(6 hours old when made)</span></dd>"#,
            r#"<dd>2025-11-15 06:00 UTC <span class="loud">(61 days old when made)</span></dd>"#,
            "<dd>1 saved queries, all succeeded</dd>",
            r#"<span class="kpi-value">81.0&nbsp;%</span><span class="kpi-note">1,000 of 1,234 nodes are compliant</span>"#,
            r#"<rect class="fill-1" x="81.037%" width="18.963%" height="100%"/></svg>"#,
            r#"<div class="kpi kpi-bad"><span class="kpi-label">Non-compliant</span><span class="kpi-value">234</span>"#,
            r#"<div class="kpi "><span class="kpi-label">Never scanned</span><span class="kpi-value">0</span>"#,
            r#"<span class="kpi-label">Pending reboot</span><span class="kpi-value">unknown</span>"#,
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("incomplete"), "{html}");
    }

    #[test]
    fn what_is_missing_can_be_read_without_the_code() {
        let mut summary = summary();
        summary.incomplete = true;
        summary.queries.push(QuerySummary {
            name: "QueryNodes",
            status: Status::TimedOut,
            reason: Some("it took <long>".to_owned()),
            rows: None,
            scanned_bytes: None,
            seconds: None,
        });
        let html = first_paint(&summary);
        for text in [
            "<li><strong>QueryNodes</strong>: Timed out: it took &lt;long&gt;</li>",
            r#"<span class="loud">1 of 2 did not succeed</span>"#,
            "<dt>Newest scan</dt><dd>unknown</dd>",
            r#"<span class="kpi-value">unknown</span><span class="kpi-note">compliant nodes in percent of all</span>"#,
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
    }

    #[test]
    fn numbers_and_ages_are_as_people_write_them() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        for (seconds, text) in [
            (59, "less than a minute"),
            (60, "1 minute"),
            (7199, "1 hour"),
            (7200, "2 hours"),
            (86_400 * 1000, "1,000 days"),
        ] {
            assert_eq!(in_words(seconds), text);
        }
    }
}
