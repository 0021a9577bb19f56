//! Results as they come: from the object in S3 that Athena wrote, or from Athena itself in a workgroup of managed results, which
//! has no such object.

use aws_sdk_athena::Client as Athena;
use aws_sdk_s3::Client as S3;
use aws_smithy_types::byte_stream::ByteStream;
use lambda_sdk::{AwsError, chain};

use crate::intake::{Intake, IntakeError, Part, Record, Records};
use crate::progress::QueryProgress;

/// How often a result is asked for again, from where it broke off.
const MAX_RESUMPTIONS: u32 = 3;

/// Why a result could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("read its result: Athena says that it lies at {0:?}, which is no address in S3")]
    Location(String),
    #[error("read its result from {location}: {source}{}", advice(.source))]
    Get { location: String, source: AwsError },
    #[error("read its result from {location}: {reason}")]
    Body { location: String, reason: String },
    #[error("read its result from Athena: {0}")]
    Page(AwsError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

fn advice(error: &AwsError) -> &'static str {
    match error.code() {
        Some("AccessDenied") => {
            "; the caller needs s3:GetObject on it, and kms:Decrypt with its key"
        }
        _ => "",
    }
}

/// Reads the object at `location` in S3.
pub(crate) async fn from_s3<P: Part>(
    s3: &S3,
    location: &str,
    intake: &mut Intake<P>,
    progress: &QueryProgress<'_>,
) -> Result<(), ReadError> {
    let (bucket, key) = location
        .strip_prefix("s3://")
        .and_then(|path| path.split_once('/'))
        .ok_or_else(|| ReadError::Location(location.to_owned()))?;
    let mut records = Records::new();
    let (mut position, mut resumptions) = (0_u64, 0);
    let mut tag = None;
    loop {
        let mut request = s3.get_object().bucket(bucket).key(key);
        if position > 0 {
            // Of the same object, should there be another in its place by now.
            request = request
                .range(format!("bytes={position}-"))
                .set_if_match(tag.clone());
        }
        let answer = request.send().await.map_err(|error| ReadError::Get {
            location: location.to_owned(),
            source: error.into(),
        })?;
        tag = tag.or(answer.e_tag);
        match take(answer.body, &mut position, &mut records, intake, progress).await? {
            None => break,
            Some(reason) if resumptions == MAX_RESUMPTIONS => {
                return Err(ReadError::Body {
                    location: location.to_owned(),
                    reason,
                });
            }
            Some(_) => resumptions += 1,
        }
    }
    records.end(intake)?;
    Ok(())
}

/// Takes the pieces of a body, and tells why there are no more if it broke off.
async fn take<P: Part>(
    mut body: ByteStream,
    position: &mut u64,
    records: &mut Records,
    intake: &mut Intake<P>,
    progress: &QueryProgress<'_>,
) -> Result<Option<String>, IntakeError> {
    loop {
        match body.try_next().await {
            Ok(Some(piece)) => {
                records.feed(&piece, intake)?;
                *position += piece.len() as u64;
                progress.state(&format!("{} rows", intake.rows()));
            }
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(chain(&error))),
        }
    }
}

/// Reads the pages that Athena gives, a thousand rows each.
pub(crate) async fn from_athena<P: Part>(
    athena: &Athena,
    id: &str,
    intake: &mut Intake<P>,
    progress: &QueryProgress<'_>,
) -> Result<(), ReadError> {
    let mut pages = athena
        .get_query_results()
        .query_execution_id(id)
        .into_paginator()
        .send();
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| ReadError::Page(error.into()))?;
        // The first row has the names of the columns.
        let rows = page.result_set.and_then(|set| set.rows).unwrap_or_default();
        for row in rows {
            bytes.clear();
            ends.clear();
            for value in row.data.into_iter().flatten() {
                bytes.extend(value.var_char_value.unwrap_or_default().into_bytes());
                ends.push(bytes.len());
            }
            intake.record(Record::new(&bytes, &ends))?;
        }
        progress.state(&format!("{} rows", intake.rows()));
    }
    Ok(())
}
