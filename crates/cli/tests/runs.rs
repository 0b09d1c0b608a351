//! Whole runs of the program: training, going on, evaluating, predicting.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The program, to be run in a folder of the test's own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder for the test"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("the file can be written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_talweg"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn call(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    /// What a call that must succeed writes to its output.
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The message of a call that must end with that status.
    fn refused(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        let message = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
        assert!(message.contains("talweg: ") && !message.contains("panicked"), "{arguments:?}: {message}");
        message
    }
}

/// A small network on the digits, with chance in every part of the run: order, dropout, augmentation.
const SMALL: &str = r#"
[data]
source = "digits"
validation_fraction = 0.1
augmentation = { shift = 1 }
[model]
layers = [
  { conv2d = 4, kernel = 3, activation = "relu" },
  "batch_norm2d",
  "flatten",
  { dropout = 0.1 },
  { linear = "classes" },
]
[train]
optimizer = { sgd = 0.1, momentum = 0.9 }
schedule = { warmup = 10, then = "cosine" }
l2 = 1e-4
clip_norm = 5.0
epochs = 4
"#;

fn number(json: &[u8], path: &str) -> f64 {
    let value: serde_json::Value = serde_json::from_slice(json).expect("JSON");
    value.pointer(path).and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("{path} in {value:#}"))
}

/// A learning rate that blows the weights up: the layer and the operation that then made a NaN are named.
#[test]
fn the_operation_that_makes_a_nan_is_named() {
    let place = Place::new();
    let settings = ["train.optimizer={sgd=1e20}", "train.anomaly=true", "train.epochs=20"];
    let mut call = vec!["train", "xor", "--set", "model.layers=[{linear=8,activation=\"relu\"},{linear=1}]"];
    settings.iter().for_each(|setting| call.extend(["--set", setting]));
    let message = place.refused(1, &call);
    let found = message.lines().last().unwrap_or_default();
    assert!(found.starts_with("talweg: step 2 (epoch 2): relu: its derivative made NaN in "), "{message}");
    assert!(found.contains("; inputs f32 [4, 8]; in the module layers.0; called at "), "{message}");
}

