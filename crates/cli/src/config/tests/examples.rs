//! The configurations that are shipped.

use std::path::Path;

use crate::config::data::Source;
use crate::config::train::{Loss, Optimizer, Schedule};
use crate::config::{Config, reference};

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example(name: &str) -> Config {
    let path = root().join("examples/configs").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    Config::parse(name, &text, &[]).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn all_examples_are_right() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("examples/configs")).expect("the folder of examples") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        example(&name);
        names.push(name);
    }
    for name in ["xor", "digits", "fashion-mnist-mlp", "fashion-mnist-cnn", "mnist-cnn", "iris"] {
        assert!(names.contains(&format!("{name}.toml")), "{name} is missing");
    }
}

#[test]
fn xor_says_what_its_comments_say() {
    let config = example("xor.toml");
    assert_eq!(config.data.source, Source::Xor);
    assert_eq!(config.train.loss, Loss::Mse);
    assert_eq!(config.train.batch_size, None);
    assert_eq!(config.train.log_every, 100);
    let shapes = config.shapes(&[2], Some(2)).expect("shapes");
    // 2-8-1: 2 * 8 + 8 and 8 * 1 + 1.
    assert_eq!(shapes.iter().map(|layer| layer.parameters).collect::<Vec<_>>(), [24, 9]);
}

#[test]
fn the_design_example_has_the_published_sizes() {
    let text = r#"
        [data]
        source = "fashion-mnist"
        path = "data/fashion-mnist"
        [model]
        layers = [
          { conv2d = 32, kernel = 3, activation = "relu" }, { conv2d = 64, kernel = 3, activation = "relu" },
          { max_pool2d = 2 }, "flatten", { dropout = 0.25 }, { linear = 128, activation = "relu" },
          { linear = "classes" },
        ]
        [train]
        optimizer = { adamw = 1e-3 }
        schedule = "one-cycle"
        epochs = 5
    "#;
    let config = Config::parse("fashion.toml", text, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let shapes = config.shapes(&[1, 28, 28], Some(10)).expect("shapes");
    assert_eq!(shapes[3].output, [9216]);
    // The same network in PyTorch's MNIST example has 1,199,882 parameters.
    assert_eq!(shapes.iter().map(|layer| layer.parameters).sum::<u64>(), 1_199_882);
    assert!(matches!(config.train.optimizer, Optimizer::AdamW { .. }));
    assert!(matches!(config.train.schedule, Schedule::OneCycle { .. }));
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = root().join("docs/configuration.md");
    if std::env::var_os("TALWEG_BLESS").is_some() {
        std::fs::write(&path, reference::page()).expect("the page can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("docs/configuration.md");
    assert!(
        committed == reference::page(),
        "docs/configuration.md is out of date: talweg config-reference > docs/configuration.md"
    );
}
