//! Records of a result as they come, into a part of the report and, if wanted, into a file.

use std::borrow::Cow;
use std::io;

use csv_core::{ReadRecordResult, Reader};

use crate::csv::CsvFile;

/// The longest record: "the maximum size of a row or its columns",
/// <https://docs.aws.amazon.com/athena/latest/ug/other-notable-limitations.html>.
const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;

/// Why a result could not be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntakeError {
    #[error("the result has no line with the names of its columns")]
    NoHeader,
    #[error(
        "the result has no column {}; the saved query is not that of this version of the reporting stack",
        .0.join(", ")
    )]
    MissingColumns(Vec<&'static str>),
    #[error("row {row} of the result has {found} values for {expected} columns")]
    Values {
        row: u64,
        found: usize,
        expected: usize,
    },
    #[error("row {row} of the result is longer than {} MiB", MAX_RECORD_BYTES / 1024 / 1024)]
    TooLong { row: u64 },
    #[error("row {row} of the result: {source}")]
    Value { row: u64, source: ValueError },
    #[error("write the rows as CSV: {0}")]
    Csv(#[from] io::Error),
}

/// A value that a column can't have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column} is {}", shortened(.value))]
pub(crate) struct ValueError {
    pub(crate) column: &'static str,
    pub(crate) value: String,
}

fn shortened(value: &str) -> String {
    const LONGEST: usize = 60;
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}

/// A part of the report, which one query fills.
pub(crate) trait Part: Default {
    /// The saved query's name.
    const QUERY: &'static str;
    /// The columns that are needed, in the order of [`Row::texts`].
    const COLUMNS: &'static [&'static str];

    /// Takes one row.
    fn row(&mut self, row: &Row<'_>) -> Result<(), ValueError>;
}

/// The values of a row in the columns of a [`Part`].
#[derive(Debug)]
pub(crate) struct Row<'a> {
    record: Record<'a>,
    positions: &'a [usize],
}

impl<'a> Row<'a> {
    /// The values in the order of [`Part::COLUMNS`]; what is absent is empty. What is no UTF-8 has replacement characters.
    pub(crate) fn texts<const N: usize>(&self) -> [Cow<'a, str>; N] {
        debug_assert_eq!(N, self.positions.len());
        std::array::from_fn(|at| self.record.text(self.positions[at]))
    }
}

/// The values of one record, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    bytes: &'a [u8],
    /// Where each value ends.
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    pub(crate) fn new(bytes: &'a [u8], ends: &'a [usize]) -> Self {
        Self { bytes, ends }
    }

    fn len(self) -> usize {
        self.ends.len()
    }

    fn text(self, at: usize) -> Cow<'a, str> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        String::from_utf8_lossy(&self.bytes[start..self.ends[at]])
    }

    fn texts(self) -> impl Iterator<Item = Cow<'a, str>> + Clone {
        (0..self.len()).map(move |at| self.text(at))
    }
}

/// Takes the records of one result, the names of the columns first.
#[derive(Debug)]
pub(crate) struct Intake<P> {
    part: P,
    /// Of the columns needed; none before the first record.
    positions: Vec<usize>,
    columns: usize,
    rows: u64,
    csv: Option<CsvFile>,
}

impl<P: Part> Intake<P> {
    /// `csv` gets every row with all its columns.
    pub(crate) fn new(csv: Option<CsvFile>) -> Self {
        Self {
            part: P::default(),
            positions: Vec::new(),
            columns: 0,
            rows: 0,
            csv,
        }
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes the next record.
    pub(crate) fn record(&mut self, record: Record<'_>) -> Result<(), IntakeError> {
        if self.columns == 0 {
            return self.header(record);
        }
        self.rows += 1;
        if record.len() != self.columns {
            return Err(IntakeError::Values {
                row: self.rows,
                found: record.len(),
                expected: self.columns,
            });
        }
        let row = Row {
            record,
            positions: &self.positions,
        };
        self.part.row(&row).map_err(|source| IntakeError::Value {
            row: self.rows,
            source,
        })?;
        if let Some(csv) = &mut self.csv {
            csv.row(record.texts())?;
        }
        Ok(())
    }

    fn header(&mut self, record: Record<'_>) -> Result<(), IntakeError> {
        let position = |&name: &&'static str| {
            record
                .texts()
                .position(|found| found.eq_ignore_ascii_case(name))
                .ok_or(name)
        };
        let (found, missing): (Vec<_>, Vec<_>) =
            P::COLUMNS.iter().map(position).partition(Result::is_ok);
        if !missing.is_empty() {
            let names = missing.into_iter().filter_map(Result::err);
            return Err(IntakeError::MissingColumns(names.collect()));
        }
        self.positions = found.into_iter().filter_map(Result::ok).collect();
        self.columns = record.len();
        if let Some(csv) = &mut self.csv {
            csv.header(record.texts())?;
        }
        Ok(())
    }

    /// The part and the file, with all that there was.
    pub(crate) fn finish(self) -> Result<(P, Option<CsvFile>), IntakeError> {
        if self.columns == 0 {
            return Err(IntakeError::NoHeader);
        }
        Ok((self.part, self.csv))
    }
}

/// Finds the records in comma-separated values that come piece by piece, with the memory of one record.
#[derive(Debug)]
pub(crate) struct Records {
    reader: Reader,
    /// Room for one record, of which so much is written.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    written: usize,
    ended: usize,
    found: u64,
}

