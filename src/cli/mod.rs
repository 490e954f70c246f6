//! The command line, with one file for each verb. A verb turns arguments into calls of the library, and results into
//! text and an exit status.
//!
//! Data goes to standard output, text to standard error. This module has no logic that a library user would miss.

mod dry_run;
mod events;
mod github;
mod judged;
mod keys;
mod locked;
mod not_yet;
mod outputs;
mod overrides;
mod plan_report;
mod playing;
mod progress;
mod prune;
mod remove;
mod resume;
mod scenario;
mod signals;
mod status;
mod topic;
mod variants;
mod window;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use status::{Failure, Outcome};

use crate::printable::{printable, printable_but_colours, printable_json};
use crate::scenario::{Diagnostics, Style};

/// A deterministic, replayable scenario engine: labelled metric streams of a simulated fleet.
#[derive(Debug, Parser)]
#[command(name = "reenact", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,

    /// Print only errors
    #[arg(long, global = true)]
    quiet: bool,

    /// Print JSON for scripts: the summary to standard output, events and errors to standard error, one per line
    #[arg(long, global = true)]
    json: bool,

    /// When to use colours in messages
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

const EXAMPLES: &str = "\
Examples:
  reenact run dev | head                                    print the first records of a preset
  reenact init my-first                                     write your own scenario, with comments
  reenact plan my-first.yaml                                show what will happen
  reenact run my-first.yaml --out ndjson:mine/              write records and labels

`reenact COMMAND --help` shows the flags of a command, with examples.
docs/scenario.md describes the scenario language, docs/data.md the output.";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Declares the modules of verbs, the enum that clap reads, and the call of each verb. A verb's module has `Args` and
/// `run`.
macro_rules! verbs {
    ($($module:ident $Verb:ident;)*) => {
        $(mod $module;)*

        #[derive(Debug, Subcommand)]
        enum Verb {
            $($Verb(Box<$module::Args>),)*
            #[command(flatten)]
            NotYet(not_yet::Verb),
        }

        impl Verb {
            fn run(self, words: Words) -> Result<Outcome, Failure> {
                match self {
                    $(Verb::$Verb(args) => $module::run(&args, words),)*
                    Verb::NotYet(verb) => verb.refuse(),
                }
            }
        }
    };
}

// In the order of `reenact --help`: write a scenario, inspect it, generate data, replay it, lock and compare it, list
// what exists.
verbs! {
    init Init;
    check Check;
    plan Plan;
    run Run;
    replay Replay;
    lock Lock;
    verify Verify;
    diff Diff;
    export Export;
    presets Presets;
    kinds Kinds;
    schema Schema;
    completions Completions;
}

/// Runs the program with these arguments. The first one is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_json = events::wants_json(&arguments);
    signals::make_size_limits_errors();
    // Do this before anything prints an argument: the one after a misplaced argument may be a password.
    if let Some(failure) = topic::misplaced(&arguments) {
        return failure.report(Words { quiet: false, json: is_json }).into();
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() {
                refuse(&error, &arguments, is_json);
                return Outcome::Input.into();
            }
            // A closed pipe while help is printed is not an error.
            return match error.print() {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Outcome::Output,
                _ => Outcome::Done,
            }
            .into();
        }
    };
    match cli.color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    keep_decoders_quiet();
    let words = Words { quiet: cli.quiet, json: cli.json };
    cli.verb.run(words).unwrap_or_else(|failure| report(failure, words)).into()
}

/// Prints why a verb failed.
fn report(failure: Failure, words: Words) -> Outcome {
    let is_lost = std::env::current_dir().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let help = "the working directory was deleted: change to another directory";
    match (is_lost, words.json) {
        (true, true) => failure.advised(help.into()).report(words),
        (false, _) => failure.report(words),
        (true, false) => {
            let outcome = failure.report(words);
            to_stderr(&format!("  = help: {help}\n"));
            outcome
        }
    }
}

/// Prints what is wrong with the arguments.
fn refuse(error: &clap::Error, arguments: &[OsString], is_json: bool) {
    let words = Words { quiet: false, json: is_json };
    if error.kind() == clap::error::ErrorKind::InvalidUtf8
        && let Some(argument) = arguments.iter().find(|argument| argument.to_str().is_none())
    {
        let message = format!("the argument {argument:?} is not valid UTF-8");
        Failure::input(message, "write it in UTF-8, or rename the file").report(words);
        return;
    }
    let text = error.render().to_string();
    let safe = topic::without_passwords(&text);
    if is_json {
        words.emit(&events::usage(&safe));
    } else if printable(&safe) == text {
        let _ = error.print();
    } else {
        to_stderr(&safe);
    }
}

/// Hides the messages of decoders that panic on damaged bytes. The error of the recording already says what is wrong.
fn keep_decoders_quiet() {
    #[cfg(feature = "parquet")]
    {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !crate::recording::is_guarded() {
                print(panic);
            }
        }));
    }
}

/// How much the program prints, and in which form.
#[derive(Clone, Copy, Debug)]
struct Words {
    quiet: bool,
    json: bool,
}

/// Writes text to standard error, without anything that a terminal would execute. Errors are ignored: there is no
/// other place to report them.
fn to_stderr(text: &str) {
    let _ = anstream::stderr().write_all(printable(text).as_bytes());
}

/// Writes mistakes in colour. Text from outside is made printable before colours are added.
fn show(mistakes: &Diagnostics) {
    let text = mistakes.render(Style::Coloured);
    let _ = anstream::stderr().write_all(printable_but_colours(&text).as_bytes());
}

/// Writes text, or JSON that is already printable, to standard output. A closed pipe counts as success.
fn to_stdout(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(printable(text).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::output(
            format!("cannot write to standard output: {error}"),
            "free some disk space, or write to another place",
        )),
        _ => Ok(()),
    }
}

/// Writes JSON for scripts to standard output.
fn json_to_stdout(value: &serde_json::Value) -> Result<(), Failure> {
    to_stdout(&printable_json(&format!("{value:#}\n")))
}

/// Where the summary of a run goes.
#[derive(Clone, Copy, Debug)]
enum Summary {
    Stdout,
    /// Standard error, because records go to standard output.
    Stderr,
}

impl Words {
    /// Prints a line for the user, unless `--quiet` or `--json` is set.
    fn say(self, line: impl std::fmt::Display) {
        if !self.quiet && !self.json {
            to_stderr(&format!("{line}\n"));
        }
    }

    /// Prints the result for scripts on standard output, if `--json` is set and no records go there.
    fn json(self, stream: Summary, value: impl FnOnce() -> serde_json::Value) -> Result<(), Failure> {
        match (self.json, stream) {
            (true, Summary::Stdout) => json_to_stdout(&value()),
            _ => Ok(()),
        }
    }
}
