//! What is printed reads back as the same configuration.

use proptest::prelude::*;
use proptest::sample::select;

use crate::config::Config;

fn parse(text: &str, sets: &[String]) -> Config {
    Config::parse("a.toml", text, sets).unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"))
}

fn number(values: &'static [f64]) -> impl Strategy<Value = f64> {
    prop_oneof![select(values), (1e-9f64..0.99)]
}

fn optimizer() -> impl Strategy<Value = String> {
    let lr = number(&[1.0, 1e-3, 0.1, 3e-4]);
    (lr, number(&[0.0, 0.9]), number(&[0.0, 1e-4]), any::<bool>()).prop_flat_map(|(lr, m, wd, flag)| {
        select(vec![
            "\"adam\"".to_owned(),
            "\"sgd\"".to_owned(),
            format!("{{ sgd = {lr:?}, momentum = {m:?}, weight_decay = {wd:?} }}"),
            format!("{{ adamw = {{ lr = {lr:?}, betas = [{m:?}, 0.95] }} }}"),
            format!("{{ rmsprop = {lr:?}, alpha = {m:?}, centered = {flag} }}"),
            format!("{{ adagrad = {{}}, lr = {lr:?}, initial_accumulator = {wd:?} }}"),
            format!("{{ adamax = {lr:?}, betas = [{m:?}, 0.5], weight_decay = {wd:?} }}"),
            format!("{{ nadam = {lr:?}, momentum_decay = {wd:?}, decoupled = {flag} }}"),
            format!("{{ radam = {lr:?}, decoupled = {flag} }}"),
            format!("{{ adadelta = {lr:?}, rho = {m:?} }}"),
            format!("{{ rprop = {lr:?}, etas = [0.25, 1.5], step_sizes = [{lr:?}, 2] }}"),
            format!("{{ asgd = {lr:?}, lambd = {wd:?}, alpha = {m:?}, t0 = 7 }}"),
            format!("{{ lion = {lr:?}, betas = [{m:?}, 0.5] }}"),
            format!("{{ lamb = {lr:?}, weight_decay = {wd:?} }}"),
            format!("{{ lars = {lr:?}, momentum = {m:?}, nesterov = {flag}, eps = {wd:?} }}"),
            format!("{{ adafactor = {lr:?}, beta2_decay = -{m:?}, clip = {lr:?} }}"),
            format!("{{ muon = {lr:?}, nesterov = {flag}, scale = \"adamw\", weight_decay = {wd:?} }}"),
            format!("{{ schedule-free-sgd = {lr:?}, weight_decay = {wd:?} }}"),
            "\"schedule-free-adamw\"".to_owned(),
        ])
    })
}

fn schedule() -> impl Strategy<Value = String> {
    let plain =
        (number(&[0.5, 1.0]), 1u32..1000, select(vec!["epochs", "steps"])).prop_flat_map(|(f, n, unit)| {
            select(vec![
                "\"constant\"".to_owned(),
                "\"one-cycle\"".to_owned(),
                "\"cosine\"".to_owned(),
                format!("{{ step = {{ every = {n}, factor = {f:?}, unit = \"{unit}\" }} }}"),
                format!("{{ exponential = {f:?} }}"),
                format!("{{ one-cycle = {{ pct_start = {:?} }} }}", f / 2.0),
                "\"linear\"".to_owned(),
                format!("{{ polynomial = {f:?} }}"),
                format!("{{ multi-step = [{n}, {}], factor = {f:?} }}", n + 1),
                format!("{{ inverse-time = {f:?}, unit = \"{unit}\" }}"),
                format!("{{ inverse-sqrt = {n}, unit = \"{unit}\" }}"),
                format!("{{ cosine-restarts = {n}, growth = 3, unit = \"{unit}\" }}"),
                format!("{{ cyclic = {n}, down = {n}, height = \"exp-range\", gamma = {f:?} }}"),
                format!("{{ cyclic = {n}, height = \"triangular2\", unit = \"{unit}\" }}"),
            ])
        });
    plain.prop_recursive(3, 8, 1, |inner| {
        (inner, select(vec!["warmup", "hold"]), 1u32..1000)
            .prop_map(|(then, name, n)| format!("{{ {name} = {n}, then = {then} }}"))
    })
}

