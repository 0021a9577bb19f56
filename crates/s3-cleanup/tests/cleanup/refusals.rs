//! What S3 refuses, for now or for good.

use lambda_sdk::test_util::Reply;

use crate::fake_aws::{FakeAws, error};
use crate::support::{delete, filled, numbered};

#[tokio::test]
async fn a_bucket_of_another_account_is_left_alone_and_named() {
    let s3 = FakeAws::new([
        ("foreign", filled(["a"]).owned_by("999999999999")),
        ("own", filled(["b"])),
    ]);
    let reason = delete(&s3, &["foreign", "own"])
        .await
        .expect_err("not ours");
    assert_eq!(
        reason,
        "empty bucket foreign (0 versions deleted in this attempt): GetBucketTagging: AccessDenied: Access Denied (status 403); unless a policy or MFA delete denies it, the function's role lacks s3:GetBucketTagging or the bucket belongs to another account by now"
    );
    assert_eq!(s3.bucket("foreign").keys(), ["a"]);
    assert_eq!(
        s3.bucket("own").keys(),
        Vec::<String>::new(),
        "one bad bucket does not stop the others"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_that_s3_is_too_busy_to_delete_are_sent_again_alone() {
    for code in ["SlowDown", "InternalError"] {
        let s3 = FakeAws::with_faults(
            [("bucket", filled(["a", "b & c", "d"]))],
            |_, _| None,
            move |key, deletes| {
                (key == "b & c" && deletes < 3)
                    .then_some((code, "Please reduce your request rate."))
            },
        );
        delete(&s3, &["bucket"]).await.expect("emptied in the end");
        assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());
        let sent: Vec<_> = s3
            .calls_of("DeleteObjects")
            .iter()
            .map(|call| call.objects.len())
            .collect();
        assert_eq!(sent, [3, 1, 1, 1], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_s3_refuses_are_reported_with_the_first_five_and_all_others_go() {
    for (code, sent_times) in [("AccessDenied", 1), ("InternalError", 6)] {
        let keys = numbered("locked/", 7);
        let s3 = FakeAws::with_faults(
            [(
                "bucket",
                filled(keys.iter().map(String::as_str).chain(["free"])),
            )],
            |_, _| None,
            move |key, _| key.starts_with("locked/").then_some((code, "No.")),
        );
        let reason = delete(&s3, &["bucket"]).await.expect_err("seven are left");
        assert_eq!(
            reason,
            format!(
                "empty bucket bucket (1 versions deleted in this attempt): 7 versions were refused: \
                 \"locked/000000.json\" {code} (No.); \"locked/000001.json\" {code} (No.); \
                 \"locked/000002.json\" {code} (No.); \"locked/000003.json\" {code} (No.); \
                 \"locked/000004.json\" {code} (No.); and so on"
            )
        );
        assert_eq!(s3.bucket("bucket").keys(), keys);
        assert_eq!(s3.calls_of("DeleteObjects").len(), sent_times, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_is_sent_again_and_a_refused_one_is_named() {
    let mut throttled = 0;
    let s3 = FakeAws::with_faults(
        [("bucket", filled(["a"]))],
        move |_, _| {
            throttled += 1;
            (throttled % 4 != 0).then(|| error(503, "SlowDown", "Please reduce your request rate."))
        },
        |_, _| None,
    );
    delete(&s3, &["bucket"]).await.expect("emptied in the end");
    assert_eq!(s3.bucket("bucket").keys(), Vec::<String>::new());

    for (operation, times) in [
        ("ListMultipartUploads", 1),
        ("AbortMultipartUpload", 1),
        // The bucket and its top-level folders.
        ("ListObjectVersions", 2),
        ("DeleteObjects", 1),
    ] {
        let mut bucket = filled(["a", "bell\u{7}"]);
        bucket.begin_upload("u", "1");
        let s3 = FakeAws::with_faults(
            [("bucket", bucket)],
            move |call, _| {
                (call.operation == operation).then(|| error(403, "AccessDenied", "not authorized"))
            },
            |_, _| None,
        );
        let reason = delete(&s3, &["bucket"]).await.expect_err(operation);
        assert!(reason.starts_with("empty bucket bucket ("), "{reason}");
        assert!(
            reason.contains(&format!(
                "{operation}: AccessDenied: not authorized (status 403)"
            )),
            "{reason}"
        );
        assert_eq!(
            s3.calls_of(operation).len(),
            times,
            "it was delivered, and not retried"
        );
    }
}

#[tokio::test]
async fn object_lock_and_mfa_delete_are_told_in_s3s_words() {
    let locked = "Access Denied because object protected by object lock.";
    let aws = FakeAws::with_faults(
        [("bucket", filled(["locked", "free"]))],
        |_, _| None,
        move |key, _| (key == "locked").then_some(("AccessDenied", locked)),
    );
    let reason = delete(&aws, &["bucket"]).await.expect_err("locked");
    assert!(
        reason.ends_with(&format!(
            "1 versions were refused: \"locked\" AccessDenied ({locked})"
        )),
        "{reason}"
    );
    assert_eq!(aws.bucket("bucket").keys(), ["locked"]);

    let mfa = "Mfa Authentication must be used for this request";
    let aws = FakeAws::with_faults(
        [("bucket", filled(["a"]))],
        move |call, _| (call.operation == "DeleteObjects").then(|| error(403, "AccessDenied", mfa)),
        |_, _| None,
    );
    let reason = delete(&aws, &["bucket"]).await.expect_err("MFA");
    assert!(
        reason.contains(&format!("DeleteObjects: AccessDenied: {mfa}")),
        "{reason}"
    );
}

#[tokio::test]
async fn a_bucket_in_another_region_is_named_with_its_region() {
    let redirect = Reply::Response(
        301,
        vec![("x-amz-bucket-region", "eu-west-1".to_owned())],
        "<Error><Code>PermanentRedirect</Code><Message>Use another endpoint.</Message></Error>"
            .to_owned(),
    );
    let malformed = error(400, "AuthorizationHeaderMalformed", "expecting 'eu-west-1'");
    for (reply, told) in [
        (
            redirect,
            "the bucket is in eu-west-1, the function reaches buckets of its own Region only: PermanentRedirect",
        ),
        (
            malformed,
            "the bucket is in another Region, the function reaches buckets of its own Region only: AuthorizationHeaderMalformed",
        ),
    ] {
        let aws = FakeAws::with_faults(
            [("elsewhere", filled(["a"])), ("here", filled(["b"]))],
            move |call, _| (call.bucket == "elsewhere").then(|| reply.clone()),
            |_, _| None,
        );
        let reason = delete(&aws, &["elsewhere", "here"]).await.expect_err(told);
        assert!(
            reason.starts_with(&format!(
                "empty bucket elsewhere (0 versions deleted in this attempt): {told}"
            )),
            "{reason}"
        );
        assert_eq!(aws.bucket("elsewhere").keys(), ["a"]);
        assert_eq!(aws.bucket("here").keys(), Vec::<String>::new());
    }
}

/// S3 says so in the body of a 200 too, see <https://github.com/awslabs/aws-sdk-rust/issues/873>.
#[tokio::test(start_paused = true)]
async fn deletes_that_are_too_much_for_s3_are_sent_again_for_as_long_as_there_is_time() {
    for status in [200, 503] {
        let mut deletes = 0;
        let aws = FakeAws::with_faults(
            [("bucket", filled(["a"]))],
            move |call, _| {
                deletes += usize::from(call.operation == "DeleteObjects");
                (call.operation == "DeleteObjects" && deletes <= 20)
                    .then(|| error(status, "SlowDown", "Please reduce your request rate."))
            },
            |_, _| None,
        );
        delete(&aws, &["bucket"]).await.expect("emptied in the end");
        assert_eq!(aws.calls_of("DeleteObjects").len(), 21, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_key_that_s3_is_too_busy_for_is_sent_again_for_as_long_as_there_is_time() {
    let aws = FakeAws::with_faults(
        [("bucket", filled(["a", "b"]))],
        |_, _| None,
        |key, deletes| {
            (key == "b" && deletes < 20).then_some(("SlowDown", "Please reduce your request rate."))
        },
    );
    delete(&aws, &["bucket"]).await.expect("emptied in the end");
    assert_eq!(aws.bucket("bucket").keys(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_key_that_xml_can_not_carry_is_named_and_all_others_go() {
    let aws = FakeAws::with_faults(
        [("bucket", filled(["bell\u{7}", "free", "nul\u{1}"]))],
        |call, _| {
            (call.operation == "DeleteObject" && call.key == "bell\u{7}")
                .then(|| error(403, "AccessDenied", "Access Denied"))
        },
        |_, _| None,
    );
    let reason = delete(&aws, &["bucket"]).await.expect_err("one is left");
    assert!(
        reason.contains("1 versions were refused: \"bell\\u{7}\" AccessDenied (Access Denied)"),
        "{reason}"
    );
    assert_eq!(aws.bucket("bucket").keys(), ["bell\u{7}"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_sent_again_is_sent_with_its_version_whatever_s3_echoes() {
    let mut deletes = 0;
    let aws = FakeAws::with_faults(
        [("bucket", filled(["a"]))],
        move |call, _| {
            deletes += usize::from(call.operation == "DeleteObjects");
            (call.operation == "DeleteObjects" && deletes == 1).then(|| {
                let echo =
                    "<Error><Key>a</Key><Code>InternalError</Code><Message>Oh.</Message></Error>";
                Reply::ok(format!("<DeleteResult>{echo}</DeleteResult>"))
            })
        },
        |_, _| None,
    );
    delete(&aws, &["bucket"]).await.expect("emptied in the end");
    let sent = aws.calls_of("DeleteObjects");
    assert_eq!(sent[0].objects, sent[1].objects);
}