#[test]
fn xor_is_learnt_and_shown() {
    let place = Place::new();
    let output = place.call(&["train", "xor"]);
    assert_eq!(output.status.code(), Some(0));
    let log = String::from_utf8(output.stderr).expect("UTF-8");
    for epoch in [100, 200, 1000, 2000] {
        assert!(log.contains(&format!("epoch {epoch}/2000")), "{log}");
    }
    assert!(!log.contains("epoch 150/"), "{log}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for part in [
        "layers.0.weight [8, 2]",
        "layers.1.bias [1]",
        "0 xor 0 = 0 ",
        "0 xor 1 = 1 ",
        "1 xor 0 = 1 ",
        "1 xor 1 = 0 ",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    place.write("rows.csv", "0,0\n0,1\n1,0\n1,1\n");
    let csv = place.said(&["predict", "runs/xor", "rows.csv", "--format", "csv"]);
    let classes: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(classes, ["0", "1", "1", "0"]);
    let scores = place.said(&["evaluate", "runs/xor"]);
    assert!(scores.starts_with("4 examples: loss ") && scores.ends_with("accuracy 1.0000\n"), "{scores}");
    assert!(place.said(&["inspect", "runs/xor"]).contains("layers.1.weight  F32   [1, 8]"));
    // The second run of a name gets a folder of its own.
    place.said(&["train", "xor", "--set", "train.epochs=10"]);
    assert!(place.path("runs/xor-2/model.safetensors").is_file());
}

#[test]
fn xor_is_learnt_from_every_seed() {
    let place = Place::new();
    for seed in 1..=100 {
        let seed = format!("train.seed={seed}");
        let text = place.said(&["train", "xor", "--set", &seed]);
        for part in ["0 xor 0 = 0 ", "0 xor 1 = 1 ", "1 xor 0 = 1 ", "1 xor 1 = 0 "] {
            assert!(text.contains(part), "{seed}: {text}");
        }
    }
}

#[test]
fn the_losses_for_two_classes_all_learn_xor() {
    let place = Place::new();
    for (layers, loss) in [
        (r#"[{ linear = 8, activation = "tanh" }, { linear = 1, activation = "sigmoid" }]"#, "\"bce\""),
        (r#"[{ linear = 8, activation = "tanh" }, { linear = 1 }]"#, "\"bce-with-logits\""),
        (
            r#"[{ linear = 8, activation = "tanh" }, { linear = 1 }]"#,
            "{ bce-with-logits = { pos_weight = 2.0 } }",
        ),
        (r#"[{ linear = 8, activation = "tanh" }, { linear = "classes" }]"#, "\"cross-entropy\""),
        (
            r#"[{ linear = 8, activation = "tanh" }, { linear = "classes" }]"#,
            "{ cross-entropy = { class_weights = [1, 2], label_smoothing = 0.05 } }",
        ),
        (r#"[{ linear = 8, activation = "tanh" }, { linear = "classes" }, "softmax"]"#, "\"mse\""),
    ] {
        let text = format!(
            "[data]\nsource = \"xor\"\n[model]\nlayers = {layers}\n[train]\nloss = {loss}\n\
             optimizer = {{ adam = 0.05 }}\nepochs = 400\nlog_every = 400\n"
        );
        place.write("xor-like.toml", text);
        let text = place.said(&["train", "xor-like.toml"]);
        for part in ["0 xor 0 = 0 ", "0 xor 1 = 1 ", "1 xor 0 = 1 ", "1 xor 1 = 0 ", "accuracy 1.0000"] {
            assert!(text.contains(part), "{loss}: {text}");
        }
    }
}

#[test]
fn a_run_leaves_everything_that_is_needed_later() {
    let place = Place::new();
    place.write("small.toml", SMALL);
    let text = place.said(&["train", "small.toml"]);
    assert!(text.contains("1293 examples for training, 145 for validation, 359 for testing"), "{text}");
    for name in [
        "config.toml",
        "inputs.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
        "model.safetensors",
        "report.json",
    ] {
        assert!(place.path("runs/small").join(name).is_file(), "{name}");
    }
    let accuracy = number(&place.read("runs/small/report.json"), "/test/metrics/0/1");
    assert!(accuracy > 0.9, "{accuracy}");
    let metrics = String::from_utf8(place.read("runs/small/metrics.jsonl")).expect("UTF-8");
    assert_eq!(metrics.lines().count(), 4);
    // The folder alone, at another place, evaluates to the same number.
    fs::rename(place.path("runs/small"), place.path("moved")).expect("a rename");
    fs::remove_file(place.path("small.toml")).expect("a removal");
    let again = place.said(&["evaluate", "moved", "--json"]);
    assert_eq!(number(again.as_bytes(), "/accuracy"), accuracy);
    // Its configuration gives the same run again, to the bit.
    place.said(&["train", "moved/config.toml", "--set", "train.run_dir=again"]);
    assert_eq!(place.read("again/model.safetensors"), place.read("moved/model.safetensors"));
    assert_eq!(place.read("again/metrics.jsonl"), place.read("moved/metrics.jsonl"));
}

#[test]
fn the_number_of_threads_and_workers_changes_no_bit() {
    let place = Place::new();
    place.write("small.toml", SMALL);
    for (threads, workers) in [(1, 0), (2, 1), (3, 2)] {
        let run = format!("train.run_dir=threads{threads}");
        let (threads, workers) = (format!("train.threads={threads}"), format!("train.workers={workers}"));
        place.said(&["train", "small.toml", "--set", &run, "--set", &threads, "--set", &workers]);
    }
    for file in ["model.safetensors", "metrics.jsonl"] {
        let one = place.read(&format!("threads1/{file}"));
        assert!(one == place.read(&format!("threads2/{file}")), "{file}: 1 and 2 threads");
        assert!(one == place.read(&format!("threads3/{file}")), "{file}: 1 and 3 threads");
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let place = Place::new();
    place.write("small.toml", SMALL);
    let long = ["--set", "train.epochs=20", "--set", "train.checkpoint_every=2"];
    let whole = [&["train", "small.toml", "--set", "train.run_dir=whole"][..], &long].concat();
    let start = Instant::now();
    place.said(&whole);
    let length = start.elapsed();
    let mut started = [&["train", "small.toml", "--set", "train.run_dir=killed"][..], &long].concat();
    let mut kills = 0;
    // Odd parts of the whole run's time, so that the kills meet the run in many states, on fast machines and slow ones; each run
    // goes on from the last checkpoint, so the first four, which add up to less than the whole, come before the end.
    for part in [0.3, 0.18, 0.25, 0.12, 0.2, 0.08, 0.15, 0.3, 0.1, 0.22] {
        let mut child =
            place.command(&started).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a start");
        std::thread::sleep(length.mul_f64(part));
        child.kill().expect("a kill");
        kills += usize::from(child.wait().expect("an end").code().is_none());
        if place.path("killed/checkpoint.safetensors").is_file() {
            started = vec!["resume", "killed"];
        } else if place.path("killed").exists() {
            fs::remove_dir_all(place.path("killed")).expect("a removal");
        }
    }
    assert!(kills >= 3, "only {kills} runs were killed before they ended");
    place.said(&["resume", "killed"]);
    for file in ["model.safetensors", "metrics.jsonl"] {
        assert!(
            place.read(&format!("whole/{file}")) == place.read(&format!("killed/{file}")),
            "{file} differs"
        );
    }
    // A run that has ended stays as it is, and can be made longer.
    let model = place.read("killed/model.safetensors");
    place.said(&["resume", "killed"]);
    assert!(place.read("killed/model.safetensors") == model);
    place.said(&["resume", "killed", "--set", "train.epochs=21"]);
    assert_eq!(number(&place.read("killed/report.json"), "/epochs"), 21.0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let place = Place::new();
    place.write("small.toml", SMALL);
    let child = place
        .command(&["train", "small.toml", "--set", "train.epochs=100000", "--set", "train.run_dir=long"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a start");
    while !place.path("long/checkpoint.safetensors").is_file() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(200));
    let sent =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill can be called");
    assert!(sent.success());
    let output = child.wait_with_output().expect("an end");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("interrupted") && text.contains("to go on: talweg resume long"), "{text}");
}

#[test]
fn every_refinement_of_a_step_goes_on_to_the_same_bits() {
    let place = Place::new();
    let refined = SMALL
        .replace("{ sgd = 0.1, momentum = 0.9 }", "{ muon = 0.02, weight_decay = 0.01 }")
        .replace("{ warmup = 10, then = \"cosine\" }", "{ cosine-restarts = 2 }")
        .replace("clip_norm = 5.0", "clip_adaptive = 0.5")
        + "average = { ema = 0.9 }\nplateau = { patience = 0, factor = 0.5, threshold = 0.2 }\nsam = 0.05\naccumulate = 2\n\
           groups = [{ match = \"*.bias\", weight_decay = 0 }, { match = \"layers.4.*\", lr = 0.5 }]\n";
    place.write("a.toml", refined);
    place.said(&["train", "a.toml", "--set", "train.run_dir=whole"]);
    place.said(&["train", "a.toml", "--set", "train.run_dir=parts", "--set", "train.epochs=2"]);
    place.said(&["resume", "parts", "--set", "train.epochs=4"]);
    assert!(place.read("whole/model.safetensors") == place.read("parts/model.safetensors"));
    let scores = place.said(&["evaluate", "whole"]);
    let accuracy: f64 = scores.trim().rsplit(' ').next().and_then(|x| x.parse().ok()).expect("an accuracy");
    // Chance is 0.1.
    assert!(accuracy > 0.8, "{scores}");
    let message = place
        .refused(2, &["train", "a.toml", "--set", "train.groups=[\"*.bais\"]", "--set", "train.run_dir=b"]);
    assert!(
        message.contains("`train.groups`: no weight's name fits \"*.bais\"; there are layers.0.weight"),
        "{message}"
    );
}

#[test]
fn a_run_folder_is_never_damaged() {
    let place = Place::new();
    place.write("small.toml", SMALL);
    let short = ["train", "small.toml", "--set", "train.epochs=1", "--set", "train.run_dir=run"];
    place.said(&short);
    let files =
        ["config.toml", "inputs.json", "metrics.jsonl", "checkpoint.safetensors", "model.safetensors"];
    let before = files.map(|name| place.read(&format!("run/{name}")));
    let message = place.refused(2, &short);
    assert!(message.contains("holds a run already") && message.contains("talweg resume run"), "{message}");
    assert!(files.map(|name| place.read(&format!("run/{name}"))) == before);
    // A run that cannot start leaves no folder behind.
    place.refused(
        1,
        &[
            "train",
            "small.toml",
            "--set",
            "data={ source = 'mnist', path = 'none' }",
            "--set",
            "train.run_dir=none",
        ],
    );
    assert!(!place.path("none").exists());
}

#[test]
fn damaged_run_folders_are_refused() {
    let place = Place::new();
    place.write("small.toml", SMALL);
    place.said(&["train", "small.toml", "--set", "train.epochs=1", "--set", "train.run_dir=run"]);
    let whole = |name: &str| place.read(&format!("run/{name}"));
    let (model, checkpoint, inputs) =
        (whole("model.safetensors"), whole("checkpoint.safetensors"), whole("inputs.json"));
    for length in [0, 4, 8, 100, model.len() / 2, model.len() - 1] {
        place.write("run/model.safetensors", &model[..length]);
        let message = place.refused(1, &["evaluate", "run"]);
        assert!(message.contains("model.safetensors"), "{length}: {message}");
    }
    place.write("run/model.safetensors", &model);
    for length in [0, 4, 8, 100, checkpoint.len() / 2, checkpoint.len() - 1] {
        place.write("run/checkpoint.safetensors", &checkpoint[..length]);
        let message = place.refused(1, &["resume", "run", "--set", "train.epochs=2"]);
        assert!(message.contains("checkpoint"), "{length}: {message}");
        assert!(whole("model.safetensors") == model);
    }
    place.write("run/checkpoint.safetensors", &checkpoint);
    for (text, expected) in [
        (&inputs[..inputs.len() / 2], "damaged"),
        (b"{}", "damaged: missing field"),
        (br#"{"shape":[1,8,8],"classes":["a","b"],"divisor":1.0,"normalise":{"mean":[1.0],"deviation":[]},"table":null}"#, "1 means and 0"),
        (br#"{"shape":[],"classes":[],"divisor":1.0,"normalise":null,"table":null}"#, "inputs of shape []"),
    ] {
        place.write("run/inputs.json", text);
        let message = place.refused(1, &["evaluate", "run"]);
        assert!(message.contains("inputs.json") && message.contains(expected), "{message}");
    }
    place.write("run/inputs.json", &inputs);
    // A model of another configuration.
    place.said(&[
        "train",
        "small.toml",
        "--set",
        "train.epochs=1",
        "--set",
        "model.layers[0].conv2d=5",
        "--set",
        "train.run_dir=other",
    ]);
    fs::copy(place.path("other/model.safetensors"), place.path("run/model.safetensors")).expect("a copy");
    let message = place.refused(1, &["evaluate", "run"]);
    assert!(message.contains("layers.0.weight"), "{message}");
    assert!(place.refused(2, &["evaluate", "nowhere"]).contains("there is no such run folder"));
    fs::remove_file(place.path("run/model.safetensors")).expect("a removal");
    assert!(place.refused(1, &["evaluate", "run"]).contains("talweg resume run"));
}

#[test]
fn tables_are_learnt_evaluated_and_predicted() {
    let place = Place::new();
    let iris = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    fs::create_dir_all(place.path("examples/data")).expect("a folder");
    fs::copy(iris.join("data/iris.csv"), place.path("examples/data/iris.csv")).expect("a copy");
    fs::copy(iris.join("configs/iris.toml"), place.path("iris.toml")).expect("a copy");
    place.said(&["train", "iris.toml"]);
    let accuracy = number(&place.read("runs/iris/report.json"), "/test/metrics/0/1");
    assert!(accuracy >= 0.9, "{accuracy}");
    place.write(
        "new.csv",
        "petal_width,petal_length,sepal_width,sepal_length\n0.2,1.4,3.5,5.1\n2.5,6.0,3.3,6.3\n",
    );
    let json = place.said(&["predict", "runs/iris", "new.csv", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&value[0]["class"], &value[1]["class"]), (&"setosa".into(), &"virginica".into()));
    assert!(
        place.said(&["evaluate", "runs/iris", "examples/data/iris.csv"]).starts_with("150 examples: loss")
    );
    place.write("bad.csv", "petal_width,petal_length\n0.2,1.4\n");
    assert!(place.refused(2, &["predict", "runs/iris", "bad.csv"]).contains("sepal_length"));
    place.write("bad.csv", "petal_width,petal_length,sepal_width,sepal_length\n0.2,1.4,x,5.1\n");
    assert!(
        place
            .refused(1, &["predict", "runs/iris", "bad.csv"])
            .contains("column 3 `sepal_width`: `x` is not a number")
    );
}

#[test]
fn a_regression_predicts_in_the_unit_of_the_table() {
    let place = Place::new();
    let rows: String = (0..80).map(|i| format!("{},{}\n", i, 3.0 * f64::from(i) + 100.0)).collect();
    place.write("line.csv", format!("x,price\n{rows}"));
    place.write(
        "line.toml",
        "[data]\nsource = \"csv\"\npath = \"line.csv\"\ntask = \"regression\"\n[model]\nlayers = [{ linear = 1 }]\n\
         [train]\noptimizer = { adam = 0.05 }\nepochs = 200\nbatch_size = 16\nlog_every = 200\n",
    );
    place.said(&["train", "line.toml"]);
    place.write("new.csv", "x\n10\n70\n");
    let json = place.said(&["predict", "runs/line", "new.csv", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for (row, expected) in [(0, 130.0), (1, 310.0)] {
        let price = value[row]["price"].as_f64().expect("a number");
        assert!((price - expected).abs() < 1.0, "{price} for {expected}");
    }
}

/// A grey PNG file: stored without compression, so that a test can write it by hand.
fn png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let step = |crc: u32, byte: &u8| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
        };
        !bytes.iter().fold(u32::MAX, step)
    };
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
    };
    // Each row starts with the number of its filter, here none.
    let rows: Vec<u8> = pixels.chunks(width as usize).flat_map(|row| [&[0], row].concat()).collect();
    let (mut low, mut high) = (1u32, 0u32);
    for byte in &rows {
        low = (low + u32::from(*byte)) % 65521;
        high = (high + low) % 65521;
    }
    let length = rows.len() as u16;
    let stored = [&[0x78, 0x01, 0x01][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &rows].concat();
    let data = [&stored[..], &((high << 16) | low).to_be_bytes()].concat();
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n", &chunk(b"IHDR", &head)[..], &chunk(b"IDAT", &data), &chunk(b"IEND", &[])].concat()
}

/// A picture of 6 x 6 pixels with a bar, upright or lying; `i` varies place and brightness.
fn bar(upright: bool, i: usize) -> Vec<u8> {
    let lit = |at: usize| at == 1 + i % 4;
    let value = |row: usize, column: usize| {
        if lit(if upright { column } else { row }) { 200 + (i % 50) as u8 } else { (i * 7 % 20) as u8 }
    };
    (0..36).map(|at| value(at / 6, at % 6)).collect()
}

#[test]
fn folders_of_pictures_are_learnt_evaluated_and_predicted() {
    let place = Place::new();
    for part in ["train", "test"] {
        for (class, upright) in [("lying", false), ("upright", true)] {
            fs::create_dir_all(place.path(&format!("{part}/{class}"))).expect("a folder");
            for i in 0..20 {
                let i = if part == "test" { i + 100 } else { i };
                place.write(&format!("{part}/{class}/{i}.png"), png(6, 6, &bar(upright, i)));
            }
        }
    }
    place.write(
        "bars.toml",
        "[data]\nsource = \"images\"\npath = \"train\"\ntest = \"test\"\nsize = [6, 6]\nchannels = \"gray\"\n[model]\n\
         layers = [{ conv2d = 4, kernel = 3, activation = \"relu\" }, \"flatten\", { linear = \"classes\" }]\n\
         [train]\noptimizer = { adam = 0.01 }\nepochs = 40\nlog_every = 40\n",
    );
    place.said(&["train", "bars.toml"]);
    assert!(number(&place.read("runs/bars/report.json"), "/test/metrics/0/1") > 0.95);
    let text = place.said(&["predict", "runs/bars", "test/upright/101.png", "test/lying", "--format", "csv"]);
    let classes: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(classes.len(), 21);
    assert_eq!((classes[0], classes[1]), ("upright", "lying"), "{text}");
    // Dark on light is the same picture once light and dark are exchanged.
    let dark: Vec<u8> = bar(true, 2).iter().map(|value| 255 - value).collect();
    place.write("dark.png", png(6, 6, &dark));
    assert!(place.said(&["predict", "runs/bars", "dark.png", "--invert"]).starts_with("dark.png: upright "));
    assert!(place.said(&["evaluate", "runs/bars", "train"]).starts_with("40 examples: loss"));
    place.write("cut.png", &png(6, 6, &dark)[..60]);
    assert!(place.refused(1, &["predict", "runs/bars", "cut.png"]).contains("cut.png"));
    assert!(place.refused(1, &["predict", "runs/bars", "none.png"]).contains("none.png: cannot be read"));
    fs::create_dir(place.path("train/dotted")).expect("a folder");
    place.write("train/dotted/1.png", png(6, 6, &dark));
    assert!(
        place
            .refused(2, &["evaluate", "runs/bars", "train"])
            .contains("its class folders are dotted, lying, upright")
    );
}

#[test]
fn idx_files_are_learnt_evaluated_and_predicted() {
    let place = Place::new();
    let idx = |sizes: &[u32], bytes: &[u8]| {
        let sizes_bytes: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
        [&[0, 0, 8, sizes.len() as u8][..], &sizes_bytes, bytes].concat()
    };
    for (part, first) in [("train", 0), ("t10k", 200)] {
        let pixels: Vec<u8> = (first..first + 40).flat_map(|i| bar(i % 2 == 1, i / 2)).collect();
        let labels: Vec<u8> = (first..first + 40).map(|i| (i % 2) as u8).collect();
        place.write(&format!("{part}-images-idx3-ubyte"), idx(&[40, 6, 6], &pixels));
        place.write(&format!("{part}-labels-idx1-ubyte"), idx(&[40], &labels));
    }
    place.write(
        "bars.toml",
        "[data]\nsource = \"idx\"\npath = \".\"\n[model]\n\
         layers = [{ conv2d = 4, kernel = 3, activation = \"relu\" }, \"flatten\", { linear = \"classes\" }]\n\
         [train]\noptimizer = { adam = 0.01 }\nepochs = 40\nlog_every = 40\n",
    );
    place.said(&["train", "bars.toml"]);
    assert!(place.said(&["evaluate", "runs/bars", "."]).contains("accuracy 1.0000"));
    let text = place.said(&["predict", "runs/bars", "t10k-images-idx3-ubyte", "--format", "csv"]);
    let classes: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(classes[..4], ["0", "1", "0", "1"]);
    place.write("wide", idx(&[1, 6, 7], &[0; 42]));
    assert!(
        place.refused(1, &["predict", "runs/bars", "wide"]).contains("holds u8 [1, 6, 7]; expected pictures")
    );
    place.write("short", &idx(&[2, 6, 6], &[0; 72])[..70]);
    assert!(place.refused(1, &["predict", "runs/bars", "short"]).contains("truncated"));
}

#[test]
fn a_change_that_the_checkpoint_does_not_fit_leaves_the_folder_as_it_was() {
    let place = Place::new();
    place.said(&["train", "xor", "--set", "train.run_dir=run", "--set", "train.epochs=20"]);
    let before = (place.read("run/config.toml"), place.read("run/checkpoint.safetensors"));
    for set in ["model.layers[0].linear=9", "train.optimizer=adam"] {
        let message = place.refused(1, &["resume", "run", "--set", set]);
        assert!(message.contains("checkpoint.safetensors"), "{message}");
        assert_eq!(
            (place.read("run/config.toml"), place.read("run/checkpoint.safetensors")),
            before,
            "{set}"
        );
    }
    place.said(&["resume", "run", "--set", "train.epochs=21"]);
    assert!(String::from_utf8(place.read("run/config.toml")).expect("UTF-8").contains("epochs = 21"));
}

#[test]
fn sizes_that_no_machine_has_end_the_run_with_a_message() {
    let place = Place::new();
    place.write(
        "huge.toml",
        "[data]\nsource = \"xor\"\n[model]\nlayers = [{ linear = 1_000_000_000 }, { linear = 100 }, { linear = 1 }]\n\
         [train]\nloss = \"mse\"\n",
    );
    let output = place.call(&["train", "huge.toml"]);
    let message = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(message.starts_with("talweg: `model.layers`: the network takes about "), "{message}");
    assert_eq!(output.status.code(), Some(1));
    assert!(place.refused(2, &["train", "xor", "--set", "train.threads=1025"]).contains("from 1 to 1024"));
    assert!(place.refused(2, &["trace", "xor", "--lr", "nan"]).contains("--lr NaN"));
}
