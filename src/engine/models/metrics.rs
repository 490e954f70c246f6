//! The macro `metrics!`, which `server` and `instance` use to declare their metrics.

/// Turns a table of metrics into an enum of them, with their columns, grid values, rows and scales.
///
/// An entry has these parts, in this order:
/// - `name`, `unit`, `decimals` and `about` of its column;
/// - `grid`: its value at a grid point in the metric's unit; or `state`: the same in sixteenths of its quantum, as
///   a state has it. An entry has neither if its value follows from those of other metrics;
/// - `row`: its stored value in a row;
/// - `scale`: about the p99.9 of its normal residual, in the metric's unit. A scale below one quantum counts as one
///   quantum.
macro_rules! metrics {
    (
        $(#[$doc:meta])*
        $type:ident of $id:ident;
        grid($g:ident: $Grid:ty);
        row($r:ident: $Row:ty);
        scale($s:ident: $Scale:ty);
        $($name:ident {
            name: $column:literal,
            unit: $unit:literal,
            decimals: $decimals:literal,
            about: $about:literal,
            $(grid: $grid:expr,)?
            $(state: $state:expr,)?
            row: $row:expr,
            scale: $scale:expr,
        })*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = concat!("`", $column, "`, in ", $unit, ".")] $name,)*
        }

        impl $type {
            /// All metrics, in the order of the columns.
            pub const ALL: &'static [$type] = &[$($type::$name),*];

            /// The number of columns.
            pub const COUNT: usize = $type::ALL.len();

            /// The number of values at a grid point.
            pub const WIDTH: usize = $type::place_at($type::COUNT);

            /// The metric's id in the schema.
            pub const fn id(self) -> crate::schema::MetricId {
                crate::schema::MetricId::new(crate::fleet::$id, self as u16)
            }

            /// 10^decimals: the number of stored units in one unit of the metric.
            pub const fn units(self) -> i64 {
                10_i64.pow(match self { $($type::$name => $decimals,)* })
            }

            /// The place of its value at a grid point.
            ///
            /// # Panics
            /// If the metric has neither `grid` nor `state`.
            pub const fn place(self) -> usize {
                assert!($type::HAS_VALUE[self as usize], "it has no value at a grid point");
                $type::place_at(self as usize)
            }

            const HAS_VALUE: [bool; $type::COUNT] = [$(metrics!(@has $($grid)? $($state)?)),*];

            /// The number of metrics before this column that have a value at a grid point.
            const fn place_at(column: usize) -> usize {
                let (mut place, mut i) = (0, 0);
                while i < column {
                    place += $type::HAS_VALUE[i] as usize;
                    i += 1;
                }
                place
            }

            /// The places of the values that are states.
            const STATES: &'static [usize] = &[$($(metrics!(@place $type::$name, $state),)?)*];

            /// The values at a grid point, in sixteenths of each metric's quantum.
            #[inline]
            fn values($g: &$Grid) -> [i32; $type::WIDTH] {
                let mut values = [0; $type::WIDTH];
                $(
                    $(values[const { $type::$name.place() }] =
                        super::sixteenths($grid, $column, const { 16 * $type::$name.units() });)?
                    $(values[const { $type::$name.place() }] = $state;)?
                )*
                values
            }

            /// The stored values of a row.
            // Passing a row through memory makes labels 3 % slower.
            #[inline(always)]
            fn row($r: &$Row) -> [i64; $type::COUNT] {
                [$($row),*]
            }

            /// The scale, in the metric's unit.
            fn scale(self, $s: &$Scale) -> f64 {
                match self { $($type::$name => $scale,)* }
            }

            /// Adds the columns to an entity type.
            fn add_to(entity_type: crate::schema::EntityType) -> crate::schema::EntityType {
                entity_type $(.metric(crate::schema::Metric::new($column, $unit, $decimals, $about)))*
            }
        }
    };
    (@place $metric:expr, $state:expr) => { $metric.place() };
    (@has) => { false };
    (@has $value:expr) => { true };
}
