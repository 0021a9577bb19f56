//! Files of comma-separated values, by [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), that a spreadsheet can open without
//! harm.
//!
//! A spreadsheet takes a cell that begins with certain characters for a formula, quoted or not, and a formula can run programs
//! and send data away ([CSV injection](https://owasp.org/www-community/attacks/CSV_Injection)). Such cells get an apostrophe
//! before the sign. The columns that the queries compute as numbers keep theirs, the negative ones too.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use csv::{Terminator, Writer, WriterBuilder};

use crate::replacement::Replacement;

/// Columns that hold numbers which the queries themselves compute.
const NUMBERS: [&str; 14] = [
    "availablesecurityupdatecount",
    "criticalnoncompliantcount",
    "failedcount",
    "goneagedays",
    "installedcount",
    "installedpendingrebootcount",
    "installedrejectedcount",
    "missingcount",
    "nodes",
    "othernoncompliantcount",
    "patches",
    "scanagedays",
    "securitynoncompliantcount",
    "silentdays",
];

/// A file under way; see [`Replacement`].
#[derive(Debug)]
pub(crate) struct CsvFile {
    writer: Writer<Replacement>,
    numbers: Vec<bool>,
}

impl CsvFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = Replacement::create(path)?;
        Ok(Self {
            writer: WriterBuilder::new()
                .terminator(Terminator::CRLF)
                .from_writer(file),
            numbers: Vec::new(),
        })
    }

    /// Where a query's file is in the directory of all of them.
    pub(crate) fn path_of(directory: &Path, query: &str) -> PathBuf {
        directory.join(format!("{query}.csv"))
    }

    /// Where the file will be.
    pub(crate) fn path(&self) -> &Path {
        self.writer.get_ref().path()
    }

    /// Writes the names of the columns.
    pub(crate) fn header<'a>(
        &mut self,
        names: impl Iterator<Item = Cow<'a, str>> + Clone,
    ) -> io::Result<()> {
        // No name is a number: none is known to be a column of them yet.
        self.row(names.clone())?;
        self.numbers = names.map(|name| NUMBERS.contains(&name.as_ref())).collect();
        Ok(())
    }

    /// Writes a row.
    pub(crate) fn row<'a>(&mut self, values: impl Iterator<Item = Cow<'a, str>>) -> io::Result<()> {
        for (at, value) in values.enumerate() {
            let may_be_number = self.numbers.get(at).copied().unwrap_or_default();
            self.writer
                .write_field(safe(value, may_be_number).as_bytes())?;
        }
        self.writer.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// Ends the file, for [`Replacement::commit`].
    pub(crate) fn finish(self) -> io::Result<Replacement> {
        let into_error = csv::IntoInnerError::into_error;
        let mut file = self.writer.into_inner().map_err(into_error)?;
        file.sync()?;
        Ok(file)
    }
}

/// The value as a spreadsheet may have it: with an apostrophe before each sign that begins a cell, the wide forms included, which
/// are the same to one of an East Asian locale. What stands before the sign may be trimmed. A cell also begins behind a
/// semicolon, a tab or the end of a line, for spreadsheets with other separators, which do not see this file's quotation marks.
fn safe(value: Cow<'_, str>, may_be_number: bool) -> Cow<'_, str> {
    const SIGNS: [char; 8] = [
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    if !value.contains(SIGNS) || (may_be_number && is_integer(&value)) {
        return value;
    }
    let mut text = String::with_capacity(value.len() + 1);
    let mut begins = true;
    for c in value.chars() {
        if begins && SIGNS.contains(&c) {
            text.push('\'');
        }
        text.push(c);
        let is_trimmed = c.is_whitespace() || c.is_control() || c == '\u{feff}';
        begins = matches!(c, ';' | '\t' | '\r' | '\n') || (begins && is_trimmed);
    }
    Cow::Owned(text)
}

fn is_integer(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::replacement::tests::Scratch;

    fn written(name: &str, rows: &[&[&str]]) -> String {
        let scratch = Scratch::new(name);
        let path = scratch.path("q.csv");
        let mut file = CsvFile::create(&path).unwrap();
        for (at, row) in rows.iter().enumerate() {
            let values = row.iter().map(|&value| Cow::Borrowed(value));
            if at == 0 {
                file.header(values).unwrap();
            } else {
                file.row(values).unwrap();
            }
        }
        file.finish().unwrap().commit().unwrap();
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn rows_are_as_in_rfc_4180() {
        let rows: [&[&str]; 4] = [
            &["computername", "title"],
            &["plain", ""],
            &["a,b", "say \"hi\""],
            &["two\r\nlines", "été ☃"],
        ];
        assert_eq!(
            written("rfc", &rows),
            "computername,title\r\nplain,\r\n\"a,b\",\"say \"\"hi\"\"\"\r\n\"two\r\nlines\",été ☃\r\n"
        );
    }

    #[test]
    fn a_row_of_one_empty_value_is_no_blank_line() {
        assert_eq!(written("empty", &[&["a"], &[""]]), "a\r\n\"\"\r\n");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for (value, safe) in [
            ("=1+1", "'=1+1"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\t'=1"),
            ("\r=1", "\"\r'=1\""),
            ("\n=1", "\"\n'=1\""),
            ("=\"a\"", "\"'=\"\"a\"\"\""),
            (" =1", " '=1"),
            ("\0=1", "\0'=1"),
            ("\u{feff}=1", "\u{feff}'=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("\u{a0}\u{ff20}a", "\u{a0}'\u{ff20}a"),
            (" a", " a"),
            ("a=1", "a=1"),
            ("a;=1; @b;-", "a;'=1; '@b;'-"),
            ("a\";\t=1", "\"a\"\";\t'=1\""),
            ("a\r\n=1", "\"a\r\n'=1\""),
            ("a;b-1", "a;b-1"),
            ("'=1", "'=1"),
            ("", ""),
        ] {
            let rows: [&[&str]; 2] = [&["a", "computername"], &["x", value]];
            let expected = format!("a,computername\r\nx,{safe}\r\n");
            assert_eq!(written("formula", &rows), expected, "{value:?}");
        }
    }

    #[test]
    fn a_computed_number_stays_one_and_nothing_else_does() {
        for (value, safe) in [
            ("-1", "-1"),
            ("12", "12"),
            ("-1+1", "'-1+1"),
            ("-", "'-"),
            ("--1", "'--1"),
        ] {
            let rows: [&[&str]; 2] = [&["a", "scanagedays"], &["x", value]];
            let expected = format!("a,scanagedays\r\nx,{safe}\r\n");
            assert_eq!(written("number", &rows), expected, "{value:?}");
        }
    }

    #[test]
    fn a_hostile_column_name_is_no_formula() {
        assert_eq!(written("name", &[&["=1"]]), "'=1\r\n");
    }
}
