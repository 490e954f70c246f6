use std::fmt;
use std::path::{Path, PathBuf};

use super::error::RunError;
#[cfg(feature = "kafka")]
use crate::output::KafkaTarget;
use crate::recording::{Destination, Format};

/// Where an output goes: `FORMAT:WHERE`, split at the first colon.
#[derive(Clone, Debug)]
pub enum Target {
    /// `ndjson:-`, and `ndjson:/dev/stdout`
    Stdout,
    /// `ndjson:FILE`, compressed where it ends in `.gz` or `.zst`
    File(PathBuf),
    /// `ndjson:DIR/`, `csv:DIR/`, `parquet:DIR/`
    Directory(Format, PathBuf),
    /// `kafka:BROKERS/TOPIC`
    #[cfg(feature = "kafka")]
    Kafka(KafkaTarget),
}

impl Target {
    /// Reads an output as the command line writes it.
    ///
    /// ```
    /// use reenact::run::Target;
    /// assert!(matches!(Target::parse("ndjson:-"), Ok(Target::Stdout)));
    /// assert!(matches!(Target::parse("ndjson:out/"), Ok(Target::Directory(..))));
    /// assert!(Target::parse("out/").is_err());
    /// ```
    ///
    /// # Errors
    /// If the format is missing or unknown, or does not go there.
    pub fn parse(text: &str) -> Result<Target, RunError> {
        let wrong = |message: String, help: String| RunError::Target { message, help };
        let formats = ["ndjson", "parquet", "csv", "kafka"];
        if let Some((format, _)) = text.split_once(':')
            && format.len() > 1
            && format.chars().all(|c| c.is_ascii_lowercase())
            && !formats.contains(&format)
            && !text.contains(":9")
        {
            let help = "there is `ndjson`, `csv`, `parquet` and `kafka`".into();
            return Err(wrong(format!("no format is called `{format}`"), help));
        }
        let Some((format, place)) = text.split_once(':').filter(|(format, _)| formats.contains(format))
        else {
            let (text, help) = match text.contains('@') {
                // Perhaps a broker's, with a password.
                true => ("that has an `@`".into(), "write `kafka:HOST:PORT/TOPIC`, or `ndjson:FILE`".into()),
                false => (format!("`{text}`"), suggestion(text)),
            };
            return Err(wrong(format!("the output {text} has no format"), help));
        };
        if place.is_empty() {
            let example = if format == "kafka" { "localhost:9092/datacenter-metrics" } else { "out/" };
            let message = format!("the output `{text}` does not say where");
            return Err(wrong(message, format!("write `{format}:{example}`")));
        }
        let directory = || PathBuf::from(place.trim_end_matches('/'));
        match format {
            "ndjson" if place == "-" => Ok(Target::Stdout),
            "ndjson" if place.ends_with('/') => Ok(Target::Directory(Format::Ndjson, directory())),
            "ndjson" if Destination::of(Path::new(place)).is_ok_and(|place| place.is_stdout()) => {
                Ok(Target::Stdout)
            }
            "ndjson" => Ok(Target::File(place.into())),
            "csv" if place.ends_with('/') => Ok(Target::Directory(Format::Csv, directory())),
            "csv" => Err(wrong(
                format!("CSV goes into a directory, and `{place}` has no `/` at its end"),
                format!("write `csv:{place}/`"),
            )),
            #[cfg(feature = "parquet")]
            "parquet" if place.ends_with('/') => Ok(Target::Directory(Format::Parquet, directory())),
            #[cfg(feature = "parquet")]
            "parquet" => Err(wrong(
                format!("Parquet goes into a directory, and `{place}` has no `/` at its end"),
                format!("write `parquet:{place}/`"),
            )),
            #[cfg(feature = "kafka")]
            "kafka" => match KafkaTarget::parse(place) {
                Ok(target) => Ok(Target::Kafka(target)),
                Err(message) => Err(wrong(message, "write `kafka:localhost:9092/datacenter-metrics`".into())),
            },
            other => Err(wrong(
                format!("this program was built without `{other}`"),
                format!("build it with the cargo feature `{other}`"),
            )),
        }
    }

    /// With settings of clients, where it has one: librdkafka's.
    #[must_use]
    pub fn with_settings(self, settings: &[(String, String)]) -> Target {
        match self {
            #[cfg(feature = "kafka")]
            Target::Kafka(target) => Target::Kafka(target.with_settings(settings)),
            other => {
                let _ = settings;
                other
            }
        }
    }

    /// Whether what is written is gone as it is written, so that nothing has to be taken away where a run
    /// stops: standard output, a fifo, a device.
    pub fn is_streamed(&self) -> bool {
        match self {
            Target::Stdout => true,
            Target::File(path) => Destination::of(path).is_ok_and(|place| place.is_direct()),
            Target::Directory(..) => false,
            #[cfg(feature = "kafka")]
            Target::Kafka(_) => false,
        }
    }

    /// The path that it writes, `-` for standard output; none for a topic.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Target::Stdout => Some(Path::new("-")),
            Target::File(path) | Target::Directory(_, path) => Some(path),
            #[cfg(feature = "kafka")]
            Target::Kafka(_) => None,
        }
    }
}

/// As the command line writes it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdout => f.write_str("ndjson:-"),
            Target::File(path) => write!(f, "ndjson:{}", path.display()),
            Target::Directory(format, path) => write!(f, "{}:{}/", format.name(), path.display()),
            #[cfg(feature = "kafka")]
            Target::Kafka(target) => target.fmt(f),
        }
    }
}

/// The output that was probably meant.
fn suggestion(text: &str) -> String {
    match text {
        "-" => "write `ndjson:-`".into(),
        _ if text.ends_with('/') => format!("write `parquet:{text}`, `csv:{text}` or `ndjson:{text}`"),
        _ if [".gz", ".zst"].iter().any(|end| text.ends_with(end)) => format!("write `ndjson:{text}`"),
        _ if text.ends_with("json") || text.ends_with("jsonl") => format!("write `ndjson:{text}`"),
        _ if text.contains(":9") => format!("write `kafka:{text}`"),
        _ => "write `ndjson:FILE`, `ndjson:DIR/`, `csv:DIR/`, `parquet:DIR/` or `kafka:BROKERS/TOPIC`".into(),
    }
}
