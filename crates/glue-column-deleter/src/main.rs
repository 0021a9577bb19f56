//! The function `glue-column-deleter`; all that it does is in its library.

use std::collections::BTreeMap;
use std::time::SystemTime;

use glue_column_deleter::{ColumnDeleter, Config};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let env: BTreeMap<String, String> = std::env::vars().collect();
    lambda_sdk::init_log(&env);
    let config = Config::from_env(&env)?;
    let sdk_config = lambda_sdk::sdk_config(&env, lambda_sdk::http_connector())?;
    let deleter = &ColumnDeleter::new(&sdk_config, config);
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let end = event.context.deadline();
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        deleter.handle(event.payload, Instant::now() + left).await
    }))
    .await
}
