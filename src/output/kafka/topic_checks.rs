//! Checks from a topic's settings whether it would refuse, delete or change the records of a run.

use rdkafka::admin::ConfigResource;

use super::admin::{PARTITIONS, Wanted};
use super::client::failure;
use crate::output::OutputError;
use crate::time::Span;

/// The settings that decide which event times and batches a topic accepts. A value that the broker does not reveal is
/// none.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicSettings {
    retention_ms: Option<i64>,
    timestamp_after_max_ms: Option<i64>,
    timestamp_before_max_ms: Option<i64>,
    timestamp_type: Option<String>,
    cleanup_policy: Option<String>,
    /// The largest batch that the topic accepts, in bytes as stored.
    pub(super) max_message_bytes: Option<u64>,
    /// How many replicas must be in sync before the topic accepts a record.
    pub(super) min_in_sync: Option<usize>,
}

impl TopicSettings {
    pub(super) fn read(resource: &ConfigResource) -> TopicSettings {
        let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone());
        let number = |name: &str| value(name).and_then(|text| text.parse().ok());
        let count = |name: &str| number(name).and_then(|number| u64::try_from(number).ok());
        TopicSettings {
            retention_ms: number("retention.ms"),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
            timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
            timestamp_type: value("message.timestamp.type"),
            cleanup_policy: value("cleanup.policy"),
            max_message_bytes: count("max.message.bytes"),
            min_in_sync: count("min.insync.replicas").map(|copies| copies as usize),
        }
    }
}

impl TopicSettings {
    /// Returns how far event times may be ahead of the clock; none if that is not limited or not known.
    pub(super) fn ahead(&self) -> Option<Span> {
        let is_overwritten = self.timestamp_type.as_deref() == Some("LogAppendTime");
        self.timestamp_after_max_ms.filter(|_| !is_overwritten).map(Span)
    }
}

/// Returns warnings about the topic.
///
/// # Errors
/// If the topic would refuse the records or delete them.
pub(super) fn judge(
    topic: &str,
    settings: Result<TopicSettings, String>,
    wanted: &Wanted,
) -> Result<Vec<String>, OutputError> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(reason) => {
            return Ok(vec![format!(
                "cannot read the settings of topic `{topic}`, so its retention is not checked: {reason}"
            )]);
        }
    };
    let mut warnings = Vec::new();
    let is_overwritten = settings.timestamp_type.as_deref() == Some("LogAppendTime");
    if is_overwritten {
        warnings.push(format!(
            "topic `{topic}` has `message.timestamp.type=LogAppendTime`: its broker replaces event times with its own \
             time"
        ));
    }
    let policy = settings.cleanup_policy.as_deref().unwrap_or("delete");
    if policy.contains("compact") {
        warnings.push(format!(
            "topic `{topic}` has `cleanup.policy={policy}`: Kafka will keep only the newest record of each entity"
        ));
    }
    if is_overwritten {
        return Ok(warnings);
    }
    let Wanted { first, now, .. } = *wanted;
    if let (Some(lead), Some(most)) = (wanted.lead, settings.timestamp_after_max_ms)
        && lead.0 > most
    {
        return Err(too_far_ahead(topic, lead, Span(most)));
    }
    if let Some(most) = settings.timestamp_before_max_ms.filter(|most| (now - first).0 > *most) {
        return Err(too_long_ago(topic, now - first, Span(most)));
    }
    match settings.retention_ms {
        _ if !policy.contains("delete") => {}
        None => warnings.push(format!("cannot read `retention.ms` of topic `{topic}`, so it is not checked")),
        Some(retention) if retention >= 0 && first.0 < now.0.saturating_sub(retention) => {
            let expiring = too_old(topic, wanted, Span(retention));
            if !wanted.allow_expiring {
                return Err(expiring);
            }
            warnings.push(expiring.to_string());
        }
        Some(_) => {}
    }
    Ok(warnings)
}

/// Returns the error of a topic whose retention is too short: Kafka would acknowledge the records and delete them
/// within minutes.
fn too_old(topic: &str, wanted: &Wanted, retention: Span) -> OutputError {
    let records = match wanted.expiring(retention) {
        Some(share) if share < 1.0 => format!("the first {:.0}% of this run are", (share * 100.0).max(1.0)),
        _ => "the records of this run are".into(),
    };
    failure(
        format!(
            "topic `{topic}` keeps records for {retention} (`retention.ms={}`), but {records} older, the first one by \
             {}: Kafka would acknowledge them and then delete them without an error",
            retention.0,
            (wanted.now - retention) - wanted.first,
        ),
        [
            "use `--start now` or `--live` (`run`), or `--rebase end` (`replay`), to move the records to the present"
                .into(),
            format!("or use `--create-topic {PARTITIONS}` with the name of a new topic, which will keep all records"),
            "or add `--allow-expiring` to send them anyway".into(),
        ],
    )
}

/// Returns the error of event times that are too far ahead: the broker would refuse the records with their whole batch.
fn too_far_ahead(topic: &str, lead: Span, most: Span) -> OutputError {
    failure(
        format!(
            "topic `{topic}` accepts event times up to {most} ahead of the current time \
             (`message.timestamp.after.max.ms={}`), but records of this run are up to {lead} ahead when they are sent",
            most.0
        ),
        [
            "use `--rebase end` (`replay`) to send the last record at its event time".into(),
            format!(
                "or use `--create-topic {PARTITIONS}` with the name of a new topic, which will accept all records"
            ),
        ],
    )
}

