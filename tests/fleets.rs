//! Invalid fleets.

use insta::assert_snapshot;

use crate::messages::errors_of;

#[test]
fn invalid_fleets_are_refused_with_a_reason() {
    let fleet = |fleet: &str| {
        errors_of(&format!(
            "scenario: 1\nclock: {{start: \"2026-01-05T00:00:00Z\", run: 1h, step: 1s}}\nfleet: {fleet}\n"
        ))
    };
    assert_snapshot!(fleet("{servers: 1, services: 24}"), @r##"
    error: 24 instances do not fit on 1 server
     --> s.yaml:3:31
      |
    3 | fleet: {servers: 1, services: 24}
      |                               ^^ a server can run at most 16 instances
      |
      = help: write `servers: 2` or more
    "##);
    assert_snapshot!(fleet("{servers: {web: {count: 2}, db: {count: 1}}, services: 3}"), @r##"
    error: `services` as a number requires a fleet with one pool
     --> s.yaml:3:63
      |
    3 | fleet: {servers: {web: {count: 2}, db: {count: 1}}, services: 3}
      |                                                               ^ there are 2 pools
      |
      = help: write the services by name, each with its `pool`
    "##);
    assert_snapshot!(fleet("{servers: 2, services: {a: {rate: 5000/s}}}"), @r##"
    error: `srv-002` would need 459 of its 32 cores at peak load
     --> s.yaml:3:32
      |
    3 | fleet: {servers: 2, services: {a: {rate: 5000/s}}}
      |                                ^ `a-1` needs most of them; the limit is 90% of the cores
      |
      = help: lower its `rate` or `cost`, add `instances` to it, or add servers to its pool
    "##);
    assert_snapshot!(fleet("{servers: 2, services: {a: {rate: 0/s, calls: [b]}, b: {latency: 11s}}}"), @r##"
    error: no demand reaches `a`
     --> s.yaml:3:32
      |
    3 | fleet: {servers: 2, services: {a: {rate: 0/s, calls: [b]}, b: {latency: 11s}}}
      |                                ^ it has no `rate` and no caller with demand
      |
      = help: add `rate: 100/s`, or name it in the `calls` of a service that has demand

    error: no demand reaches `b`
     --> s.yaml:3:60
      |
    3 | fleet: {servers: 2, services: {a: {rate: 0/s, calls: [b]}, b: {latency: 11s}}}
      |                                                            ^ it has no `rate` and no caller with demand
      |
      = help: add `rate: 100/s`, or name it in the `calls` of a service that has demand

    error: a latency of 11s is out of range
     --> s.yaml:3:73
      |
    3 | fleet: {servers: 2, services: {a: {rate: 0/s, calls: [b]}, b: {latency: 11s}}}
      |                                                                         ^^^ must be between 1ms and 10s
    "##);
    assert_snapshot!(fleet("{servers: 2, services: {a: {rate: 1/s, hosts: [srv-003]}, b: {rate: 3000000/s, instances: 2}}}"), @"
    error: server `srv-003` does not exist in the pool of this service
     --> s.yaml:3:55
      |
    3 | fleet: {servers: 2, services: {a: {rate: 1/s, hosts: [srv-003]}, b: {rate: 3000000/s, instances: 2}}}
      |                                                       ^^^^^^^ the pool has srv-001, srv-002
      |
      = help: did you mean `srv-001`?

    error: an instance of `b` would receive 1961921 requests per second
     --> s.yaml:3:66
      |
    3 | fleet: {servers: 2, services: {a: {rate: 1/s, hosts: [srv-003]}, b: {rate: 3000000/s, instances: 2}}}
      |                                                                  ^ must be at most 100000 at the daily peak, including calls
      |
      = help: lower `rate` or `calls`, or add `instances`
    ");
    assert_snapshot!(fleet("{servers: {}, services: [a]}"), @"
    error: `servers` is empty
     --> s.yaml:3:18
      |
    3 | fleet: {servers: {}, services: [a]}
      |                  ^
      |
      = help: write `servers: 3`

    error: `services` must be a number, or services by name
     --> s.yaml:3:32
      |
    3 | fleet: {servers: {}, services: [a]}
      |                                ^
      |
      = help: write `services: 2`, or `services: {api: {rate: 20/s}}`
    ");
}
