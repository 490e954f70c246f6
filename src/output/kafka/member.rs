//! The processes that send a run. They are the members of its group, and each is described by its `client.id`.

use std::fmt;
use std::time::Duration;

use rdkafka::client::{Client, ClientContext};
use rdkafka::error::KafkaResult;
use rdkafka::groups::GroupInfo;

use super::headers::RunId;
use crate::time::SimTime;

/// The prefix of group names and member names.
const PREFIX: &str = "reenact-";

/// The most characters of a host name that a member name contains.
const HOST_LENGTH: usize = 64;

/// A process that sends a run.
///
/// Members are ordered by the moment at which they took the lease, and then by the whole name. The process that began a
/// run precedes all processes that resume it. Two processes that resume it are compared by the clocks of their hosts.
/// The later one yields, so exactly one continues even if those clocks differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member(String);

impl Member {
    /// Returns the member that represents this process if it takes a lease at this moment.
    pub(super) fn of_this_process(now: SimTime) -> Member {
        let nodename = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let host: String = nodename.chars().filter(|letter| is_plain(*letter)).take(HOST_LENGTH).collect();
        // Containers can share host names and process ids.
        let tag = &RunId::new(now).to_string()[24..];
        Member(format!("{PREFIX}{}-{host}-{}.{tag}", compact(now), std::process::id()))
    }

    /// Returns the member with this `client.id`; none if it does not have the form that reenact writes.
    pub(super) fn read(client_id: &str) -> Option<Member> {
        let member = Member(client_id.into());
        member.parts().is_some().then_some(member)
    }

    /// Its `client.id`.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// The start, the host and the process id; none if the name has another form.
    fn parts(&self) -> Option<(String, &str, u32)> {
        let (start, rest) = self.0.strip_prefix(PREFIX)?.split_once('-')?;
        let (host, process) = rest.rsplit_once('-')?;
        let (process, _tag) = process.split_once('.')?;
        Some((spelled_out(start)?, host, process.parse().ok()?))
    }
}

/// Writes `process 123 on host web-1, which began to send it at 2026-01-05T08:00:00.000Z`.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            Some((start, host, process)) => {
                write!(f, "process {process} on host {host}, which began to send it at {start}")
            }
            None => f.write_str(&self.0),
        }
    }
}

/// Writes a moment without `-` and `:`, as in `20260105T080000.000Z` for `2026-01-05T08:00:00.000Z`.
fn compact(moment: SimTime) -> String {
    moment.to_string().replace(['-', ':'], "")
}

fn spelled_out(compact: &str) -> Option<String> {
    let (date, time) = compact.split_once('T')?;
    let (year, month, day) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}");
    SimTime::parse(&text).map(|_| text)
}

/// The consumer group of a run.
pub(super) struct Group(String);

impl Group {
    pub(super) fn of(run: RunId) -> Group {
        Group(format!("{PREFIX}{run}"))
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Lists the members of the group, and returns its state.
    ///
    /// A user without permission gets an empty list. A list that contains this process is complete.
    pub(super) fn members<C: ClientContext>(
        &self,
        client: &Client<C>,
        limit: Duration,
    ) -> KafkaResult<(Vec<Member>, String)> {
        let list = client.fetch_group_list(Some(&self.0), limit)?;
        let group = list.groups().first();
        let members = group.map(GroupInfo::members).unwrap_or_default();
        let members = members.iter().filter_map(|member| Member::read(member.client_id())).collect();
        Ok((members, group.map(GroupInfo::state).unwrap_or_default().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SimTime = SimTime(1_767_600_000_123);

    #[test]
    fn a_member_names_its_start_host_and_process() {
        let member = Member::of_this_process(NOW);
        assert_eq!(Member::read(member.name()), Some(member.clone()));
        let text = member.to_string();
        assert!(text.starts_with(&format!("process {} on host ", std::process::id())), "{text}");
        assert!(text.ends_with(", which began to send it at 2026-01-05T08:00:00.123Z"), "{text}");
        assert_ne!(Member::of_this_process(NOW), member, "two leases of one process are two members");
        for other in ["reenact", "consumer-1", "reenact-a-b", "reenact-20260105T080000.123Z-host-x.1"] {
            assert_eq!(Member::read(other), None, "{other}");
        }
    }

    #[test]
    fn members_are_ordered_by_the_moment_of_their_leases() {
        let at = |ms| Member::of_this_process(SimTime(NOW.0 + ms));
        assert!(at(0) < at(1) && at(999) < at(1_000) && at(1_000) < at(86_400_000));
    }
}
