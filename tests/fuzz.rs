//! Fuzzes the reader of scenarios and the planner with mutated texts: they never panic and never hang.
//!
//! `FUZZ_CASES=10000000 cargo test --release --test promises -- fuzz --nocapture` runs more cases, and `FUZZ_FROM=N`
//! starts at another case. Mutations start from the presets, the examples, the broken scenarios, and the texts in
//! `tests/corpus/`, which once failed.

use std::path::Path;
use std::time::Duration;

use reenact::math::{Key, mix};
use reenact::scenario::{PRESETS, Scenario, Style};

/// The number of cases in an ordinary run, which must end within seconds.
const CASES: u64 = 20_000;

/// A text that takes more CPU time than this counts as a hang.
const SLOW: Duration = Duration::from_secs(10);

/// Returns the CPU time of this thread. Wall time would grow on a busy machine.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Replacements for a token.
const TOKENS: &[&str] = &[
    "-1",
    "0",
    "1",
    "3",
    "7",
    "100001",
    "1e308",
    "-0.0",
    ".nan",
    ".inf",
    "0x10",
    "9223372036854775807",
    "9223372036854775808",
    "-170141183460469231731687303715884105729",
    "''",
    "\"\"",
    "null",
    "~",
    "true",
    "yes",
    "{}",
    "[]",
    "[[[]]]",
    "{a: {b: {}}}",
    "\"${x}\"",
    "\"${\"",
    "\"$${\"",
    "\"${a}${b}\"",
    "*a",
    "&a",
    "&a x",
    "!!str 1",
    "!!binary aGk=",
    "<<",
    "? a",
    "- ",
    ": ",
    "|",
    ">-",
    "#",
    "@",
    "`",
    "%YAML 1.2",
    "---",
    "...",
    "2026-01-05",
    "\"2026-01-05T00:00:00Z\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"1969-12-31T23:59:59Z\"",
    "\"2026-01-05T00:00:00+25:00\"",
    "1ms",
    "0s",
    "-5s",
    "90s",
    "1h30m",
    "2d14h20m",
    "999999999d",
    "1.5s",
    "0.0001s",
    "until-end",
    "5%",
    "101%",
    "-1%",
    "0.5",
    "2/day",
    "0/s",
    "1e300/s",
    "-3/s",
    "128GB",
    "0GB",
    "1e300TB",
    "10Gbps",
    "420W",
    "21C",
    "-300C",
    "+9C",
    "low",
    "high",
    "1e-300",
    "100",
    "all",
    "dev",
    "chaos",
    "week",
    "./x.yaml",
    "../x.yaml",
    "/",
    "/dev/null",
    "srv-001",
    "srv-*",
    "*",
    "?",
    "[",
    "[!a]",
    "[]",
    "api-gateway",
    "user-service-1",
    "web",
    "R01",
    "marseille-1",
    "Europe/Paris",
    "UTC",
    "America/New_York",
    "cpu_spike",
    "MEMORY_LEAK",
    "latency_spike",
    "error_burst",
    "crash",
    "deploy",
    "ä",
    "\u{1F525}",
    "\u{feff}",
    "\u{0}",
    "\t",
    "\r\n",
    "\\",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "scenario",
    "name",
    "about",
    "seed",
    "epoch",
    "use",
    "vars",
    "clock",
    "start",
    "run",
    "step",
    "timezone",
    "clean",
    "fleet",
    "servers",
    "services",
    "zones",
    "racks",
    "count",
    "cores",
    "memory",
    "disk",
    "size",
    "limit",
    "nic",
    "power",
    "idle",
    "max",
    "inlet",
    "instances",
    "pool",
    "hosts",
    "rate",
    "latency",
    "calls",
    "load",
    "daily",
    "weekend",
    "peak",
    "bursts",
    "anomalies",
    "id",
    "kind",
    "target",
    "at",
    "for",
    "severity",
    "with",
    "leak",
    "failing",
    "ramp",
    "up",
    "down",
    "every",
    "jitter",
    "pick",
    "host",
    "zone",
    "rack",
    "background",
    "share",
    "kinds",
    "gap",
    "p10",
    "p50",
    "p90",
    "expect",
    "incidents",
    "visible",
    "then",
    "delivery",
];

/// A stream of random numbers that can start at any position.
struct Dice(Key, i64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.1 += 1;
        (mix(self.0, self.1) % n.max(1) as u64) as usize
    }
}

