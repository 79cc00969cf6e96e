//! The program `lmsc`.

use std::process::ExitCode;

use clap::Parser;
use lmsc::cli::{Cli, complain};

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(found) => {
            complain(&found);
            ExitCode::FAILURE
        }
    }
}
