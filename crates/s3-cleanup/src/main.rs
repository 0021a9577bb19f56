//! The function `s3-cleanup`; all that it does is in its libraries.

use std::collections::BTreeMap;

use cfn_response::Responder;
use lambda_runtime::{Error, service_fn};
use s3_cleanup::{Cleanup, s3_client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let env: BTreeMap<String, String> = std::env::vars().collect();
    lambda_sdk::init_log(&env);
    let connector = lambda_sdk::http_connector();
    let config = lambda_sdk::sdk_config(&env, connector.clone())?;
    let cloudformation = aws_sdk_cloudformation::config::Builder::from(&config)
        .retry_partition(lambda_sdk::retry_partition());
    let cloudformation = aws_sdk_cloudformation::Client::from_conf(cloudformation.build());
    let cleanup = &Cleanup::new(s3_client(&env, &config), cloudformation);
    let responder = &Responder::new(connector);
    lambda_runtime::run(service_fn(async |event| {
        responder
            .answer(event, async |request, deadline| {
                cleanup.handle(request, deadline).await
            })
            .await
    }))
    .await
}
