/// The metrics of an entity type as an enum, so that formulas can name them: variant, column, decimals, unit, about.
macro_rules! metrics {
    ($(#[$doc:meta])* $type:ident of $id:ident $($name:ident $column:literal $decimals:literal $unit:literal $about:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = concat!("`", $column, "`, in ", $unit, ".")] $name,)*
        }

        impl $type {
            /// All of them, in the order of the columns.
            pub const ALL: &'static [$type] = &[$($type::$name),*];

            /// The number of columns.
            pub const COUNT: usize = $type::ALL.len();

            /// The metric in the schema.
            pub const fn id(self) -> crate::schema::MetricId {
                crate::schema::MetricId::new(super::$id, self as u16)
            }

            /// The column's name.
            pub const fn name(self) -> &'static str {
                match self { $($type::$name => $column,)* }
            }

            /// 10^decimals: stored units in one of the metric's own.
            pub const fn units(self) -> i64 {
                10_i64.pow(match self { $($type::$name => $decimals,)* })
            }

            /// The column's name, and stored units in one of the metric's own.
            pub const fn column(self) -> (&'static str, i64) {
                (self.name(), self.units())
            }

            /// Adds the columns to an entity type.
            fn add_to(entity_type: crate::schema::EntityType) -> crate::schema::EntityType {
                entity_type $(.metric(crate::schema::Metric::new($column, $unit, $decimals, $about)))*
            }
        }
    };
}
