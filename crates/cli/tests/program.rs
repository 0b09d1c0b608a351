//! The program as its users call it: output, messages and exit status.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn talweg(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_talweg")).args(arguments).output().expect("the program starts")
}

/// Standard output of a call that must succeed.
fn said(arguments: &[&str]) -> String {
    let output = talweg(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    assert_eq!(errors, "", "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The message of a call that must be refused with status 2, without any output.
fn refused(arguments: &[&str]) -> String {
    let output = talweg(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!message.contains("panicked") && !message.contains("bug"), "{message}");
    message
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder for the test"))
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("the file can be written");
        path.to_str().expect("a UTF-8 path").to_owned()
    }
}

const RIGHT: &str =
    "[data]\nsource = \"digits\"\n[model]\nlayers = [\"flatten\", { linear = \"classes\" }]\n";

#[test]
fn help_teaches_by_example() {
    let help = said(&["--help"]);
    assert!(help.contains("talweg check my.toml --set train.epochs=3"), "{help}");
    assert!(said(&["check", "--help"]).contains("--set <KEY=VALUE>"));
    assert!(said(&["--version"]).starts_with("talweg 0."));
}

#[test]
fn a_bad_call_is_refused() {
    assert!(refused(&[]).contains("Usage: talweg"));
    let message = refused(&["chekc", "xor"]);
    assert!(message.contains("chekc") && message.contains("check"), "{message}");
    assert!(refused(&["check"]).contains("<CONFIG>"));
    assert!(refused(&["check", "xor", "--set"]).contains("--set"));
}

#[test]
fn the_built_in_configurations_are_right() {
    let shown = said(&["check", "xor"]);
    assert!(shown.contains("{ linear = 8, bias = true, activation = \"tanh\" },"), "{shown}");
    assert!(shown.contains("# 33 parameters in all"), "{shown}");
    assert!(said(&["check", "digits"]).contains("# max_pool2d = 2      [32, 4, 4]"));
}

#[test]
fn what_check_prints_is_a_configuration_again() {
    let folder = Folder::new();
    for name in ["xor", "digits", "fashion-mnist-mlp", "fashion-mnist-cnn", "mnist-cnn", "iris"] {
        let path = repository().join(format!("examples/configs/{name}.toml"));
        let first = said(&["check", path.to_str().expect("a UTF-8 path")]);
        let again = said(&["check", &folder.write("again.toml", &first)]);
        let values = |text: &str| -> Vec<String> {
            let value = |line: &str| line.split("  # default").next().unwrap_or_default().to_owned();
            text.lines()
                .filter(|line| !line.starts_with("# \"default\"") && !line.starts_with("# The conf"))
                .map(value)
                .collect()
        };
        assert_eq!(values(&first), values(&again), "{name}");
    }
}

#[test]
fn json_holds_the_typed_configuration() {
    let text = said(&["check", "digits", "--json", "--set", "train.epochs=3"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["train"]["epochs"], 3);
    assert_eq!(value["train"]["optimizer"]["adamw"]["lr"], 2e-3);
    assert_eq!(value["model"]["layers"][0]["conv2d"]["kernel"], serde_json::json!([3, 3]));
    assert_eq!(value["model"]["layers"][3], "flatten");
    assert_eq!(value["defaults"]["train.seed"], "0");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_place() {
    let folder = Folder::new();
    let path = folder.write("my.toml", format!("{RIGHT}[train]\noptimiser = \"adam\"\n"));
    let message = refused(&["check", &path]);
    let expected = format!(
        "talweg: {path}, line 6, column 1: unknown key `optimiser` in [train]; did you mean `optimizer`?"
    );
    assert!(message.starts_with(&expected), "{message}");
    let message = refused(&["check", "digits", "--set", "train.epochs=0"]);
    assert!(
        message.starts_with("talweg: --set train.epochs=0: `train.epochs`: expected a whole number"),
        "{message}"
    );
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    let folder = Folder::new();
    let here = folder.0.path().to_str().expect("a UTF-8 path");
    for (path, expected) in [
        ("no/such.toml", "there is no such file".to_owned()),
        (here, "this is a folder".to_owned()),
        (&folder.write("latin1.toml", b"[data]\nsource = \"\xe9\"\n"), "line 2 is not UTF-8".to_owned()),
        (&folder.write("nul.toml", b"\0\0\0\0"), "line 1, column 1".to_owned()),
        (&folder.write("huge.toml", vec![b'x'; 3 << 20]), "larger than 1048576 bytes".to_owned()),
        (&folder.write("one-line.toml", vec![b'['; 1 << 20]), "not valid TOML".to_owned()),
        (&folder.write("empty.toml", b""), "no table [data]".to_owned()),
    ] {
        let message = refused(&["check", path]);
        assert!(message.contains(&expected), "{path}: {message}");
        assert!(message.len() < 4000, "{path}: a message of {} bytes", message.len());
    }
}

#[test]
fn editors_of_all_systems_are_welcome() {
    let folder = Folder::new();
    let plain = said(&["check", &folder.write("a.toml", RIGHT)]);
    let windows = format!("\u{feff}{}", RIGHT.replace('\n', "\r\n"));
    assert_eq!(said(&["check", &folder.write("a.toml", windows)]), plain);
}

#[test]
fn inspect_counts_layers_and_memory() {
    let text = said(&["inspect", "digits"]);
    for line in [
        "layer               output      parameters",
        "linear = 128        [128]            65664",
        "all                                  76522",
        // 76,522 numbers of 4 bytes; AdamW keeps two more for each.
        "memory: 298.9 KiB of weights, the same again for gradients, 597.8 KiB of optimizer state,",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    let changed =
        said(&["inspect", "digits", "--set", "train.optimizer=sgd", "--set", "model.layers[5].linear=64"]);
    assert!(changed.contains("0 bytes of optimizer state"), "{changed}");
    assert!(changed.contains("linear = 64"), "{changed}");
}

#[test]
fn inspect_lists_a_run_and_refuses_what_is_none() {
    let folder = Folder::new();
    let here = folder.0.path().to_str().expect("a UTF-8 path").to_owned();
    assert!(refused(&["inspect", &here]).contains("there is no config.toml in it"));
    folder.write("config.toml", RIGHT);
    let header = r#"{"layers.1.bias":{"dtype":"F32","shape":[10],"data_offsets":[0,40]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0; 40]);
    let model = folder.write("model.safetensors", &bytes);
    let text = said(&["inspect", &here]);
    assert!(text.contains("linear = \"classes\"") && text.contains("layers.1.bias  F32   [10]"), "{text}");
    // A damaged file is no mistake of the call.
    folder.write("model.safetensors", &bytes[..bytes.len() - 1]);
    let output = talweg(&["inspect", &model]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(
        message,
        format!("talweg: {model}: cut off: its tensors take 40 bytes, but 39 follow the header\n")
    );
}

#[test]
fn the_reference_page_is_the_committed_one() {
    let page = std::fs::read_to_string(repository().join("docs/configuration.md")).expect("the page");
    assert_eq!(said(&["config-reference"]), page);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_talweg"))
        .arg("config-reference")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Closing the pipe at once makes the program's next write fail.
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("UTF-8");
    assert_eq!(child.wait().expect("an end").code(), Some(0), "{errors}");
    assert_eq!(errors, "");
}
