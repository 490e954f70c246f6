//! The entity types that the program knows: one file each, listed once.

#[macro_use]
mod metrics;
mod instance;
mod server;

use std::sync::{Arc, LazyLock};

pub use instance::{ENDPOINTS, InstanceMetric};
pub use server::ServerMetric;

use crate::schema::{Schema, TypeId};

/// Servers, by their place in [`builtin`].
pub const SERVER: TypeId = TypeId::new(0);

/// Service instances, by their place in [`builtin`].
pub const INSTANCE: TypeId = TypeId::new(1);

/// All of them, in stream order.
pub fn builtin() -> &'static Arc<Schema> {
    static BUILTIN: LazyLock<Arc<Schema>> =
        LazyLock::new(|| Arc::new(Schema::new([server::entity_type(), instance::entity_type()])));
    &BUILTIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_have_their_places() {
        assert_eq!(builtin().type_named("server"), Some(SERVER));
        assert_eq!(builtin().type_named("service"), Some(INSTANCE));
    }
}