fn too_long_ago(topic: &str, age: Span, most: Span) -> OutputError {
    failure(
        format!(
            "topic `{topic}` accepts event times up to {most} in the past (`message.timestamp.before.max.ms={}`), but \
             this run begins {age} ago",
            most.0
        ),
        [
            "use `--start now` or `--live` (`run`), or `--rebase end` (`replay`), to move the records to the present"
                .into(),
            format!("or use `--create-topic {PARTITIONS}` with the name of a new topic, which will accept all records"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimTime;

    const NOW: SimTime = SimTime(1_000_000_000);

    /// A run of one hour that began `age` ago.
    fn wanted(age: Span) -> Wanted {
        Wanted { last: Some(NOW - age + Span::hours(1)), ..Wanted::new(NOW - age, NOW) }
    }

    fn judged(settings: TopicSettings, age: Span) -> Result<Vec<String>, String> {
        judge("t", Ok(settings), &wanted(age)).map_err(|error| error.to_string())
    }

    #[test]
    fn records_older_than_the_topic_keeps_are_refused() {
        let keeps = |retention_ms: i64| TopicSettings {
            retention_ms: Some(retention_ms),
            ..TopicSettings::default()
        };
        for (retention_ms, age) in [
            (-1, Span::hours(200)),
            (i64::MAX, Span::hours(200)),
            (3_600_000, Span::hours(1)),
            (3_600_000, Span::hours(-1)),
        ] {
            assert_eq!(judged(keeps(retention_ms), age), Ok(vec![]), "{retention_ms} {age}");
        }
        let old = |records: &str, by: &str| {
            format!(
                "topic `t` keeps records for 1h (`retention.ms=3600000`), but {records} older, the first one by {by}: \
                 Kafka would acknowledge them and then delete them without an error"
            )
        };
        let half = old("the first 50% of this run are", "30m");
        assert_eq!(judged(keeps(3_600_000), Span::minutes(90)), Err(half.clone()));
        assert_eq!(judged(keeps(3_600_000), Span::hours(3)), Err(old("the records of this run are", "2h")));
        let allowed = Wanted { allow_expiring: true, ..wanted(Span::minutes(90)) };
        assert_eq!(judge("t", Ok(keeps(3_600_000)), &allowed).unwrap(), [half]);
    }

    #[test]
    fn what_a_topic_does_to_event_times_is_warned_of() {
        let is = |timestamp_type: &str, cleanup_policy: &str| TopicSettings {
            retention_ms: Some(0),
            timestamp_type: Some(timestamp_type.into()),
            cleanup_policy: Some(cleanup_policy.into()),
            ..TopicSettings::default()
        };
        let overwritten = "topic `t` has `message.timestamp.type=LogAppendTime`: \
                           its broker replaces event times with its own time";
        let compacted =
            "topic `t` has `cleanup.policy=compact`: Kafka will keep only the newest record of each entity";
        // Retention does not matter where nothing is deleted by age.
        assert_eq!(judged(is("CreateTime", "compact"), Span::hours(1)), Ok(vec![compacted.into()]));
        let both = vec![overwritten.into(), compacted.into()];
        assert_eq!(judged(is("LogAppendTime", "compact"), Span::hours(1)), Ok(both));
        assert!(judged(is("CreateTime", "compact,delete"), Span::hours(1)).is_err());
    }

    #[test]
    fn what_can_t_be_seen_is_warned_of() {
        let hidden = "cannot read `retention.ms` of topic `t`, so it is not checked";
        assert_eq!(judged(TopicSettings::default(), Span::hours(1)), Ok(vec![hidden.into()]));
        let refused = judge("t", Err("Broker: Topic authorization failed".into()), &wanted(Span::ZERO));
        let reason = "cannot read the settings of topic `t`, so its retention is not checked: \
                      Broker: Topic authorization failed";
        assert_eq!(refused.map_err(|error| error.to_string()), Ok(vec![reason.into()]));
    }

    #[test]
    fn event_times_that_the_broker_would_refuse_are_refused_before() {
        let takes = TopicSettings {
            retention_ms: Some(-1),
            timestamp_after_max_ms: Some(3_600_000),
            timestamp_before_max_ms: Some(86_400_000),
            ..TopicSettings::default()
        };
        let lead = |lead| Wanted { lead, ..wanted(Span::ZERO) };
        let judged =
            |wanted: &Wanted| judge("t", Ok(takes.clone()), wanted).map_err(|error| error.to_string());
        for near in [None, Some(Span::hours(1)), Some(Span::hours(-5))] {
            assert_eq!(judged(&lead(near)), Ok(vec![]));
        }
        let ahead = judged(&lead(Some(Span::minutes(61)))).unwrap_err();
        assert!(
            ahead.contains(
                "`message.timestamp.after.max.ms=3600000`), but records of this run are up to 1h1m ahead"
            ),
            "{ahead}"
        );
        let ago = judged(&wanted(Span::hours(25))).unwrap_err();
        assert!(
            ago.contains("`message.timestamp.before.max.ms=86400000`), but this run begins 1d1h ago"),
            "{ago}"
        );
    }
}
