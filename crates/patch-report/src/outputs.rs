//! The files that the command line asks for.

use std::fs;
use std::io;
use std::path::Path;

use crate::cli::Args;
use crate::csv::CsvFile;
use crate::error::Failure;
use crate::replacement::Replacement;
use crate::report::Report;
use crate::{write_json, write_page};

/// The files, opened before anything else is done, so that no query runs for a report that can't be written.
pub(crate) struct Outputs {
    page: Replacement,
    json: Option<Replacement>,
}

impl Outputs {
    pub(crate) fn open(args: &Args) -> Result<Self, Failure> {
        let create =
            |path: &Path| Replacement::create(path).map_err(|error| Failure::output(path, error));
        if args.json.as_ref() == Some(&args.out) {
            return Err(Failure::SameFile(args.out.clone()));
        }
        if let Some(directory) = &args.csv {
            fs::create_dir_all(directory).map_err(|error| Failure::output(directory, error))?;
        }
        Ok(Self {
            page: create(&args.out)?,
            json: args.json.as_deref().map(create).transpose()?,
        })
    }

    /// Writes them all, and only then puts them in their places.
    pub(crate) fn write(self, report: &Report, csv: Vec<CsvFile>) -> Result<(), Failure> {
        let written =
            |mut file: Replacement, write: fn(&mut Replacement, &Report) -> io::Result<()>| {
                let path = file.path().to_owned();
                match write(&mut file, report) {
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
