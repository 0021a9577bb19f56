//! An S3 bucket in memory for `scripts/bench`: the calls that emptying takes, as fast as one core gives them, after a set
//! time and, if asked for, within S3's own limits. It also is the CloudFormation that says that the stack is going and
//! the place that takes the answer, so that the function `s3-cleanup` runs against it as it is.
//!
//! `s3-stub` prints the port that it listens on at 127.0.0.1. Every bucket name is the one bucket.
//! `POST /__fill?layout=sync&versions=20000&list_ms=50&delete_ms=50&limit=none` fills it, `GET /__stats` tells what was
//! asked of it since then.
//!
//! With `limit=bucket` the whole bucket is one partition, with `limit=folder` each top-level folder is one. A partition
//! takes 3,500 deletes, each key counted, and 5,500 listings a second, and those of one second at once; the rest is
//! answered `503 SlowDown` at once, or key by key where a part of a request fits.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]
#![expect(
    clippy::unwrap_used,
    reason = "a request that it does not understand is a fault of the benchmark: the connection breaks"
)]

mod bucket;
mod limit;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use percent_encoding::percent_decode_str;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use bucket::{Bucket, Layout, Query};
use limit::Limit;

/// See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html>.
const DELETES_PER_SECOND: f64 = 3_500.0;
const LISTINGS_PER_SECOND: f64 = 5_500.0;

const VERSIONS_PER_OBJECT: usize = 4;

const SLOW_DOWN: &str =
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// What was asked of the bucket since it was filled.
#[derive(Debug, Default)]
struct Stats {
    listings: usize,
    deletes: usize,
    others: usize,
    refused_listings: usize,
    /// Deletes of which at least one key was refused.
    refused_deletes: usize,
    deleted_twice: usize,
    in_flight: usize,
    most_in_flight: usize,
}

struct Stub {
    bucket: Bucket,
    list_delay: Duration,
    delete_delay: Duration,
    deletes: Vec<Limit>,
    listings: Vec<Limit>,
    stats: Stats,
    /// What CloudFormation was answered.
    answer: String,
}

impl Stub {
    fn new(parameters: &Parameters) -> Self {
        let number = |name: &str| parameters.get(name).map_or(0, |text| text.parse().unwrap());
        let limit = parameters.get("limit").map_or("none", String::as_str);
        let layout = parameters.get("layout").map_or("sync", String::as_str);
        let bucket = Bucket::new(
            Layout::parse(layout).unwrap(),
            number("versions"),
            VERSIONS_PER_OBJECT,
            limit == "folder",
        );
        let limits = |rate| {
            let rate = (limit != "none").then_some(rate);
            vec![Limit::new(rate); bucket.partitions()]
        };
        Self {
            deletes: limits(DELETES_PER_SECOND),
            listings: limits(LISTINGS_PER_SECOND),
            bucket,
            list_delay: Duration::from_millis(number("list_ms") as u64),
            delete_delay: Duration::from_millis(number("delete_ms") as u64),
            stats: Stats::default(),
            answer: String::new(),
        }
    }

    fn stats(&self) -> String {
        let s = &self.stats;
        format!(
            "{{\"left\": {}, \"partitions\": {}, \"listings\": {}, \"deletes\": {}, \"others\": {}, \
             \"refused_listings\": {}, \"refused_deletes\": {}, \"deleted_twice\": {}, \"most_in_flight\": {}}}",
            self.bucket.left(),
            self.bucket.partitions(),
            s.listings,
            s.deletes,
            s.others,
            s.refused_listings,
            s.refused_deletes,
            s.deleted_twice,
            s.most_in_flight
        )
    }

    /// Deletes one version, or nothing: without a version id S3 would add a delete marker, which nobody here asks for.
    fn delete_single(&mut self, path: &str, parameters: &Parameters) -> (u16, String) {
        self.stats.deletes += 1;
        let path = percent_decode_str(path).decode_utf8().unwrap();
        let key = path.split_once('/').unwrap().1;
        let (version, partition) = self.bucket.find(key, &parameters["versionId"]).unwrap();
        if !self.deletes[partition].takes(1) {
            self.stats.refused_deletes += 1;
            return (503, SLOW_DOWN.to_owned());
        }
        self.bucket.delete(version);
        (204, String::new())
    }

