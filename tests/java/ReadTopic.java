import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads topics for the tests with Kafka's own Java client, so that librdkafka does not check its own output.
 * To run it from source: {@code java -cp "$KAFKA_LIBS/*" tests/java/ReadTopic.java ...}.
 */
public class ReadTopic {
    static final String USAGE = """
        usage: ReadTopic.java BOOTSTRAP TOPIC
               ReadTopic.java BOOTSTRAP --create TOPIC PARTITIONS|BROKERS [KEY=VALUE...]
               ReadTopic.java BOOTSTRAP --describe TOPIC
               ReadTopic.java BOOTSTRAP --topics
               ReadTopic.java BOOTSTRAP --delete TOPIC
               ReadTopic.java BOOTSTRAP --elect TOPIC
               ReadTopic.java BOOTSTRAP --empty TOPIC PARTITION...
               ReadTopic.java BOOTSTRAP --allow USER TOPIC OPERATION

        The first form prints one line for each record, in order within each partition. Its columns are separated by
        tabs: partition, offset, timestamp in ms, CreateTime or LogAppendTime, the partition that Java's default
        partitioner chooses for the key, the headers reenact-run and reenact-index in hexadecimal, key, value. For a
        record without a key, the key and the expected partition are empty.

        BROKERS, such as 1:2:3, is one partition with replicas on these brokers; the first broker is the leader.
        `1,2` means two partitions, one on each broker.""";

    /** After this time without an answer, the program fails, so that a test does not hang. */
    static final int PATIENCE_MS = 20_000;

    public static void main(String[] args) {
        // This must happen before any Kafka class is loaded. Kafka logs to stderr, where only errors are of interest.
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error");
        try {
            run(args);
        } catch (Exception e) {
            Throwable reason = e instanceof ExecutionException ? e.getCause() : e;
            boolean unknown = reason instanceof UnknownTopicOrPartitionException;
            System.err.println("ReadTopic: " + (unknown ? "there is no such topic" : reason));
            System.exit(1);
        }
    }

    static void run(String[] args) throws Exception {
        String verb = args.length < 2 ? "" : args[1];
        if (verb.equals("--topics") && args.length == 2) {
            listTopics(args[0]);
        } else if (verb.equals("--describe") && args.length == 3) {
            describe(args[0], args[2]);
        } else if (verb.equals("--delete") && args.length == 3) {
            delete(args[0], args[2]);
        } else if (verb.equals("--elect") && args.length == 3) {
            elect(args[0], args[2]);
        } else if (verb.equals("--empty") && args.length >= 4) {
            empty(args[0], args[2], List.of(args).subList(3, args.length));
        } else if (verb.equals("--create") && args.length >= 4) {
            create(args[0], args[2], args[3], List.of(args).subList(4, args.length));
        } else if (verb.equals("--allow") && args.length == 5) {
            allow(args[0], args[2], args[3], AclOperation.valueOf(args[4]));
        } else if (args.length == 2 && !verb.startsWith("--")) {
            read(args[0], args[1]);
        } else {
            System.err.println(USAGE);
            System.exit(2);
        }
    }

