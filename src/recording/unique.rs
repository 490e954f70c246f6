//! Parses JSON objects and rejects duplicate keys.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

/// A JSON object without duplicate keys. Readers disagree about which of two equal keys counts.
pub(super) struct Unique<K, V>(pub(super) BTreeMap<K, V>);

struct Keys<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Keys<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    type Value = Unique<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<K, V>, A::Error> {
        let mut found = BTreeMap::new();
        while let Some(key) = map.next_key::<K>()? {
            if found.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key `{key}`")));
            }
            found.insert(key, map.next_value()?);
        }
        Ok(Unique(found))
    }
}

impl<'de, K, V> Deserialize<'de> for Unique<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique<K, V>, D::Error> {
        deserializer.deserialize_map(Keys(PhantomData))
    }
}
