//! The `lasso` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    lasso_rpc::cli::main()
}