impl Records {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::new(),
            bytes: vec![0; 4096],
            ends: vec![0; 64],
            written: 0,
            ended: 0,
            found: 0,
        }
    }

    /// Takes a piece and hands on the records that it completes.
    pub(crate) fn feed<P: Part>(
        &mut self,
        mut piece: &[u8],
        intake: &mut Intake<P>,
    ) -> Result<(), IntakeError> {
        while !piece.is_empty() {
            let read = self.step(piece, intake)?;
            piece = &piece[read..];
        }
        Ok(())
    }

    /// Says that nothing more comes: the last record need not end in a line break.
    pub(crate) fn end<P: Part>(&mut self, intake: &mut Intake<P>) -> Result<(), IntakeError> {
        loop {
            let found = self.found;
            let room = (self.bytes.len(), self.ends.len());
            self.step(&[], intake)?;
            if found == self.found && room == (self.bytes.len(), self.ends.len()) {
                return Ok(());
            }
        }
    }

    fn step<P: Part>(
        &mut self,
        piece: &[u8],
        intake: &mut Intake<P>,
    ) -> Result<usize, IntakeError> {
        let Self { bytes, ends, .. } = self;
        let (result, read, written, ended) =
            self.reader
                .read_record(piece, &mut bytes[self.written..], &mut ends[self.ended..]);
        self.written += written;
        self.ended += ended;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            ReadRecordResult::OutputFull if bytes.len() >= MAX_RECORD_BYTES => {
                // The first record has the names of the columns.
                return Err(IntakeError::TooLong { row: self.found });
            }
            ReadRecordResult::OutputFull => bytes.resize(bytes.len() * 2, 0),
            ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
            ReadRecordResult::Record => {
                let record = Record::new(&bytes[..self.written], &ends[..self.ended]);
                (self.written, self.ended) = (0, 0);
                self.found += 1;
                intake.record(record)?;
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Keeps what it gets.
    #[derive(Debug, Default)]
    struct Kept(Vec<[String; 2]>);

    impl Part for Kept {
        const QUERY: &'static str = "QueryKept";
        const COLUMNS: &'static [&'static str] = &["b", "a"];

        fn row(&mut self, row: &Row<'_>) -> Result<(), ValueError> {
            let texts = row.texts().map(Cow::into_owned);
            if texts[0] == "refused" {
                let [value, _] = texts;
                return Err(ValueError { column: "b", value });
            }
            self.0.push(texts);
            Ok(())
        }
    }

    /// Takes comma-separated values in pieces of so many bytes.
    pub(crate) fn taken<P: Part>(csv: &[u8], size: usize) -> Result<P, IntakeError> {
        let mut intake = Intake::new(None);
        let mut records = Records::new();
        for piece in csv.chunks(size) {
            records.feed(piece, &mut intake)?;
        }
        records.end(&mut intake)?;
        Ok(intake.finish()?.0)
    }

    fn rows(csv: &[u8], size: usize) -> Vec<[String; 2]> {
        taken::<Kept>(csv, size).unwrap().0
    }

    #[test]
    fn records_are_the_same_in_whatever_pieces_they_come() {
        let long = "x".repeat(20_000);
        let csv = format!(
            "\"a\",\"more\",\"b\"\n\"1\",,\"say \"\"hi\"\",\r\nthere\"\n\"\",\"\",\n\"{long}\",\"☃\",\"été\""
        );
        let expected = [
            ["say \"hi\",\r\nthere", "1"],
            ["", ""],
            ["été", long.as_str()],
        ];
        for size in [1, 2, 3, 7, 4095, 4096, 4097, csv.len()] {
            assert_eq!(rows(csv.as_bytes(), size), expected, "{size}");
        }
    }

    #[test]
    fn many_columns_have_room() {
        let names: Vec<String> = (0..1000).map(|number| format!("c{number}")).collect();
        let csv = format!("a,{},b\n1,{},2\n", names.join(","), names.join(","));
        assert_eq!(rows(csv.as_bytes(), 100), [["2", "1"]]);
    }

    #[test]
    fn what_is_no_utf_8_gets_replacement_characters() {
        let csv = b"\"b\",\"a\"\n\"\xff\xfe\",\"a\xc3\"\n";
        assert_eq!(rows(csv, 3), [["\u{fffd}\u{fffd}", "a\u{fffd}"]]);
    }

    #[test]
    fn columns_may_come_in_any_order_and_case() {
        assert_eq!(rows(b"B,x,A\n1,2,3\n", 5), [["1", "3"]]);
    }

    #[test]
    fn a_result_without_rows_is_empty_and_one_without_columns_is_none() {
        assert!(rows(b"\"a\",\"b\"\n", 3).is_empty());
        let error = taken::<Kept>(b"", 1).expect_err("nothing came");
        assert!(matches!(error, IntakeError::NoHeader));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (csv, message) in [
            (
                "\"x\",\"y\"\n",
                "the result has no column b, a; the saved query is not that of this version of the reporting stack",
            ),
            (
                "a,x\n",
                "the result has no column b; the saved query is not that of this version of the reporting stack",
            ),
            (
                "a,b\n1,2\n1\n",
                "row 2 of the result has 1 values for 2 columns",
            ),
            ("a,b\n1,refused\n", "row 1 of the result: b is \"refused\""),
        ] {
            let error = taken::<Kept>(csv.as_bytes(), 100).expect_err(message);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_record_without_end_is_refused() {
        let mut intake = Intake::<Kept>::new(None);
        let mut records = Records::new();
        records.feed(b"a,b\n1,\"", &mut intake).unwrap();
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..64).find_map(|_| records.feed(&piece, &mut intake).err());
        let message = refused.expect("64 MiB are too many").to_string();
        assert_eq!(message, "row 1 of the result is longer than 32 MiB");
    }

    #[test]
    fn a_long_value_is_not_told_whole() {
        let error = ValueError {
            column: "tags",
            value: "é".repeat(1000),
        };
        assert_eq!(
            error.to_string(),
            format!("tags is \"{}\"…", "é".repeat(60))
        );
    }
}
