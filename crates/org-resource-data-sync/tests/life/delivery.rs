//! Each attempt to deliver the answer fails, in every way: CloudFormation gets one answer, and what
//! was done stays done.

use lambda_sdk::test_util::Reply;

use crate::cloudformation::{
    NAME, answer, assert_success, create, delete, invoke, properties, properties_with, signed,
    sync_with, update,
};
use crate::ssm::FakeSsm;

fn faults() -> [(&'static str, Reply); 6] {
    [
        ("refused", Reply::Refused),
        ("reset", Reply::Reset),
        ("hangs", Reply::Hang),
        ("forbidden", Reply::status(403, "<Error/>")),
        ("fault", Reply::status(500, "<Error/>")),
        ("busy", Reply::status(503, "<Error/>")),
    ]
}

/// Lets the first attempts to answer fail.
fn undelivered(ssm: FakeSsm, reply: Reply, mut attempts: u32) -> FakeSsm {
    ssm.with(|state| {
        state.delivery = Box::new(move || {
            let is_left = attempts > 0;
            attempts = attempts.saturating_sub(1);
            is_left.then(|| reply.clone())
        });
    })
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_taken_at_first_is_sent_again_and_nothing_else_is() {
    for (fault, reply) in faults() {
        for attempts in 1..8 {
            let ssm = undelivered(FakeSsm::new([]), reply.clone(), attempts);
            let answer = answer(&ssm, signed(&ssm, create(&properties()))).await;
            assert_success(&answer, NAME);
            let sent = ssm.http.sent();
            let answers: Vec<_> = sent.iter().filter(|it| it.method == "PUT").collect();
            assert_eq!(answers.len(), attempts as usize + 1, "{fault}");
            assert!(
                answers.iter().all(|it| it.body == answers[0].body),
                "{fault}"
            );
            assert_eq!(ssm.changes(), ["CreateResourceDataSync"], "{fault}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_never_taken_is_given_by_lambdas_next_attempt() {
    let old = || sync_with(NAME, "ResourceDataSync");
    let new = properties_with("S3BucketPrefix", "Other");
    let rows = [
        ("create", vec![], create(&properties()), vec![NAME]),
        (
            "update",
            vec![old()],
            update(NAME, &properties(), &new),
            vec![NAME],
        ),
        ("delete", vec![old()], delete(NAME), vec![]),
    ];
    for (name, existing, event, left) in rows {
        for (fault, reply) in faults() {
            let ssm = undelivered(FakeSsm::new(existing.clone()), reply, u32::MAX);
            let event = signed(&ssm, event.clone());
            let (result, answers) = invoke(&ssm, event.clone()).await;
            let error = result.unwrap_err().to_string();
            assert!(
                error.contains("deliver the answer"),
                "{name}, {fault}: {error}"
            );
            assert!(answers.is_empty(), "{name}, {fault}: {answers:?}");
            let done = ssm.syncs();

            let ssm = ssm.repaired();
            assert_success(&answer(&ssm, event).await, NAME);
            assert_eq!(ssm.names(), left, "{name}, {fault}");
            assert_eq!(ssm.syncs(), done, "{name}, {fault}");
        }
    }
}
