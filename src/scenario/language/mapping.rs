//! The macro that defines the keys of each mapping in the scenario language.

/// Generates the code for a mapping of the language: the struct of its values, the table of its keys, and their reader.
///
/// Each entry is a key and the field that it is read into. A key without a field is read elsewhere. An entry has, in
/// this order:
/// - `form`: the form of the value, for messages, the schema and the reference page;
/// - `read`: a function of a [`Reader`](crate::scenario::read::Reader) and a node;
/// - `about`: what the key means, with its unit and range;
/// - `default`: what applies if the key is missing; or `example`, if the key is required; or `not_yet: true`, if
///   this version refuses the key.
macro_rules! mapping {
    (
        $(#[$doc:meta])*
        $Text:ident, $TABLE:ident, $what:literal;
        $($key:literal $(as $field:ident: $type:ty)? {
            form: $form:expr,
            $(read: $read:expr,)?
            about: $about:literal,
            $(default: $default:literal,)?
            $(example: $example:literal,)?
            $(not_yet: $not_yet:literal,)?
        })*
        $(also { $($(#[$also_doc:meta])* $also:ident: $also_type:ty,)* })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub struct $Text {
            $($(#[doc = $about] pub $field: Option<At<$type>>,)?)*
            $($($(#[$also_doc])* pub $also: $also_type,)*)?
        }

        #[doc = concat!("The keys of ", $what, ".")]
        pub const $TABLE: $crate::scenario::Mapping = $crate::scenario::Mapping {
            what: $what,
            keys: &[$($crate::scenario::Key {
                name: $key,
                about: $about,
                default: concat!("" $(, $default)?),
                form: $form,
                need: mapping!(@need $(example $example)? $(not_yet $not_yet)?),
            }),*],
        };

        impl $crate::scenario::read::FromKeys for $Text {
            const MAPPING: &'static $crate::scenario::Mapping = &$TABLE;

            fn read_map(
                reader: &mut $crate::scenario::read::Reader,
                mut map: $crate::scenario::read::Map,
            ) -> $Text {
                let text = $Text {
                    $($($field: map.take($key).and_then(|node| ($read)(reader, node)),)?)*
                    $($($also: Default::default(),)*)?
                };
                reader.finish(map);
                text
            }
        }
    };
    (@need) => { $crate::scenario::Need::Optional };
    (@need example $example:literal) => { $crate::scenario::Need::Required($example) };
    (@need not_yet $not_yet:literal) => { $crate::scenario::Need::NotYet };
}
