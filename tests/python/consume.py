"""A consumer like those of the predecessor: kafka-python without extra packages, which reads gzip but not lz4."""

import sys

from kafka import KafkaConsumer

bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = KafkaConsumer(
    topic,
    bootstrap_servers=bootstrap,
    auto_offset_reset="earliest",
    consumer_timeout_ms=15_000,
)
for number, message in enumerate(consumer, 1):
    print(message.value.decode())
    if number == count:
        break
