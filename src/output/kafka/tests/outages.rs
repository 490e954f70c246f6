//! Tests with brokers that do not answer or go away.

use super::*;

#[test]
fn a_broker_that_is_silent_ends_a_run_that_has_nothing_to_send_meanwhile() {
    let (cluster, target) = mock(PARTITIONS);
    let mut sink = connect(&target).give_up_after(Duration::from_secs(60));
    sink.recovery = None;
    cluster.broker_round_trip_time(-1, Duration::from_secs(100)).unwrap();
    sink.write(part(1)).unwrap();
    for _ in 0..59 {
        sink.idle(Duration::from_secs(1)).unwrap();
    }
    let message = error_of(sink.idle(Duration::from_secs(1)).map(|()| Receipt::default()), &target);
    assert!(message.starts_with("no acknowledgement for 1m"), "{message}");
}

#[test]
fn a_topic_that_can_be_read_and_takes_nothing_is_given_up() {
    let (cluster, target) = mock(PARTITIONS);
    let sink = connect(&target).give_up_after(Duration::from_secs(12));
    // The broker refuses each request with a temporary error, and the connection stays up.
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 100];
    cluster.request_errors(RDKafkaApiKey::Produce, &refused);
    let begun = pace::wall();
    let message = error_of(sent(sink, part(10)), &target);
    let took = pace::wall() - begun;
    assert!(message.starts_with("no acknowledgement for "), "{message}");
    // This is long before the default of 5 min.
    assert!((12..120).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn an_acknowledgement_ends_a_silence_without_a_waiting_call() {
    let (_cluster, target) = mock(PARTITIONS);
    let mut sink = connect(&target);
    sink.silence = Duration::from_secs(200);
    sink.write(part(1)).unwrap();
    while sink.delivered() < 3 {
        sink.listen(Duration::ZERO).unwrap();
    }
    sink.listen(Duration::ZERO).unwrap();
    assert_eq!(sink.silence, Duration::ZERO);
}

#[test]
fn a_broker_that_stays_away_ends_the_run() {
    let (cluster, target) = mock(PARTITIONS);
    let sink = connect(&target).give_up_after(Duration::from_millis(200));
    cluster.broker_down(-1).unwrap();
    let message = error_of(sent(sink, part(10)), &target);
    // On a busy machine the sink notices this later, so the exact time is not checked.
    assert!(message.starts_with("no acknowledgement for "), "{message}");
    assert!(!message.starts_with("no acknowledgement for 5m"), "the default: {message}");
    let end = "; 30 sent, 0 acknowledged, the first missing one is record 0 of the run (counted from 0)";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn who_wants_to_stop_waits_ten_seconds_for_a_broker_and_no_longer() {
    let (cluster, target) = mock(PARTITIONS);
    let sink = connect(&target).stop_when(Some(Arc::new(AtomicUsize::new(2))));
    cluster.broker_down(-1).unwrap();
    let begun = pace::wall();
    let message = error_of(sent(sink, part(10)), &target);
    let took = pace::wall() - begun;
    // This is long before the 5 min that a run without a stop waits.
    assert!((9..120).contains(&took.as_secs()), "{took:?}");
    assert!(
        message.starts_with("the run was stopped, and records in flight were not acknowledged in time"),
        "{message}"
    );
}

#[test]
fn what_was_written_and_not_acknowledged_is_not_written_again_after_a_connection_is_lost() {
    let (cluster, target) = mock(PARTITIONS);
    let mut sink = connect(&target);
    let [batch, later] = [START, START + Span::hours(1)].map(|start| batch(100, start));
    sink.write(KafkaEncode::default().encode(&batch)).unwrap();
    while sink.listener().acknowledged() < 300 {
        sink.client.poll(POLL);
    }
    // From now on the broker writes requests at once, but the connection is lost before it answers.
    cluster.broker_round_trip_time(-1, Duration::from_secs(100)).unwrap();
    sink.write(KafkaEncode::default().encode(&later)).unwrap();
    for _ in 0..10 {
        sink.client.poll(POLL);
    }
    cluster.broker_down(-1).unwrap();
    cluster.broker_up(-1).unwrap();
    cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    let receipt = sink.finish().unwrap();
    let delivery = receipt.delivery.unwrap();
    assert_eq!((delivery.sent, delivery.acknowledged), (600, 600));
    assert!(delivery.retried < 300, "one request was written: {delivery:?}");
    let (stored, expected) = (stored(&target, 600), [expected(&batch), expected(&later)].concat());
    for key in KEYS {
        assert_eq!(of_key(&stored, key), of_key(&expected, key));
    }
    assert_eq!(held(&target, PARTITIONS), 600);
}

#[test]
fn records_whose_acknowledgement_was_lost_are_not_those_of_another_process() {
    let (_cluster, target) = mock(PARTITIONS);
    let mut sink = connect(&target);
    sink.write(part(100)).unwrap();
    sink.drain(IN_FLIGHT);
    // Only the first record of each partition was acknowledged before the session may have ended.
    sink.trust.reached = sink.listener().reached().into_keys().map(|partition| (partition, 0)).collect();
    assert_eq!(sink.was_overtaken(), Some(false));
    let later = batch(1, START + Span::hours(1));
    sent(with_stamp(&target, sink.stamp), KafkaEncode::default().encode(&later)).unwrap();
    assert_eq!(sink.was_overtaken(), Some(true));
}

#[test]
fn records_of_another_process_are_found_before_own_ones_that_were_sent_after_an_outage() {
    let (_cluster, target) = mock(PARTITIONS);
    let mut sink = connect(&target);
    let (lease, known) = Lease::unkept(sink.stamp.id);
    sink.lease = Some(lease);
    sink.write(part(1)).unwrap();
    sink.drain(IN_FLIGHT);
    sink.idle(Duration::ZERO).unwrap();
    known.doubt();
    let later = batch(1, START + Span::hours(1));
    sent(with_stamp(&target, sink.stamp), KafkaEncode::default().encode(&later)).unwrap();
    // The client sends its queue as soon as its broker is back.
    sink.write(KafkaEncode::default().encode(&batch(1, START + Span::minutes(1)))).unwrap();
    sink.drain(IN_FLIGHT);
    sink.idle(Duration::ZERO).unwrap();
    known.view().settle();
    let error = sink.idle(Duration::ZERO).unwrap_err();
    assert!(matches!(error, OutputError::Yielded { .. }), "{error}");
    assert!(error.to_string().contains("another process has meanwhile sent more of run"), "{error}");
}

#[test]
fn what_a_connection_that_timed_out_had_sent_is_waited_for() {
    let (cluster, target) = mock(PARTITIONS);
    let mut sink = with_settings(&target, stamp(PARTITIONS), &[("socket.timeout.ms", "1000")]);
    let under_way = Duration::from_secs(4);
    sink.recovery.as_mut().unwrap().under_way = under_way;
    sink.write(part(1)).unwrap();
    while sink.listener().acknowledged() < 3 {
        sink.client.poll(POLL);
    }
    cluster.broker_round_trip_time(-1, Duration::from_secs(100)).unwrap();
    sink.write(KafkaEncode::default().encode(&batch(100, START + Span::hours(1)))).unwrap();
    while !sink.listener().has_timed_out() {
        sink.client.poll(POLL);
    }
    cluster.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    let begun = pace::wall();
    let receipt = sink.finish().unwrap();
    let took = pace::wall() - begun;
    assert!(took >= under_way, "its operating system may still send it: {took:?}");
    assert_eq!((receipt.delivery.unwrap().acknowledged, held(&target, PARTITIONS)), (303, 303));
}

#[test]
fn a_partition_that_is_stuck_holds_back_what_counts_as_arrived() {
    let cluster = Mock::new(2).unwrap();
    cluster.create_topic("t", PARTITIONS, 1).unwrap();
    (0..PARTITIONS).for_each(|partition| cluster.partition_leader("t", partition, Some(1)).unwrap());
    let stuck = partition_of(KEYS[0].as_bytes(), PARTITIONS as u32);
    cluster.partition_leader("t", stuck as i32, Some(2)).unwrap();
    let target = KafkaTarget::parse(&format!("{}/t", cluster.bootstrap_servers())).unwrap();
    let mut sink = connect(&target);
    assert_eq!(sink.oldest_unacknowledged(), None);
    sink.write(part(1)).unwrap();
    while sink.listener().acknowledged() < 3 {
        sink.client.poll(POLL);
    }
    assert_eq!(sink.oldest_unacknowledged(), None);
    cluster.broker_round_trip_time(2, Duration::from_secs(100)).unwrap();
    let later = START + Span::hours(1);
    sink.write(KafkaEncode::default().encode(&batch(10, later))).unwrap();
    let free = KEYS.iter().filter(|key| partition_of(key.as_bytes(), PARTITIONS as u32) != stuck).count();
    while sink.listener().acknowledged() < 3 + 10 * free as u64 {
        sink.client.poll(POLL);
    }
    // Other partitions now have later records in flight.
    sink.write(KafkaEncode::default().encode(&batch(10, later + Span::hours(1)))).unwrap();
    assert_eq!(sink.oldest_unacknowledged(), Some(later));
}
