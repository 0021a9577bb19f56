//! The Lambda function, see the library.

use std::collections::BTreeMap;

use cfn_response::Responder;
use lambda_runtime::service_fn;
use org_resource_data_sync::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let env: BTreeMap<_, _> = std::env::vars().collect();
    lambda_sdk::init_log(&env);
    let connector = lambda_sdk::http_connector();
    let config = lambda_sdk::sdk_config(&env, connector.clone())?;
    let handler = Handler::new(&config);
    let responder = Responder::new(connector);
    lambda_runtime::run(service_fn(|event| {
        responder.answer(event, |request, deadline| handler.handle(request, deadline))
    }))
    .await
}