pub(crate) fn layers() -> impl Strategy<Value = String> {
    let layer = (1usize..5, 1usize..4, number(&[0.25, 0.5])).prop_flat_map(|(n, k, p)| {
        select(vec![
            format!("{{ conv2d = {n}, kernel = {k}, padding = [{}, 1] }}", k % 2),
            format!(
                "{{ conv2d = {{ channels = {n}, kernel = [{k}, 1] }}, activation = \"gelu\", bias = false }}"
            ),
            "{ conv2d = 2, kernel = 3, padding = \"same\" }".to_owned(),
            "{ max_pool2d = 1, stride = 2 }".to_owned(),
            "{ avg_pool2d = [1, 2], stride = 1, count_include_pad = false, padding = [0, 1] }".to_owned(),
            format!("{{ dropout = {p:?} }}"),
            "\"dropout\"".to_owned(),
            format!("{{ batch_norm2d = {{ momentum = {p:?} }} }}"),
            "\"layer_norm\"".to_owned(),
            "\"tanh\"".to_owned(),
        ])
    });
    prop::collection::vec(layer, 0..3).prop_map(|layers| {
        let layers: String = layers.iter().map(|layer| format!("  {layer},\n")).collect();
        format!("[\n{layers}  \"flatten\",\n  {{ linear = 5, activation = \"relu\" }},\n  {{ linear = \"classes\" }},\n]")
    })
}

proptest! {
    #[test]
    fn a_printed_configuration_reads_back_as_itself(
        layers in layers(),
        optimizer in optimizer(),
        schedule in schedule(),
        init in select(vec!["\"pytorch\"", "\"kaiming_normal\"", "{ normal = 0.02 }", "{ uniform = { bound = 1 } }"]),
        loss in select(vec!["\"cross-entropy\"", "{ cross-entropy = { label_smoothing = 0.1 } }", "\"mse\""]),
        (epochs, iterations) in (prop::option::of(1u64..100), prop::option::of(1u64..100)),
        early in select(vec!["", "early_stopping = 2\n", "early_stopping = { patience = 1, metric = \"accuracy\" }\n"]),
        refinement in select(vec![
            "",
            "groups = [\"*.bias\", { match = \"0.*\", lr = 0.5 }]\n",
            "average = { ema = 0.5 }\nplateau = 3\n",
            "average = { swa = 2, every = 3 }\nsam = 0.1\naccumulate = 3\n",
            "average = \"lookahead\"\nplateau = { patience = 2, metric = \"accuracy\", lr_min = 1e-3 }\n",
            "sam = { rho = 0.5, adaptive = true }\n",
        ]),
        (seed, clip) in (0..=i64::MAX as u64, prop::option::of(1e-300f64..1e300)),
        // Any text may name a folder: quotes, backslashes, line ends, letters of other alphabets.
        folder in "\\PC{1,20}|[\"'\\\\\n\t\u{1}a]{1,8}",
    ) {
        let mut train = format!("loss = {loss}\noptimizer = {optimizer}\nschedule = {schedule}\nseed = {seed}\n{early}{refinement}");
        for (key, value) in [("epochs", epochs), ("iterations", iterations)] {
            if let Some(value) = value {
                train.push_str(&format!("{key} = {value}\n"));
            }
        }
        if let Some(clip) = clip {
            train.push_str(&format!("clip_norm = {clip:?}\n"));
        }
        train.push_str(&format!("run_dir = {}\n", toml::Value::String(folder.clone())));
        let text = format!("[data]\nsource = \"mnist\"\n[model]\nlayers = {layers}\ninit = {init}\n[train]\n{train}");
        let config = parse(&text, &[]);
        prop_assert_eq!(config.train.run_dir.as_deref(), Some(folder.as_str()));
        let printed = config.to_toml();
        let again = parse(&printed, &[]);
        prop_assert_eq!(&again.data, &config.data, "{}", printed);
        prop_assert_eq!(&again.model, &config.model, "{}", printed);
        prop_assert_eq!(&again.train, &config.train, "{}", printed);
        // Everything is given now: no default is left to take, and printing again changes only the marks.
        prop_assert_eq!(again.defaults_taken(), Vec::new());
        let plain = |text: &str| -> Vec<String> {
            let marks = |line: &str| line.split("  # default").next().unwrap_or_default().to_owned();
            text.lines().filter(|line| !line.starts_with('#')).map(marks).collect()
        };
        prop_assert_eq!(plain(&again.to_toml()), plain(&printed));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}|[\\[\\]{}=\"',.#\na-z0-9 ]{0,200}", set in "\\PC{0,40}") {
        let set = [set];
        if let Err(problems) = Config::parse("a.toml", &text, &set) {
            prop_assert!(!problems.to_string().is_empty());
        }
    }

    #[test]
    fn no_slip_in_a_right_file_makes_the_parser_panic(at in 0usize..2000, with in "\\PC{0,3}", cut in 0usize..30) {
        let text = include_str!("../../../../../examples/configs/digits.toml");
        let chars: Vec<char> = text.chars().collect();
        let at = at % chars.len();
        let end = (at + cut).min(chars.len());
        let broken: String = chars[..at].iter().copied().chain(with.chars()).chain(chars[end..].iter().copied()).collect();
        match Config::parse("a.toml", &broken, &[]) {
            Ok(config) => prop_assert!(!config.to_toml().is_empty()),
            Err(problems) => prop_assert!(!problems.to_string().is_empty()),
        }
    }
}

