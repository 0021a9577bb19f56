//! Everything in a bucket goes, whatever it is and however much.

use std::collections::BTreeSet;

use crate::fake_aws::{Bucket, FakeAws, OWNER};
use crate::support::{PHYSICAL_ID, delete, filled, numbered};

#[tokio::test]
async fn every_version_and_delete_marker_of_each_bucket_goes() {
    let mut versioned = Bucket::default();
    for round in 0..3 {
        for key in numbered("ResourceDataSync/AWS:Tag/accountid=210987654321/", 700) {
            versioned.put(&key);
            if round == 1 {
                versioned.mark_deleted(&key);
            }
        }
    }
    let mut unversioned = Bucket::default();
    for key in numbered("", 20) {
        unversioned.put_null(&key);
    }
    let s3 = FakeAws::new([
        ("versioned", versioned),
        ("unversioned", unversioned),
        ("empty", Bucket::default()),
    ]);

    let success = delete(&s3, &["versioned", "unversioned", "empty"])
        .await
        .expect("emptied");

    assert_eq!(success.physical_resource_id, PHYSICAL_ID);
    for name in ["versioned", "unversioned", "empty"] {
        assert_eq!(s3.bucket(name).keys(), Vec::<String>::new(), "{name}");
    }
    let sent = s3.http.sent();
    let owners: BTreeSet<_> = sent
        .iter()
        .filter(|sent| !sent.body.starts_with("Action=DescribeStacks&"))
        .map(|sent| &sent.headers["x-amz-expected-bucket-owner"])
        .collect();
    assert_eq!(
        owners,
        BTreeSet::from([&OWNER.to_owned()]),
        "each request states the owner"
    );
    let deleted: Vec<_> = s3
        .calls_of("DeleteObjects")
        .iter()
        .map(|call| call.objects.len())
        .collect();
    assert_eq!(deleted, [1_000, 1_000, 800, 20]);
}

#[tokio::test]
async fn keys_of_any_characters_are_deleted_under_their_own_name() {
    let in_xml = [
        "a b",
        "a+b",
        "100%",
        "%2B",
        "ü/ö",
        "&<>\"'",
        "line\nbreak",
        "cr\r",
        "tab\t",
        "//",
        "a/../b",
        ".",
        "..",
        "日本",
        "🦀",
        "trailing/",
        "AWS:Tag/accountid=1/x",
        "?query#fragment",
        "\u{85}\u{2028}",
    ];
    let not_in_xml = ["bell\u{7}", "nul-free \u{1}+%/é", "\u{ffff}"];
    let s3 = FakeAws::new([("bucket", filled(in_xml.into_iter().chain(not_in_xml)))]);

    delete(&s3, &["bucket"]).await.expect("emptied");

    assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());
    let together = &s3.calls_of("DeleteObjects")[0].objects;
    let together: BTreeSet<_> = together.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(together, BTreeSet::from(in_xml));
    let singly = s3.calls_of("DeleteObject");
    let singly: BTreeSet<_> = singly.iter().map(|call| call.key.as_str()).collect();
    assert_eq!(singly, BTreeSet::from(not_in_xml));
}

#[tokio::test]
async fn folders_on_several_pages_are_emptied() {
    let mut bucket = Bucket::default();
    for key in numbered("0/", 1_500) {
        bucket.put(&key);
    }
    for folder in numbered("", 1_500) {
        bucket.put(&format!("f{folder}/key"));
    }
    // Beside folders, at the place where they end.
    bucket.put("00");
    bucket.put("f0007000");
    let s3 = FakeAws::new([("bucket", bucket)]);
    delete(&s3, &["bucket"]).await.expect("emptied");
    assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_success() {
    let s3 = FakeAws::new([("other", filled(["a"]))]);
    delete(&s3, &["gone", "other"]).await.expect("emptied");
    assert_eq!(s3.bucket("other").keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bucket_that_goes_in_the_middle_is_success() {
    for at in [
        "ListObjectVersions",
        "DeleteObjects",
        "DeleteObject",
        "AbortMultipartUpload",
    ] {
        let mut bucket = filled(["a", "bell\u{7}"]);
        bucket.begin_upload("u", "1");
        let s3 = FakeAws::with_faults(
            [("bucket", bucket)],
            move |call, buckets| {
                if call.operation == at {
                    buckets.remove("bucket");
                }
                None
            },
            |_, _| None,
        );
        delete(&s3, &["bucket"])
            .await
            .unwrap_or_else(|reason| panic!("{at}: {reason}"));
        let calls = s3.calls();
        let place = calls.iter().position(|call| call.operation == at);
        let after = calls.len() - place.unwrap_or_else(|| panic!("no {at}"));
        assert!(after <= 3, "only what was under way follows: {calls:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_gone_already_is_no_failure() {
    for code in ["NoSuchKey", "NoSuchVersion"] {
        let s3 = FakeAws::with_faults(
            [("bucket", filled(["a"]))],
            |call, buckets| {
                if call.operation == "DeleteObjects" {
                    buckets.insert("bucket".to_owned(), Bucket::default());
                }
                None
            },
            move |_, _| Some((code, "The specified key does not exist.")),
        );
        delete(&s3, &["bucket"]).await.expect("gone is gone");
    }
}

#[tokio::test]
async fn incomplete_uploads_are_aborted_on_every_page() {
    let mut bucket = Bucket::default();
    for key in numbered("part ü/", 1_001) {
        bucket.begin_upload(&key, "first");
        bucket.begin_upload(&key, "second");
    }
    let s3 = FakeAws::with_faults(
        [("bucket", bucket)],
        |call, buckets| {
            // One of them is completed just before.
            if call.operation == "AbortMultipartUpload" && call.key.contains("000500") {
                buckets
                    .get_mut("bucket")
                    .expect("it is there")
                    .end_upload(&call.key);
            }
            None
        },
        |_, _| None,
    );
    delete(&s3, &["bucket"]).await.expect("emptied");
    assert_eq!(s3.bucket("bucket").uploads(), 0);
}

#[tokio::test]
async fn small_folders_are_gathered_into_full_deletes() {
    let mut bucket = Bucket::default();
    for folder in 0..50 {
        for key in numbered(&format!("folder{folder:02}/"), 80) {
            bucket.put(&key);
        }
    }
    let s3 = FakeAws::new([("bucket", bucket)]);
    delete(&s3, &["bucket"]).await.expect("emptied");
    let deleted: Vec<_> = s3
        .calls_of("DeleteObjects")
        .iter()
        .map(|call| call.objects.len())
        .collect();
    assert_eq!(deleted, [1_000; 4]);
}
