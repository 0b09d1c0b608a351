//! `talweg config-reference`

use std::io::Write;

use crate::config::reference;
use crate::error::CliError;

pub(super) fn run(out: &mut dyn Write) -> Result<(), CliError> {
    out.write_all(reference::page().as_bytes()).map_err(CliError::Output)
}
