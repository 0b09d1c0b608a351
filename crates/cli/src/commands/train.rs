//! `talweg train CONFIG` and `talweg resume RUN`

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use talweg::nn::Module;
use talweg::train::StopReason;

use crate::arguments::{ConfigArguments, ResumeArguments};
use crate::commands::{closing, load};
use crate::config::Config;
use crate::error::CliError;
use crate::parts;
use crate::run_folder::{self, ChangedConfig, RunFolder};
use crate::session::Session;

pub(super) fn train(arguments: &ConfigArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let config = load::config(&arguments.config, &arguments.sets)?;
    let (toml, wanted) = (config.to_toml(), config.train.run_dir.clone());
    let session = prepare(config, out)?;
    // The folder is made last: a run that cannot start leaves none behind.
    let folder = RunFolder::create(wanted.as_deref(), &run_folder::name_of(&arguments.config))?;
    folder.write(run_folder::CONFIG, toml.as_bytes())?;
    folder.write(run_folder::INPUTS, session.parts.inputs.to_json().as_bytes())?;
    run(&session, &folder, Start::New, out)
}

pub(super) fn resume(arguments: &ResumeArguments, out: &mut dyn Write) -> Result<(), CliError> {
    let folder = RunFolder::open(&arguments.run)?;
    let path = folder.file(run_folder::CONFIG).display().to_string();
    let config = load::config(&path, &arguments.sets)?;
    let toml = config.to_toml();
    let session = prepare(config, out)?;
    let before = folder.inputs()?;
    if before != session.parts.inputs {
        return Err(CliError::Call(format!(
            "{}: the data is no longer what this run was trained on ({}); a run can only go on with the same data",
            arguments.run,
            before.difference(&session.parts.inputs)
        )));
    }
    let changed = (!arguments.sets.is_empty()).then_some(toml);
    run(&session, &folder, Start::Resume { changed }, out)
}

/// Reads the data, builds the network, and says what will be trained on what.
fn prepare(config: Config, out: &mut dyn Write) -> Result<Session, CliError> {
    config.train.set_up();
    let parts = parts::read(&config.data)?;
    let session = Session::new(config, parts)?;
    let inputs = &session.parts.inputs;
    let classes = inputs.class_count().map_or(String::new(), |classes| format!(", {classes} classes"));
    say(out, &format!("data:     {}; inputs {:?}{classes}", session.parts.sizes(), inputs.shape))?;
    say(
        out,
        &format!(
            "network:  {} layers, {} parameters",
            session.config.model.layers.len(),
            session.network.num_params()
        ),
    )?;
    let taken = session.config.defaults_taken();
    let taken = taken.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>();
    for (i, line) in lines(&taken).iter().enumerate() {
        say(out, &format!("{} {line}", if i == 0 { "defaults:" } else { "         " }))?;
    }
    Ok(session)
}

/// How a run begins.
enum Start {
    New,
    /// From the last checkpoint, with a configuration to be written if it has changed.
    Resume {
        changed: Option<String>,
    },
}

fn run(session: &Session, folder: &RunFolder, start: Start, out: &mut dyn Write) -> Result<(), CliError> {
    say(out, &format!("run:      {}", folder.path.display()))?;
    let (resume, changed) = match start {
        Start::New => (false, None),
        Start::Resume { changed } => (true, changed),
    };
    let failure = Rc::new(RefCell::new(None));
    let changed =
        changed.map(|toml| ChangedConfig { folder: folder.clone(), toml, failure: Rc::clone(&failure) });
    let report = session.train(&folder.path, resume, interrupt()?, changed)?;
    if let Some(why) = failure.take() {
        return Err(why);
    }
    say(out, &report.to_string())?;
    if report.stop == StopReason::Interrupted {
        return say(out, &format!("to go on: talweg resume {}", folder.path.display()));
    }
    let test = session.parts.test.as_ref().map(|test| session.measure(test)).transpose()?;
    if let Some(test) = &test {
        say(out, &format!("test:     {test}"))?;
    }
    folder.write(run_folder::REPORT, closing::report(&report, test.as_ref()).as_bytes())?;
    say(out, &closing::words(session, folder)?)
}

/// Items parted by commas, as many on a line as fit.
fn lines(items: &[String]) -> Vec<String> {
    const WIDTH: usize = 90;
    let mut lines: Vec<String> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let item = format!("{item}{}", if i + 1 < items.len() { "," } else { "" });
        match lines.last_mut() {
            Some(line) if line.chars().count() + item.chars().count() < WIDTH => {
                line.push(' ');
                line.push_str(&item);
            }
            _ => lines.push(item),
        }
    }
    lines
}

/// A flag that Ctrl-C sets; the second Ctrl-C ends the program at once.
fn interrupt() -> Result<Arc<AtomicBool>, CliError> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if set.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })
    .map_err(|why| CliError::Failed(format!("cannot listen to Ctrl-C: {why}")))?;
    Ok(flag)
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), CliError> {
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(CliError::Output)
}
