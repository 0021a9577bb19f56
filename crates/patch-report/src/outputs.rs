//! The files that the command line asks for.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::cli::Args;
use crate::csv::CsvFile;
use crate::error::Failure;
use crate::replacement::{Replacement, resolved};
use crate::report::{QUERIES, Report};
use crate::{write_json, write_page};

/// The files, opened before anything else is done, so that no query runs for a report that can't be written.
pub(crate) struct Outputs {
    page: Replacement,
    json: Option<Replacement>,
}

impl Outputs {
    pub(crate) fn open(args: &Args) -> Result<Self, Failure> {
        if let Some(directory) = &args.csv {
            fs::create_dir_all(directory).map_err(|error| Failure::output(directory, error))?;
        }
        let csv = args.csv.as_deref().into_iter();
        let csv = csv.flat_map(|directory| QUERIES.map(|query| CsvFile::path_of(directory, query)));
        let mut paths = BTreeSet::new();
        for path in [&args.out]
            .into_iter()
            .chain(&args.json)
            .cloned()
            .chain(csv)
        {
            // What is no good path of a CSV file fails its query alone.
            if let Ok(resolved) = resolved(&path)
                && !paths.insert(resolved)
            {
                return Err(Failure::SameFile(path));
            }
        }
        let create =
            |path: &Path| Replacement::create(path).map_err(|error| Failure::output(path, error));
        Ok(Self {
            page: create(&args.out)?,
            json: args.json.as_deref().map(create).transpose()?,
        })
    }

    /// Writes them all, and only then puts them in their places.
    pub(crate) fn write(self, report: &Report, csv: Vec<CsvFile>) -> Result<(), Failure> {
        type Write = fn(&mut Replacement, &Report) -> io::Result<()>;
        let written = |mut file: Replacement, write: Write| {
            let path = file.path().to_owned();
            match write(&mut file, report).and_then(|()| file.sync()) {
                Ok(()) => Ok(file),
                Err(error) => Err(Failure::output(&path, error)),
            }
        };
        let mut files = vec![written(self.page, |out, report| write_page(out, report))?];
        if let Some(json) = self.json {
            files.push(written(json, |out, report| write_json(out, report))?);
        }
        for file in csv {
            let path = file.path().to_owned();
            files.push(
                file.finish()
                    .map_err(|error| Failure::output(&path, error))?,
            );
        }
        for file in files {
            let path = file.path().to_owned();
            file.commit()
                .map_err(|error| Failure::output(&path, error))?;
        }
        Ok(())
    }
}
