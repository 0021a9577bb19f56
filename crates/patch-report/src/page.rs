//! The HTML file: one document with its style, its code and its data, which may reach nothing outside of itself.
//!
//! What is untrusted stands in two script elements of types that no browser runs, or is escaped text. The policy allows the
//! style and the code of the page by their digests, and no request.

use std::io::{self, BufWriter, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::first_paint::first_paint;
use crate::report::Report;

const STYLE: &str = include_str!("../page/dist/report.css");
const CODE: &str = include_str!("../page/dist/report.js");

/// Writes the page.
///
/// # Errors
///
/// `out` can't be written to.
pub fn write_page(mut out: impl Write, report: &Report) -> io::Result<()> {
    write!(
        out,
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Patch compliance</title>
<style>{STYLE}</style>
</head>
<body>
{}<script type="application/json" id="summary">{}</script>
<script type="application/octet-stream" id="data">"#,
        digest(CODE),
        digest(STYLE),
        first_paint(&report.summary),
        serde_json::to_string(&report.summary)?.replace('<', "\\u003c"),
    )?;
    let base64 = EncoderWriter::new(&mut out, &STANDARD);
    let gzip = GzEncoder::new(base64, Compression::best());
    let mut json = BufWriter::with_capacity(1 << 16, gzip);
    serde_json::to_writer(&mut json, &report.data)?;
    let gzip = json.into_inner().map_err(io::IntoInnerError::into_error)?;
    gzip.finish()?.finish()?;
    write!(
        out,
        "</script>\n<script>{CODE}</script>\n</body>\n</html>\n"
    )
}

/// A source of the policy that stands for one text.
fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use serde_json::Value;

    use super::*;
    use crate::report::Parts;
    use crate::report::tests::{NODES, part, summary};
    use crate::summary::{QuerySummary, Status};

    const HOSTILE: &str =
        "</script><script>alert(1)</script><!--<img src=x onerror='alert(\"1\")'>&amp;\u{2028}";

    fn hostile() -> Report {
        let quoted = HOSTILE.replace('"', "\"\"");
        let mut summary = summary();
        summary.workgroup = HOSTILE.to_owned();
        summary.database = HOSTILE.to_owned();
        summary.account = Some(HOSTILE.to_owned());
        summary.incomplete = true;
        summary.queries.push(QuerySummary {
            name: "QueryNodesGone",
            status: Status::Failed,
            reason: Some(HOSTILE.to_owned()),
            rows: None,
            scanned_bytes: None,
            seconds: None,
        });
        let nodes = format!(
            "{NODES}1,r,\"{quoted}\",\"{quoted}\",\"{quoted}\",,,,,,,COMPLIANT,,,,,,,,,,,\n"
        );
        let parts = Parts {
            nodes: Some(part(&nodes)),
            ..Parts::default()
        };
        Report::new(summary, parts)
    }

    fn page(report: &Report) -> String {
        let mut html = Vec::new();
        write_page(&mut html, report).unwrap();
        String::from_utf8(html).unwrap()
    }

    /// What stands between two texts, of which the first is there once.
    fn between<'a>(html: &'a str, start: &str, end: &str) -> &'a str {
        assert_eq!(html.matches(start).count(), 1, "{start}");
        let (_, after) = html.split_once(start).unwrap();
        after.split_once(end).unwrap().0
    }

    #[test]
    fn nothing_hostile_gets_out_of_its_place() {
        let html = page(&hostile());
        assert!(!html.contains("alert(1)</script>"), "{html}");
        assert!(!html.contains("<img"), "{html}");
        assert!(!html.contains("<!--"), "{html}");
        // The summary, the data and the code.
        assert_eq!(html.matches("<script").count(), 3, "{html}");
        assert_eq!(html.matches("</script").count(), 3, "{html}");
    }

    #[test]
    fn what_was_hostile_is_still_what_it_was() {
        let html = page(&hostile());
        let summary = between(
            &html,
            r#"<script type="application/json" id="summary">"#,
            "</script>",
        );
        let summary: Value = serde_json::from_str(summary).unwrap();
        assert_eq!(summary["workgroup"], HOSTILE);
        assert_eq!(summary["queries"][1]["reason"], HOSTILE);

        let data = between(
            &html,
            r#"<script type="application/octet-stream" id="data">"#,
            "</script>",
        );
        let gzip = STANDARD.decode(data).unwrap();
        let mut json = String::new();
        GzDecoder::new(&gzip[..]).read_to_string(&mut json).unwrap();
        let data: Value = serde_json::from_str(&json).unwrap();
        let at = usize::try_from(data["nodes"]["id"][0].as_u64().unwrap()).unwrap();
        assert_eq!(data["strings"][at], HOSTILE);
    }

    #[test]
    fn the_policy_allows_the_pages_own_style_and_code_and_nothing_else() {
        let html = page(&hostile());
        let policy = between(
            &html,
            r#"<meta http-equiv="Content-Security-Policy" content=""#,
            "\">",
        );
        let style = between(&html, "<style>", "</style>");
        let code = between(&html, "\n<script>", "</script>");
        let expected = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
            digest(code),
            digest(style)
        );
        assert_eq!(policy, expected);
    }

    #[test]
    fn the_pages_own_style_and_code_stay_in_their_elements() {
        for end in ["</script", "<script", "<!--"] {
            assert!(!CODE.to_lowercase().contains(end), "{end}");
        }
        assert!(!STYLE.to_lowercase().contains("</style"));
        // A browser takes \r\n for \n, and then the digests differ.
        assert!(!CODE.contains('\r') && !STYLE.contains('\r'));
    }

    #[test]
    fn a_digest_is_as_the_policy_wants_it() {
        let empty = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(digest(""), empty);
    }

    #[test]
    fn the_same_report_makes_the_same_bytes() {
        assert_eq!(page(&hostile()), page(&hostile()));
    }
}
