//! Listings and deletes run beside each other, under a cap each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use cfn_response::RequestType;

use crate::fake_aws::{Bucket, FakeAws};
use crate::support::{handle, numbered, request};

/// A connector that takes some time to answer and counts how many answers it owes.
#[derive(Clone, Debug)]
struct Slow {
    inner: SharedHttpConnector,
    listings: Arc<InFlight>,
    deletes: Arc<InFlight>,
}

#[derive(Debug, Default)]
struct InFlight {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl HttpConnector for Slow {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let slow = self.clone();
        HttpConnectorFuture::new(async move {
            let in_flight = match request.method() {
                "POST" => &slow.deletes,
                _ => &slow.listings,
            };
            let now = in_flight.now.fetch_add(1, Ordering::Relaxed) + 1;
            in_flight.most.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            in_flight.now.fetch_sub(1, Ordering::Relaxed);
            slow.inner.call(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn large_folders_are_listed_beside_each_other_under_a_cap() {
    let mut bucket = Bucket::default();
    for kind in 0..13 {
        for account in 0..4 {
            let folder = format!("ResourceDataSync/AWS:Kind{kind}/accountid={account}/");
            for key in numbered(&folder, 600) {
                bucket.put(&key);
            }
        }
    }
    let versions = bucket.keys().len();
    let s3 = FakeAws::new([("bucket", bucket)]);
    let slow = Slow {
        inner: s3.http.connector(),
        listings: Arc::default(),
        deletes: Arc::default(),
    };
    let connector = SharedHttpConnector::new(slow.clone());
    let started = tokio::time::Instant::now();

    let request = request(RequestType::Delete, &["bucket"]);
    handle(connector, request, Duration::from_secs(800))
        .await
        .expect("emptied");

    assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());
    let listings = slow.listings.most.load(Ordering::Relaxed);
    assert!(
        (8..=16).contains(&listings),
        "{listings} listings at a time"
    );
    let deletes = slow.deletes.most.load(Ordering::Relaxed);
    assert!((2..=64).contains(&deletes), "{deletes} deletes at a time");
    let one_after_the_other =
        Duration::from_millis(50) * u32::try_from(versions / 1_000 * 2).expect("few");
    assert!(
        started.elapsed() < one_after_the_other / 4,
        "took {:?}",
        started.elapsed()
    );
    let folders: BTreeSet<_> = s3
        .calls_of("ListObjectVersions")
        .iter()
        .map(|call| call.query.get("prefix").cloned())
        .collect();
    assert!(folders.len() > 13, "listed by folder: {folders:?}");
}
