//! The nine services of the short form `services: N`, and the defaults of all services.

/// A service of the catalogue.
pub(crate) struct Entry {
    pub name: &'static str,
    /// Demand from outside, in requests per second per instance.
    pub rate: f64,
    /// Demand of one instance in a fleet that has each service once, in requests per second. The default cost of a
    /// request is drawn for this demand.
    pub nominal_rate: f64,
    /// The service's own median latency at normal load, ms.
    pub latency_ms: f64,
    /// Services called, with calls per request.
    pub calls: &'static [(&'static str, f64)],
    /// Weights of `ENDPOINTS`.
    pub endpoints: [u16; 4],
}

/// The catalogue, in the order in which `services: N` takes services from it.
pub(crate) const CATALOGUE: [Entry; 9] = [
    Entry {
        name: "api-gateway",
        rate: 120.0,
        nominal_rate: 120.0,
        latency_ms: 12.0,
        calls: &[
            ("user-service", 0.5),
            ("product-service", 0.6),
            ("order-service", 0.25),
            ("search-engine", 0.4),
        ],
        endpoints: [34, 36, 26, 4],
    },
    Entry {
        name: "user-service",
        rate: 20.0,
        nominal_rate: 80.0,
        latency_ms: 18.0,
        calls: &[("cache-redis", 0.9), ("database-primary", 0.3)],
        endpoints: [94, 0, 0, 6],
    },
    Entry {
        name: "product-service",
        rate: 20.0,
        nominal_rate: 92.0,
        latency_ms: 15.0,
        calls: &[("cache-redis", 0.9), ("database-primary", 0.3)],
        endpoints: [0, 95, 0, 5],
    },
    Entry {
        name: "order-service",
        rate: 10.0,
        nominal_rate: 40.0,
        latency_ms: 25.0,
        calls: &[("payment-service", 0.6), ("notification-service", 0.5), ("database-primary", 1.0)],
        endpoints: [0, 8, 84, 8],
    },
    Entry {
        name: "payment-service",
        rate: 5.0,
        nominal_rate: 29.0,
        latency_ms: 40.0,
        calls: &[],
        endpoints: [6, 0, 86, 8],
    },
    Entry {
        name: "notification-service",
        rate: 5.0,
        nominal_rate: 25.0,
        latency_ms: 20.0,
        calls: &[],
        endpoints: [58, 0, 34, 8],
    },
    Entry {
        name: "cache-redis",
        rate: 50.0,
        nominal_rate: 205.0,
        latency_ms: 2.0,
        calls: &[],
        endpoints: [46, 50, 2, 2],
    },
    Entry {
        name: "database-primary",
        rate: 20.0,
        nominal_rate: 112.0,
        latency_ms: 6.0,
        calls: &[],
        endpoints: [28, 32, 37, 3],
    },
    Entry {
        name: "search-engine",
        rate: 10.0,
        nominal_rate: 58.0,
        latency_ms: 30.0,
        calls: &[],
        endpoints: [10, 86, 0, 4],
    },
];

/// The defaults of a service that is not in the catalogue.
pub(crate) const OTHER: Entry = Entry {
    name: "",
    rate: 0.0,
    nominal_rate: 100.0,
    latency_ms: 20.0,
    calls: &[],
    endpoints: [30, 35, 30, 5],
};

/// Returns the catalogue's entry with this name, or the defaults for other services.
pub(crate) fn entry(name: &str) -> &'static Entry {
    CATALOGUE.iter().find(|entry| entry.name == name).unwrap_or(&OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nominal_rates_are_those_of_a_fleet_with_each_service_once() {
        for entry in &CATALOGUE {
            let from_callers: f64 = CATALOGUE
                .iter()
                .flat_map(|caller| caller.calls.iter().map(move |call| (caller.nominal_rate, call)))
                .filter(|(_, (callee, _))| *callee == entry.name)
                .map(|(rate, (_, calls))| rate * calls)
                .sum();
            let rate = entry.rate + from_callers;
            assert!((rate / entry.nominal_rate - 1.0).abs() < 0.02, "{}: {rate}", entry.name);
        }
    }

    #[test]
    fn the_language_page_has_the_same_catalogue() {
        let page = include_str!("../../docs/scenario.md");
        for entry in &CATALOGUE {
            let calls: Vec<String> =
                entry.calls.iter().map(|(name, calls)| format!("{name} {calls}")).collect();
            let calls = if calls.is_empty() { String::new() } else { format!("{} ", calls.join(", ")) };
            let row = format!("| `{}` | {} | {} ms | {calls}|", entry.name, entry.rate, entry.latency_ms);
            assert!(page.lines().any(|line| line == row), "docs/scenario.md lacks the row\n{row}");
        }
    }

    #[test]
    fn endpoint_weights_are_percentages() {
        for entry in CATALOGUE.iter().chain([&OTHER]) {
            assert_eq!(entry.endpoints.iter().sum::<u16>(), 100, "{}", entry.name);
        }
    }
}
