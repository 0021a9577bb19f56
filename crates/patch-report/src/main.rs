//! The command `patch-report`; all that it does is in its library.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use patch_report::{Args, Progress, interrupted, load_config, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let progress = Progress::new();
    let config = load_config(args.profile.as_deref(), args.region.as_deref()).await;
    let status = match run(&args, &config, &progress, interrupted()).await {
        Ok(outcome) => {
            // Whoever closed the output does not want to know.
            let _ = writeln!(io::stdout(), "{outcome}");
            outcome.exit_status()
        }
        Err(failure) => {
            progress.line(&format!("patch-report: {failure}"));
            failure.exit_status()
        }
    };
    ExitCode::from(status)
}
