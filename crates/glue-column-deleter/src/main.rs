//! The function `glue-column-deleter`; all that it does is in its library.

use std::collections::BTreeMap;

use aws_sdk_glue::Client;
use glue_column_deleter::{ColumnDeleter, Config};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let env: BTreeMap<String, String> = std::env::vars().collect();
    lambda_sdk::init_log(&env);
    let config = Config::from_env(&env)?;
    let sdk_config = lambda_sdk::sdk_config(&env, lambda_sdk::http_connector())?;
    let deleter = &ColumnDeleter::new(Client::new(&sdk_config), config);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        deleter.handle(event.payload).await
    }))
    .await
}
