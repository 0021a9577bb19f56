//! The response URL is a bearer token: no log line and no error holds it.

use cfn_response::Responder;
use lambda_runtime::tracing;
use lambda_sdk::test_util::{FakeHttp, Reply, capture_log, captured_log};

use crate::support::{SIGNATURE, TIME, broken, event, invocation};

#[tokio::test(start_paused = true)]
async fn no_log_line_holds_the_signature() {
    capture_log();
    let http = FakeHttp::new(|_| Reply::Refused);
    let result = Responder::new(http.connector())
        .answer(invocation(event("Create"), TIME), async |request, _| {
            tracing::info!(?request, "handler");
            Err(broken().into())
        })
        .await;

    let log = captured_log();
    for expected in [
        "request received",
        "handler",
        "request failed",
        "trying again",
        "not answered",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(!log.contains(SIGNATURE), "{log}");
    assert!(!format!("{result:?}").contains(SIGNATURE), "{result:?}");
}