    static void read(String bootstrap, String topic) throws Exception {
        int count = partitions(bootstrap, topic);
        Map<String, Object> config = new HashMap<>(client(bootstrap));
        config.putAll(Map.of("isolation.level", "read_committed", "allow.auto.create.topics", false,
            "auto.offset.reset", "earliest", "max.poll.records", 20_000, "max.partition.fetch.bytes", 8 << 20));
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(config, bytes, bytes);
                var out = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 20)) {
            List<TopicPartition> all = IntStream.range(0, count).mapToObj(p -> new TopicPartition(topic, p)).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            Set<TopicPartition> unfinished = new HashSet<>(all);
            long reached = -1;
            long movedAt = System.nanoTime();
            while (true) {
                // Progress is measured by positions, not by records: the last offsets of a partition can belong
                // to control records or aborted transactions, which the consumer never returns.
                unfinished.removeIf(p -> consumer.position(p) >= ends.get(p));
                if (unfinished.isEmpty()) return;
                consumer.pause(all.stream().filter(p -> !unfinished.contains(p)).toList());
                long sum = all.stream().mapToLong(consumer::position).sum();
                if (sum != reached) {
                    reached = sum;
                    movedAt = System.nanoTime();
                } else if (System.nanoTime() - movedAt > PATIENCE_MS * 1_000_000L) {
                    throw new IOException("no record arrived for " + PATIENCE_MS + " ms from " + unfinished);
                }
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    boolean wasThere = record.offset() < ends.get(new TopicPartition(topic, record.partition()));
                    if (wasThere) print(record, count, out);
                }
            }
        }
    }

    static void print(ConsumerRecord<byte[], byte[]> record, int partitions, OutputStream out) throws IOException {
        byte[] key = record.key();
        String expected = key == null ? "" : String.valueOf(BuiltInPartitioner.partitionForKey(key, partitions));
        String head = record.partition() + "\t" + record.offset() + "\t" + record.timestamp() + "\t"
            + record.timestampType() + "\t" + expected + "\t"
            + header(record, "reenact-run") + "\t" + header(record, "reenact-index") + "\t";
        out.write(head.getBytes(StandardCharsets.US_ASCII));
        if (key != null) out.write(key);
        out.write('\t');
        if (record.value() != null) out.write(record.value());
        out.write('\n');
    }

    static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        var header = record.headers().lastHeader(name);
        return header == null || header.value() == null ? "" : HexFormat.of().formatHex(header.value());
    }

    static void create(String bootstrap, String topic, String where, List<String> settings) throws Exception {
        Map<String, String> configs = settings.stream().map(s -> s.split("=", 2))
            .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
        var wanted = where.matches("\\d+")
            ? new NewTopic(topic, Optional.of(Integer.parseInt(where)), Optional.empty())
            : new NewTopic(topic, onBrokers(where));
        wanted.configs(configs);
        try (Admin admin = Admin.create(client(bootstrap))) {
            admin.createTopics(List.of(wanted)).all().get();
            // The controller knows the topic now. The broker that clients ask learns of it a moment later.
            while (!admin.listTopics().names().get().contains(topic)) Thread.sleep(20);
        }
    }

    static void delete(String bootstrap, String topic) throws Exception {
        try (Admin admin = Admin.create(client(bootstrap))) {
            admin.deleteTopics(List.of(topic)).all().get();
        }
    }

    /** Returns the brokers of each partition. */
    static Map<Integer, List<Integer>> onBrokers(String where) {
        String[] partitions = where.split(",");
        return IntStream.range(0, partitions.length).boxed().collect(Collectors.toMap(partition -> partition,
            partition -> Stream.of(partitions[partition].split(":")).map(Integer::valueOf).toList()));
    }

    /** Makes the preferred brokers leaders of their partitions again, if they have caught up. */
    static void elect(String bootstrap, String topic) throws Exception {
        try (Admin admin = Admin.create(client(bootstrap))) {
            Set<TopicPartition> all = IntStream.range(0, partitions(bootstrap, topic))
                .mapToObj(partition -> new TopicPartition(topic, partition)).collect(Collectors.toSet());
            // It is not an error if a broker already leads its partition, or cannot lead it yet.
            admin.electLeaders(ElectionType.PREFERRED, all).partitions().get();
        }
    }

    /** Deletes all records of some partitions, as a short retention would. */
    static void empty(String bootstrap, String topic, List<String> partitions) throws Exception {
        try (Admin admin = Admin.create(client(bootstrap))) {
            // Offset -1 means the end of the partition.
            var ends = partitions.stream().map(p -> new TopicPartition(topic, Integer.parseInt(p)))
                .collect(Collectors.toMap(partition -> partition, partition -> RecordsToDelete.beforeOffset(-1)));
            admin.deleteRecords(ends).all().get();
        }
    }

    static void allow(String bootstrap, String user, String topic, AclOperation operation) throws Exception {
        var pattern = new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL);
        var entry = new AccessControlEntry("User:" + user, "*", operation, AclPermissionType.ALLOW);
        try (Admin admin = Admin.create(client(bootstrap))) {
            admin.createAcls(List.of(new AclBinding(pattern, entry))).all().get();
        }
    }

    static void describe(String bootstrap, String topic) throws Exception {
        try (Admin admin = Admin.create(client(bootstrap))) {
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            Map<String, String> configs = new TreeMap<>();
            admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()
                .forEach(e -> configs.put(e.name(), e.value() == null ? "" : e.value()));
            configs.forEach((name, value) -> System.out.println(name + "=" + value));
            System.out.println("partitions=" + partitions(bootstrap, topic));
        }
    }

    static void listTopics(String bootstrap) throws Exception {
        try (Admin admin = Admin.create(client(bootstrap))) {
            new TreeSet<>(admin.listTopics().names().get()).forEach(System.out::println);
        }
    }

    /** Returns the number of partitions. It asks the admin client, because a consumer could create the topic. */
    static int partitions(String bootstrap, String topic) throws Exception {
        try (Admin admin = Admin.create(client(bootstrap))) {
            return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        }
    }

    static Map<String, Object> client(String bootstrap) {
        return Map.of("bootstrap.servers", bootstrap,
            "request.timeout.ms", PATIENCE_MS / 2, "default.api.timeout.ms", PATIENCE_MS);
    }
}
