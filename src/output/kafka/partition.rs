//! Chooses the partition of a message from its key, exactly as the Java client does.

/// Returns the partition of a key, out of `partitions`, as Java's default partitioner computes it.
///
/// It uses the 32-bit MurmurHash2 of `org.apache.kafka.common.utils.Utils`, made positive. reenact computes partitions
/// itself because `--resume` needs the partition of a key before anything is sent.
pub(super) fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The values are those of Kafka's own `UtilsTest`.
    #[test]
    fn the_hash_is_java_s() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn a_negative_hash_is_made_positive() {
        // −973,932,308 becomes 1,173,551,340.
        assert_eq!(partition_of(b"21", 7), 3);
    }

    #[test]
    fn each_key_has_a_partition_that_is_there() {
        for partitions in 1..50 {
            for n in 0..200 {
                assert!(partition_of(format!("srv-{n:03}").as_bytes(), partitions) < partitions);
            }
        }
    }
}