fn corpus() -> Vec<String> {
    let mut texts: Vec<String> = PRESETS.iter().map(|(_, text)| text.to_string()).collect();
    texts.push(crate::common::BUSY.into());
    texts.push(include_str!("../src/cli/init.yaml").into());
    for folder in ["tests/corpus", "tests/broken", "scenarios/examples"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        files.sort();
        let is_text = |path: &&std::path::PathBuf| path.extension().is_some_and(|e| e == "yaml");
        texts.extend(files.iter().filter(is_text).map(|path| std::fs::read_to_string(path).unwrap()));
    }
    texts
}

/// Returns the start and end of each word and punctuation mark in a text.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    let is_word = |c: char| c.is_alphanumeric() || "_-.%/+".contains(c);
    let mut tokens = Vec::new();
    let mut start = None;
    for (i, c) in text.char_indices() {
        match (is_word(c), start) {
            (true, None) => start = Some(i),
            (false, Some(from)) => {
                tokens.push((from, i));
                start = None;
            }
            _ => {}
        }
        if !is_word(c) && !c.is_whitespace() {
            tokens.push((i, i + c.len_utf8()));
        }
    }
    tokens.extend(start.map(|from| (from, text.len())));
    tokens
}

fn mutated(text: &str, other: &str, dice: &mut Dice) -> String {
    let boundary = |text: &str, mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    match dice.below(8) {
        0 => {
            lines.remove(dice.below(lines.len()));
            lines.concat()
        }
        1 => {
            let line = lines[dice.below(lines.len())];
            lines.insert(dice.below(lines.len() + 1), line);
            lines.concat()
        }
        2 => {
            let others: Vec<&str> = other.split_inclusive('\n').collect();
            let (keep, from) = (dice.below(lines.len() + 1), dice.below(others.len() + 1));
            lines[..keep].concat() + &others[from..].concat()
        }
        3 => {
            let at = boundary(text, dice.below(text.len() + 1));
            text[..at].into()
        }
        4 => {
            let at = boundary(text, dice.below(text.len() + 1));
            let mark = [
                "{", "}", "[", "]", ":", ",", "\"", "'", "-", " ", "\n", "&", "*", "#", "!", "%", "\t",
                "\u{1}",
            ];
            format!("{}{}{}", &text[..at], mark[dice.below(mark.len())], &text[at..])
        }
        _ => {
            let tokens = tokens(text);
            if tokens.is_empty() {
                return TOKENS[dice.below(TOKENS.len())].into();
            }
            let (from, to) = tokens[dice.below(tokens.len())];
            format!("{}{}{}", &text[..from], TOKENS[dice.below(TOKENS.len())], &text[to..])
        }
    }
}

/// Reads and plans a text, and renders its errors or warnings.
fn try_out(text: &str) {
    let scenario = Scenario::read("fuzz.yaml", text);
    match scenario.plan() {
        Ok(plan) => {
            let clock = plan.clock();
            assert!(clock.num_ticks() > 0);
            plan.warnings().render(Style::Plain);
            plan.first_scheduled(3).iter().for_each(|incident| {
                assert!(plan.incident(&incident.id).is_some(), "{}", incident.id);
            });
        }
        Err(mistakes) => assert!(mistakes.render(Style::Coloured).contains("error")),
    }
    scenario.to_yaml();
}

#[test]
fn no_text_makes_the_planner_panic_or_hang() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (cases, from) = (number("FUZZ_CASES", CASES), number("FUZZ_FROM", 0));
    let corpus = corpus();
    corpus.iter().for_each(|text| try_out(text));
    let work = |part: u64| {
        for case in (from..from + cases).filter(|case| case % 2 == part) {
            let mut dice = Dice(Key::new(case).with("fuzz"), 0);
            let mut text = corpus[dice.below(corpus.len())].clone();
            for _ in 0..=dice.below(5) {
                let other = &corpus[dice.below(corpus.len())];
                if !text.is_empty() {
                    text = mutated(&text, other, &mut dice);
                }
            }
            let before = cpu();
            let ended = std::panic::catch_unwind(|| try_out(&text));
            assert!(ended.is_ok(), "case {case} panics: FUZZ_FROM={case} FUZZ_CASES=1\n{text}");
            let spent = cpu() - before;
            assert!(spent < SLOW, "case {case} takes {spent:?}: FUZZ_FROM={case} FUZZ_CASES=1\n{text}");
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| work(1));
        work(0);
        other.join().unwrap();
    });
}
