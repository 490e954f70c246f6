//! How little it takes to extend the program. An entity type, a kind of anomaly, an output, a format of datasets and a
//! verb each need one new file and at most two changed lines. A metric and a language key each need one table entry.
//!
//! The test adds all extensions to one copy of the source tree and builds it once. It keeps the target directory, so
//! that the dependencies are built only once too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An extension: a new file and its destination, and lines to insert after an anchor (file, anchor, lines).
struct Extension {
    what: &'static str,
    file: Option<(&'static str, &'static str)>,
    lines: &'static [(&'static str, &'static str, &'static str)],
}

const EXTENSIONS: [Extension; 8] = [
    Extension {
        what: "an entity type",
        file: Some(("rack.rs", "src/engine/models/rack.rs")),
        lines: &[
            ("src/engine/models/mod.rs", "mod own_demand;\n", "mod rack;\n"),
            (
                "src/engine/models/mod.rs",
                "&[&server::ServerModel, &instance::InstanceModel",
                ", &rack::RackModel",
            ),
        ],
    },
    Extension {
        what: "a kind of anomaly",
        file: Some(("fan_failure.rs", "src/kinds/fan_failure.rs")),
        lines: &[
            ("src/kinds/mod.rs", "mod error_burst;\n", "mod fan_failure;\n"),
            ("src/kinds/mod.rs", "    &error_burst::ErrorBurst,\n", "    &fan_failure::FanFailure,\n"),
        ],
    },
    Extension {
        what: "an output",
        file: Some(("counts.rs", "src/run/outputs/counts.rs")),
        lines: &[
            ("src/run/outputs/mod.rs", "mod dataset;\n", "mod counts;\n"),
            ("src/run/outputs/mod.rs", "    &ndjson::Ndjson,\n", "    &counts::Counts,\n"),
        ],
    },
    Extension {
        what: "a format of datasets",
        file: Some(("zst.rs", "src/recording/formats/zst.rs")),
        lines: &[
            ("src/recording/formats/mod.rs", "mod ndjson;\n", "mod zst;\n"),
            ("src/recording/formats/mod.rs", "    &csv::Csv,\n", "    &zst::Zst,\n"),
        ],
    },
    Extension {
        what: "a kind that acts on the entity type",
        file: Some(("brownout.rs", "src/kinds/brownout.rs")),
        lines: &[
            ("src/kinds/mod.rs", "mod disk_io_bottleneck;\n", "mod brownout;\n"),
            ("src/kinds/mod.rs", "    &cpu_spike::CpuSpike,\n", "    &brownout::Brownout,\n"),
        ],
    },
    Extension {
        what: "a verb",
        file: Some(("hello.rs", "src/cli/hello.rs")),
        lines: &[("src/cli/mod.rs", "    completions Completions;\n", "    hello Hello;\n")],
    },
    Extension {
        what: "a metric of servers",
        file: None,
        lines: &[(
            "src/engine/models/server.rs",
            "        row: r.power(),\n        scale: s.watts,\n    }\n",
            "    LoadAverage {
        name: \"load_average\",
        unit: \"processes\",
        decimals: 2,
        about: \"cores in use\",
        grid: g.flow.busy * g.server.physics.cores,
        row: rounded(r.value(ServerMetric::LoadAverage)),
        scale: s.load * s.physics.cores,
    }
",
        )],
    },
    Extension {
        what: "a language key",
        file: None,
        lines: &[(
            "src/scenario/language/mod.rs",
            "        default: \"4/day\",\n    }\n",
            "    \"holidays\" as holidays: f64 {
        form: Form::Share,
        read: value(values::share),
        about: \"Demand on holidays, as a share of a weekday's.\",
        default: \"none\",
    }
",
        )],
    },
];

/// The files that a build of the program reads.
const TREE: [&str; 8] =
    ["src", "scenarios", "tests", "benches", "examples", "Cargo.toml", "Cargo.lock", "README.md"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(path: &Path, found: &mut BTreeSet<PathBuf>) {
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| files(&entry.unwrap().path(), found));
    } else {
        found.insert(path.into());
    }
}

