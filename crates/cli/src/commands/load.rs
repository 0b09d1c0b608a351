//! Reading the configuration that a command line names.

use std::fs::File;
use std::io::{self, Read};

use crate::config::Config;
use crate::error::CliError;

/// The configurations that are part of the program: name and text.
const BUILT_IN: [(&str, &str); 2] = [
    ("xor", include_str!("../../../../examples/configs/xor.toml")),
    ("digits", include_str!("../../../../examples/configs/digits.toml")),
];

/// A configuration is written by hand; a larger file is another file by mistake.
const LARGEST: u64 = 1 << 20;

/// Whether a configuration of that name is part of the program.
pub(super) fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(built_in, _)| *built_in == name)
}

/// Reads and checks the configuration of that name or path.
pub(super) fn config(name: &str, sets: &[String]) -> Result<Config, CliError> {
    let built_in = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
    let text = match built_in {
        Some((_, text)) => (*text).to_owned(),
        None => read(name).map_err(|why| CliError::ConfigFile { file: name.to_owned(), why })?,
    };
    Ok(Config::parse(name, &text, sets)?)
}

fn read(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => {
            "there is no such file; give a TOML file, or one of the built-in configurations xor and digits"
                .to_owned()
        }
        io::ErrorKind::IsADirectory => "this is a folder; give a TOML file".to_owned(),
        _ => format!("cannot be read: {why}"),
    })?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("larger than {LARGEST} bytes, so this is no configuration; give a TOML file"));
    }
    String::from_utf8(bytes).map_err(|why| {
        let good = why.utf8_error().valid_up_to();
        let line = 1 + why.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is not UTF-8 text (byte {good} of the file); save the file as UTF-8")
    })
}