    /// Deletes what the body of a `DeleteObjects` names.
    fn delete(&mut self, body: &str) -> (u16, String) {
        self.stats.deletes += 1;
        let is_quiet = body.contains("<Quiet>true</Quiet>");
        let mut found = Vec::with_capacity(1_000);
        let mut keys = vec![0; self.bucket.partitions()];
        for object in body.split("<Object>").skip(1) {
            let (key, id) = (element(object, "Key"), element(object, "VersionId"));
            let (version, partition) = self.bucket.find(key, id).unwrap();
            keys[partition] += 1;
            found.push((key, id, version, partition));
        }
        assert!(found.len() <= 1_000, "MalformedXML: more than 1,000 keys");
        let takes: Vec<_> = keys
            .iter()
            .zip(&mut self.deletes)
            .map(|(&keys, limit)| keys == 0 || limit.takes(keys))
            .collect();
        let refused = keys
            .iter()
            .zip(&takes)
            .filter(|(keys, takes)| **keys > 0 && !**takes);
        if refused.count() > 0 {
            self.stats.refused_deletes += 1;
        }
        if found.iter().all(|&(_, _, _, partition)| !takes[partition]) && !found.is_empty() {
            return (503, SLOW_DOWN.to_owned());
        }
        let mut answer = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
        );
        let before = self.bucket.left();
        let mut done = 0;
        for (key, id, version, partition) in found {
            if !takes[partition] {
                let _ = write!(
                    answer,
                    "<Error><Key>{key}</Key><VersionId>{id}</VersionId><Code>SlowDown</Code>\
                     <Message>Please reduce your request rate.</Message></Error>"
                );
                continue;
            }
            done += 1;
            self.bucket.delete(version);
            if !is_quiet {
                let _ = write!(
                    answer,
                    "<Deleted><Key>{key}</Key><VersionId>{id}</VersionId></Deleted>"
                );
            }
        }
        self.stats.deleted_twice += done - (before - self.bucket.left());
        answer.push_str("</DeleteResult>");
        (200, answer)
    }

    fn list(&mut self, parameters: &Parameters) -> (u16, String) {
        self.stats.listings += 1;
        let query = Query {
            prefix: parameters.get("prefix").cloned().unwrap_or_default(),
            by_folder: parameters.get("delimiter").is_some_and(|it| !it.is_empty()),
            is_encoded: parameters.contains_key("encoding-type"),
            key_marker: parameters.get("key-marker").cloned(),
            version_id_marker: parameters.get("version-id-marker").cloned(),
        };
        let partition = self.bucket.partition_of_prefix(&query.prefix);
        if !self.listings[partition].takes(1) {
            self.stats.refused_listings += 1;
            return (503, SLOW_DOWN.to_owned());
        }
        (200, self.bucket.list(&query))
    }

    fn other(&mut self, method: &Method, parameters: &Parameters, body: &str) -> (u16, String) {
        self.stats.others += 1;
        if *method == Method::PUT {
            body.clone_into(&mut self.answer);
            return (200, String::new());
        }
        let answer = if body.contains("Action=DescribeStacks") {
            "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName>\
             <CreationTime>2026-01-15T12:00:00Z</CreationTime><StackStatus>DELETE_IN_PROGRESS</StackStatus>\
             </member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
        } else if parameters.contains_key("tagging") {
            "<Tagging><TagSet><Tag><Key>patch-reporting:empty-on-delete</Key><Value>true</Value></Tag></TagSet></Tagging>"
        } else if parameters.contains_key("uploads") {
            "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
        } else if parameters.contains_key("versioning") {
            "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status>\
             </VersioningConfiguration>"
        } else if parameters.contains_key("location") {
            "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"
        } else {
            ""
        };
        (200, answer.to_owned())
    }
}

type Parameters = BTreeMap<String, String>;

fn parameters(query: &str) -> Parameters {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// The text of an element of an object to be deleted; the keys here need no escapes.
fn element<'a>(object: &'a str, name: &str) -> &'a str {
    let start = object.find(&format!("<{name}>")).unwrap() + name.len() + 2;
    let length = object[start..].find('<').unwrap();
    &object[start..start + length]
}

async fn answer(
    stub: Rc<RefCell<Stub>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let parameters = parameters(request.uri().query().unwrap_or_default());
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = std::str::from_utf8(&body).unwrap();
    let (status, text) = match &*path {
        "/__fill" => {
            *stub.borrow_mut() = Stub::new(&parameters);
            (200, String::new())
        }
        "/__stats" => (200, stub.borrow().stats()),
        "/__answer" => (200, stub.borrow().answer.clone()),
        _ => {
            let is_single = method == Method::DELETE && parameters.contains_key("versionId");
            let is_batch = method == Method::POST && parameters.contains_key("delete");
            let is_list = method == Method::GET && parameters.contains_key("versions");
            let delay = {
                let mut stub = stub.borrow_mut();
                stub.stats.in_flight += 1;
                stub.stats.most_in_flight = stub.stats.most_in_flight.max(stub.stats.in_flight);
                if is_single || is_batch {
                    stub.delete_delay
                } else {
                    stub.list_delay
                }
            };
            // What S3 refuses it refuses at the door; what it does takes its time.
            let (status, text) = if is_batch {
                stub.borrow_mut().delete(body)
            } else if is_single {
                stub.borrow_mut()
                    .delete_single(path.trim_start_matches('/'), &parameters)
            } else if is_list {
                stub.borrow_mut().list(&parameters)
            } else {
                stub.borrow_mut().other(&method, &parameters, body)
            };
            if !delay.is_zero() && status < 300 {
                tokio::time::sleep(delay).await;
            }
            stub.borrow_mut().stats.in_flight -= 1;
            (status, text)
        }
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/xml")
        .body(Full::new(Bytes::from(text)));
    Ok(response.unwrap())
}

async fn serve(stub: Rc<RefCell<Stub>>, stream: TcpStream) {
    let service = service_fn(move |request| answer(stub.clone(), request));
    // A client that goes away in the middle is its own affair.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
        .await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let stub = Rc::new(RefCell::new(Stub::new(&Parameters::new())));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    LocalSet::new()
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::task::spawn_local(serve(stub.clone(), stream));
            }
        })
        .await;
}