/// Writes a file unless it already has these bytes. An unchanged file keeps its modification time, so that cargo does
/// not compile it again.
fn write(path: &Path, bytes: &[u8]) {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return;
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Writes the source tree with all extensions to `tree`.
fn extended(tree: &Path) {
    let mut sources = BTreeSet::new();
    TREE.iter().for_each(|name| files(&root().join(name), &mut sources));
    let below = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_string();
    let mut texts: Vec<(String, Vec<u8>)> =
        sources.iter().map(|path| (below(path), std::fs::read(path).unwrap())).collect();
    for Extension { what, file, lines } in &EXTENSIONS {
        if let Some((from, to)) = file {
            let text = std::fs::read(root().join("tests/extension").join(from)).unwrap();
            assert!(lines.len() <= 2, "{what} takes more than two changed lines");
            texts.push((to.to_string(), text));
        }
        for (file, anchor, line) in *lines {
            let (_, text) = texts.iter_mut().find(|(path, _)| path == file).unwrap();
            let old = std::str::from_utf8(text).unwrap();
            assert_eq!(old.matches(anchor).count(), 1, "{what}: `{anchor}` is in `{file}` once");
            *text = old.replace(anchor, &format!("{anchor}{line}")).into_bytes();
        }
    }
    let mut existing = BTreeSet::new();
    files(tree, &mut existing);
    for path in existing {
        let name = path.strip_prefix(tree).unwrap().to_str().unwrap();
        if !texts.iter().any(|(known, _)| known == name) {
            std::fs::remove_file(&path).unwrap();
        }
    }
    texts.iter().for_each(|(name, text)| write(&tree.join(name), text));
}

/// Builds the program with all extensions. Leaving out Kafka and Parquet makes the build three times as fast.
fn program() -> PathBuf {
    let place = root().join("target/extension");
    let tree = place.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    extended(&tree);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--locked", "--bin", "reenact", "--no-default-features", "--features", "cli"])
        .current_dir(&tree)
        .env("CARGO_TARGET_DIR", place.join("target"))
        .env_remove("CARGO_MAKEFLAGS")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    place.join("target/debug/reenact")
}

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(folder).output().unwrap()
}

