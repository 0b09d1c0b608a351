//! The program as its users call it: output, messages and exit status.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn talweg(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_talweg"))
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("the program starts")
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
    ended(2, arguments)
}

/// The message of a call that must end with that status, without any output.
fn ended(status: i32, arguments: &[&str]) -> String {
    let output = talweg(arguments);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!message.contains("panicked") && !message.contains("bug"), "{message}");
    message
}

/// The environment is looked at before any work begins.
#[test]
fn an_unknown_algorithm_in_the_environment_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talweg"));
    let output = command.args(["check", "examples/configs/iris.toml"]).current_dir(repository());
    let output = output.env("TALWEG_CONV", "winograd").output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains(
            "TALWEG_CONV is \"winograd\", but convolutions are computed by one of auto, f4, f2, direct"
        ),
        "{message}"
    );
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
    assert!(help.contains("talweg train my.toml --set train.epochs=3"), "{help}");
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

#[test]
fn check_reads_the_data_when_asked_to() {
    let text = said(&["check", "examples/configs/iris.toml", "--data"]);
    for line in [
        "# 108 examples for training, 12 for validation, 30 for testing",
        "# inputs: sepal_length, sepal_width, petal_length, petal_width",
        "# classes: setosa, versicolor, virginica",
        "# linear = \"classes\"  [3]             51 parameters",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    assert!(
        said(&["check", "digits", "--data"])
            .contains("# 1293 examples for training, 145 for validation, 359 for")
    );
    assert!(
        said(&["check", "xor", "--data"])
            .contains("# 4 examples for training, 4 for testing\n# classes: 0, 1\n")
    );
}

/// A table of the given text, and a configuration that reads it.
fn table(folder: &Folder, text: &str, keys: &str, layers: &str) -> String {
    let path = folder.write("table.csv", text);
    let config = format!(
        "[data]\nsource = \"csv\"\npath = {path:?}\n{keys}\n[model]\nlayers = {layers}\n",
        layers = if layers.is_empty() { "[{ linear = \"classes\" }]" } else { layers }
    );
    folder.write("table.toml", config)
}

#[test]
fn tables_of_all_kinds_are_read() {
    let folder = Folder::new();
    let rows: String = (0..20).map(|i| format!("{i};{};c{};{}\r\n", i * i, i % 3, i % 2)).collect();
    let path = table(&folder, &rows, "has_header = false\ndelimiter = \";\"\nignore = [1]\ntarget = 4", "");
    let text = said(&["check", &path, "--data"]);
    assert!(
        text.contains("# 16 examples for training, 4 for testing\n# inputs: column 2, column 3=c0,"),
        "{text}"
    );
    assert!(text.contains("# classes: 0, 1\n"), "{text}");

    let number = "task = \"regression\"\ntarget = \"square\"\nvalidation_fraction = 0.25\nmissing = \"drop\"";
    let path = table(
        &folder,
        &format!("root,square\n{}", "3,9\n4,16\n,25\n6,36\n7,49\n8,64\n"),
        number,
        "[{ linear = 1 }]",
    );
    let text = said(&["check", &path, "--data"]);
    assert!(
        text.contains("# 3 examples for training, 1 for validation, 1 for testing\n# inputs: root\n"),
        "{text}"
    );

    let test = folder.write("test.csv", "a,kind\n1,x\n2,y\n3,y\n");
    let path = table(&folder, "kind,a\nx,1\ny,2\n", &format!("test = {test:?}\ntarget = \"kind\""), "");
    assert!(said(&["check", &path, "--data"]).contains("# 2 examples for training, 3 for testing"));
}

#[test]
fn bad_tables_end_the_run_with_their_place() {
    let folder = Folder::new();
    for (text, keys, status, expected) in [
        ("", "", 1, "table.csv: "),
        ("a,b\n", "", 1, "table.csv: "),
        ("a,b\n1,x\n2\n", "", 1, "row 2 (line 3): 1 fields, but 2 expected"),
        ("a,b\n1,x\n2,y,z\n", "", 1, "row 2 (line 3): 3 fields, but 2 expected"),
        ("a,b\n1,x\n2,y\nthree,x\n4,y\n", "", 1, "column 1 `a`"),
        ("a,b\n1,x\n,y\n3,x\n4,y\n", "", 1, "a value is missing"),
        ("a,b\n1,x\nnan,y\n3,x\n4,y\n", "", 1, "not a finite number"),
        ("a,a\n1,x\n2,y\n", "", 1, "names `a` twice"),
        ("a,b\n1,x\n2,x\n3,x\n4,x\n5,x\n", "", 1, "at least two classes are needed"),
        ("1,2\n3,4\n", "", 1, "table.csv: "),
        ("a,b\n1,x\n2,y\n", "target = \"c\"", 2, "no column `c`"),
        ("a,b\n1,x\n2,y\n", "target = 3", 2, "no column"),
        ("a,b\n1,x\n2,y\n", "ignore = [\"a\"]", 1, "no column is left as input"),
    ] {
        let path = table(&folder, text, keys, "");
        let message = ended(status, &["check", &path, "--data"]);
        assert!(message.contains(expected) && message.contains("table.csv"), "{text:?} {keys:?}: {message}");
        assert!(message.starts_with("talweg: ") && message.trim_end().lines().count() == 1, "{message}");
    }
    let message = ended(1, &["check", "examples/configs/mnist-cnn.toml", "--data"]);
    assert!(message.contains("data/mnist") && message.contains("not found"), "{message}");
}

#[test]
fn a_network_that_does_not_fit_the_data_is_refused() {
    let folder = Folder::new();
    let rows = "a,b,kind\n1,2,x\n2,3,y\n3,1,z\n1,1,x\n2,2,y\n3,3,z\n";
    for (layers, expected) in [
        (
            "[{ conv2d = 3, kernel = 3 }, \"flatten\", { linear = \"classes\" }]",
            "gets [2]: conv2d takes [channels",
        ),
        (
            "[{ linear = 4 }]",
            "the network ends with [4], but loss cross-entropy takes [3] (one value per class)",
        ),
    ] {
        let path = table(&folder, rows, "test_fraction = 0", layers);
        let message = refused(&["check", &path, "--data"]);
        assert!(message.contains(expected) && message.contains("table.toml, line 6, column"), "{message}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_reported_even_for_help() {
    for arguments in [&["--help"][..], &["check", "xor"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("the device is there");
        let output = Command::new(env!("CARGO_BIN_EXE_talweg")).args(arguments).stdout(full).output();
        let output = output.expect("the program starts");
        let message = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(message.starts_with("talweg: cannot write the output: "), "{arguments:?}: {message}");
    }
}