#[test]
fn set_changes_what_it_names() {
    let text = include_str!("../../../../../examples/configs/digits.toml");
    let sets = [
        "train.epochs=3",
        "train.optimizer.adamw=0.5",
        "train.optimizer.eps=1e-6",
        "train.schedule=constant",
        "model.layers[4].dropout=0.75",
        "model.layers[2]={ avg_pool2d = 2 }",
        "train.early_stopping.patience=9",
        "train.run_dir=runs/a b/c.d",
        "train.loss.cross-entropy.label_smoothing=0.1",
    ];
    let config = parse(text, &sets.map(str::to_owned));
    let direct = parse(
        &text
            .replace("epochs = 12", "epochs = 3")
            .replace("{ adamw = 2e-3 }", "{ adamw = 0.5, eps = 1e-6 }")
            .replace("\"one-cycle\"", "\"constant\"")
            .replace("{ dropout = 0.25 }", "{ dropout = 0.75 }")
            .replace("{ max_pool2d = 2 }", "{ avg_pool2d = 2 }")
            .replace(
                "[train]",
                "[train]\nearly_stopping = 9\nrun_dir = \"runs/a b/c.d\"\n\
                 loss = { cross-entropy = { label_smoothing = 0.1 } }",
            ),
        &[],
    );
    assert_eq!(config.train, direct.train);
    assert_eq!(config.model, direct.model);
    assert_eq!(config.data, direct.data);
}

#[test]
fn a_bare_name_takes_settings_from_the_command_line() {
    let text = "[data]\nsource = \"digits\"\n[model]\nlayers = [\"dropout\", \"flatten\", { linear = \"classes\" }]\n\
                [train]\noptimizer = \"sgd\"\n";
    let config =
        parse(text, &["train.optimizer.momentum=0.9".to_owned(), "model.layers[0].p=0.1".to_owned()]);
    let direct = parse(
        &text.replace("\"sgd\"", "{ sgd = { momentum = 0.9 } }").replace("\"dropout\"", "{ dropout = 0.1 }"),
        &[],
    );
    assert_eq!(config.train.optimizer, direct.train.optimizer);
    assert_eq!(config.model, direct.model);
}

#[test]
fn defaults_are_told_apart_from_given_values() {
    let text = "[data]\nsource = \"csv\"\npath = \"a.csv\"\n[model]\nlayers = [{ linear = \"classes\" }]\n\
                [train]\nearly_stopping = 3\nepochs = 10\n";
    let taken = parse(text, &["train.l1=0".to_owned()]).defaults_taken();
    let value = |key: &str| taken.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    assert_eq!(value("data.validation_fraction"), Some("0.1"));
    assert_eq!(value("data.delimiter"), Some("\",\""));
    assert_eq!(value("train.batch_size"), Some("64"));
    assert_eq!(value("train.loss"), Some("{ cross-entropy = { label_smoothing = 0.0 } }"));
    for given in ["train.epochs", "train.l1", "data.path", "train.early_stopping", "data.target"] {
        assert_eq!(value(given), None, "{given}");
    }
}