fn text_of(program: &Path, folder: &Path, arguments: &[&str]) -> String {
    let output = run(program, folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Removes what the extensions add to the lines: the rows of racks, and the load average of servers.
fn without_extensions(lines: &str) -> String {
    let mut kept = String::new();
    for line in lines.lines().filter(|line| !line.contains("\"type\":\"rack_metric\"")) {
        let (before, after) = line.split_once(",\"load_average\":").unwrap_or((line, ""));
        let after = after.find(['}', ',']).map_or("", |end| &after[end..]);
        kept.push_str(&format!("{before}{after}\n"));
    }
    kept
}

/// An entity that reads the state of others is within reach of their incidents, also after their end: labels say what
/// its rows show.
fn an_incident_on_a_server_is_labelled_on_its_rack(program: &Path, place: &Path) {
    let scenario = "scenario: 1\nclock: {start: \"2026-01-06T10:00:00Z\", run: 1h, step: 10s}\n\
         fleet: {servers: 4, racks: 2}\n\
         anomalies: [{id: cpu, kind: cpu_spike, target: srv-001, at: 10m, for: 20m, severity: high}]\n";
    std::fs::write(place.join("c.yaml"), scenario).unwrap();
    let with = text_of(program, place, &["run", "c.yaml", "--quiet", "--labels", "c.ndjson"]);
    let without = text_of(program, place, &["run", "c.yaml", "--quiet", "--without", "cpu"]);
    let read = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let mut labels = read(&std::fs::read_to_string(place.join("c.ndjson")).unwrap());
    labels.retain(|label| label["entity"] == "R01");
    let roles: Vec<&str> = labels.iter().map(|label| label["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["propagated", "recovery"], "{labels:?}");
    let celsius = |rows: &str| -> Vec<(String, f64)> {
        let mut rows = read(rows);
        rows.retain(|row| row["rack_name"] == "R01");
        let of = |row: &serde_json::Value| {
            (row["timestamp"].as_str().unwrap().into(), row["exhaust_celsius"].as_f64().unwrap())
        };
        rows.iter().map(of).collect()
    };
    let differences: BTreeMap<String, f64> = celsius(&with)
        .into_iter()
        .zip(celsius(&without))
        .map(|((moment, with), (_, without))| (moment, with - without))
        .collect();
    for label in &labels {
        let [from, to, peak] =
            ["effect_start", "effect_end", "peak_at"].map(|key| label[key].as_str().unwrap());
        let deviation = label["peak_deviation"].as_f64().unwrap();
        assert_eq!(label["metric"], "exhaust_celsius");
        assert!((differences[peak] - deviation).abs() < 0.006, "{}: {label}", differences[peak]);
        assert!(from <= peak && peak < to, "{label}");
    }
    // A quarter of the scale of 4 °C is visible: every such row is in a label.
    let is_labelled = |moment: &String| {
        let is_in = |label: &serde_json::Value| {
            label["effect_start"].as_str() <= Some(moment) && Some(&**moment) < label["effect_end"].as_str()
        };
        labels.iter().any(is_in)
    };
    let unlabelled: Vec<_> = differences
        .iter()
        .filter(|(moment, difference)| difference.abs() >= 1.0 && !is_labelled(moment))
        .collect();
    assert!(unlabelled.is_empty(), "{unlabelled:?}\n{labels:?}");
    let is_other = |line: &&str| line.contains("\"rack_name\":\"R02\"");
    assert!(with.lines().filter(is_other).eq(without.lines().filter(is_other)), "R02 does not change");
}

#[test]
fn extensions_take_one_file_and_change_nothing_else() {
    let (new, old) = (program(), PathBuf::from(env!("CARGO_BIN_EXE_reenact")));
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path();

    // The records have the entity type and the metric in every format, and both are read back.
    let dev = [
        "run",
        "dev",
        "--for",
        "30s",
        "--quiet",
        "--out",
        "ndjson:nd/",
        "--out",
        "csv:cs/",
        "--out",
        "counts:n",
    ];
    text_of(&new, place, &dev);
    let records = std::fs::read_to_string(place.join("nd/records.ndjson")).unwrap();
    let racks: Vec<_> = records.lines().filter(|line| line.contains("\"type\":\"rack_metric\"")).collect();
    assert!(!racks.is_empty() && records.contains(",\"load_average\":"), "{records:.600}");
    for rack in &racks {
        assert!(rack.contains("\"supply_volts\":23"), "each rack has its own values: {rack}");
    }
    let table = std::fs::read_to_string(place.join("cs/rack_metric.csv")).unwrap();
    assert!(
        table.starts_with("type,timestamp,rack_name,supply_volts,exhaust_celsius,door_openings\n"),
        "{table}"
    );
    assert_eq!(table.lines().count(), racks.len() + 1);
    text_of(&new, place, &["diff", "nd", "cs"]);
    let again = text_of(&new, place, &["replay", "cs", "--max-speed", "--quiet"]);
    assert!(again == records, "CSV comes back as the same lines");
    // The output wrote the number of rows.
    let counted: usize = std::fs::read_to_string(place.join("n")).unwrap().trim().parse().unwrap();
    assert_eq!(counted, records.lines().count());

    // reenact writes and reads the new format of datasets.
    text_of(&new, place, &["run", "dev", "--for", "30s", "--quiet", "--out", "zst:z/"]);
    text_of(&new, place, &["diff", "nd", "z"]);
    // A kind acts on the entity type: the supply voltage drops by the requested amount, no server changes, and the
    // label names it.
    let scenario = "scenario: 1\nclock: {start: \"2026-01-06T10:00:00Z\", run: 1h, step: 10s}\n\
         fleet: {servers: 8, racks: 2}\n\
         anomalies: [{id: it, kind: brownout, target: R01, at: 10m, for: 20m, severity: high}]\n";
    std::fs::write(place.join("b.yaml"), scenario).unwrap();
    text_of(&new, place, &["run", "b.yaml", "--quiet", "--out", "zst:b/"]);
    text_of(&new, place, &["run", "b.yaml", "--without", "it", "--quiet", "--out", "ndjson:w/"]);
    let differences = run(&new, place, &["diff", "b", "w"]);
    let differences = String::from_utf8_lossy(&differences.stdout).into_owned();
    let labels = std::fs::read_to_string(place.join("b/labels.zst")).unwrap();
    let labels: Vec<serde_json::Value> =
        labels.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(labels.len() == 1 && labels[0]["role"] == "cause", "{labels:?}");
    assert_eq!((&labels[0]["entity"], &labels[0]["metric"]), (&"R01".into(), &"supply_volts".into()));
    assert!((labels[0]["snr"].as_f64().unwrap() - 2.0).abs() < 0.05, "{labels:?}");
    assert!(differences.contains("R01") && !differences.contains("srv-"), "{differences}");
    an_incident_on_a_server_is_labelled_on_its_rack(&new, place);
    // Conditions select servers and instances, and a server is not a rack: messages say what to write.
    for (target, help) in [
        ("{rack: R01}", "write a name or a glob; the racks are R01, R02"),
        ("srv-001", "it applies to R01, R02"),
    ] {
        std::fs::write(place.join("t.yaml"), scenario.replace("R01,", &format!("{target},"))).unwrap();
        let refused = run(&new, place, &["check", "t.yaml"]);
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && message.contains(help), "{message}");
    }

    // The kind is rendered and labelled, the key is read, the verb runs.
    let scenario = "scenario: 1\nseed: 3\nclock: {start: \"2026-01-06T10:00:00Z\", run: 1h, step: 10s}\n\
         fleet: {servers: 3}\nload: {holidays: 50%}\n\
         anomalies: [{id: it, kind: fan_failure, target: srv-001, at: 10m, for: 20m}]\n";
    std::fs::write(place.join("s.yaml"), scenario).unwrap();
    text_of(&new, place, &["run", "s.yaml", "--quiet", "--out", "ndjson:s/"]);
    let labels = std::fs::read_to_string(place.join("s/labels.ndjson")).unwrap();
    assert!(labels.contains("\"kind\":\"fan_failure\"") && labels.contains("\"role\":\"cause\""), "{labels}");
    assert!(text_of(&new, place, &["schema"]).contains("holidays"));
    assert_eq!(text_of(&new, place, &["hello"]), "hello\n");
    for arguments in [&["hello"][..], &["check", "s.yaml"]] {
        assert_eq!(
            run(&old, place, arguments).status.code(),
            Some(2),
            "the program itself has no {arguments:?}"
        );
    }

    // Nothing else changes: three days of every committed scenario, with its background incidents, have the same
    // values.
    let mut scenarios = BTreeSet::new();
    files(&root().join("scenarios"), &mut scenarios);
    let is_scenario = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    let mut compared = 0;
    for scenario in scenarios.iter().filter(is_scenario) {
        let scenario_path = scenario.to_str().unwrap();
        let arguments =
            ["run", scenario_path, "--for", "3d", "--set", "clock.step=60s", "--quiet", "--no-labels"];
        let rows = run(&old, place, &arguments);
        if !rows.status.success() {
            // A file that others include with `use` is not a scenario by itself.
            continue;
        }
        let (rows, same) = (String::from_utf8(rows.stdout).unwrap(), text_of(&new, place, &arguments));
        assert!(rows == without_extensions(&same), "{} has other rows", scenario.display());
        compared += 1;
    }
    assert!(compared > 5, "{compared} scenarios were compared");
}
