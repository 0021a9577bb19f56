//! The memory that a bucket takes does not grow with it. In a process of its own, for it is the process that is measured.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

#[expect(dead_code, reason = "another test needs more of it")]
#[path = "large/synthetic_s3.rs"]
mod synthetic_s3;

use std::time::Duration;

use cfn_response::{Deadline, Request, RequestType, ResponseUrl};
use serde_json::json;

use synthetic_s3::SyntheticS3;

/// The most memory that this process ever had, in KiB. Linux only, as Lambda.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

async fn empty(objects: usize) {
    let s3 = SyntheticS3::new(objects, Duration::from_millis(50), None);
    let request = Request {
        request_type: RequestType::Delete,
        stack_id: "arn:aws:cloudformation:us-east-1:111122223333:stack/s/1".to_owned(),
        request_id: "r-1".to_owned(),
        resource_type: "Custom::S3BucketCleanupFunction".to_owned(),
        logical_resource_id: "S3Cleanup".to_owned(),
        physical_resource_id: Some("s/1/S3Cleanup".to_owned()),
        properties: json!({ "BucketNames": ["bucket"] })
            .as_object()
            .unwrap()
            .clone(),
        old_properties: None,
        response_url: ResponseUrl::parse("https://response.example.com/").unwrap(),
    };
    s3.cleanup()
        .handle(request, Deadline::after(Duration::from_mins(15)))
        .await
        .map_err(|failure| failure.error().to_string())
        .unwrap();
    assert_eq!(s3.left(), 0);
}

#[tokio::test(start_paused = true)]
async fn five_times_as_many_versions_take_little_more_memory() {
    // As many as it takes to have all requests under way that there may be at a time.
    empty(50_000).await;
    let before = peak_kib();
    empty(250_000).await;
    let after = peak_kib();
    assert!(after * 10 < before * 13, "from {before} KiB to {after} KiB");
    // A million are to fit into 64 MiB, together with a TLS stack.
    assert!(after < 40 * 1_024, "{after} KiB");
}
