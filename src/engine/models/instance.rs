use crate::schema::EntityType;

/// The endpoints that records of an instance name.
pub const ENDPOINTS: [&str; 4] = ["/api/users", "/api/products", "/api/orders", "/health"];

pub(super) fn entity_type() -> EntityType {
    let instance = EntityType::new("service", "application_metric")
        .tag("service_name", "the service instance")
        .tag("server_id", "the server that it runs on");
    InstanceMetric::add_to(instance).enum_column("endpoint", "what was asked for", &ENDPOINTS)
}

metrics! {
    /// The metrics of a service instance, in the order of its columns.
    InstanceMetric of INSTANCE
    RequestRate       "request_rate_per_sec" 2 "1/s" "requests that arrive";
    ResponseTimeP50   "response_time_p50_ms" 2 "ms" "the median; p50 ≤ p95 ≤ p99";
    ResponseTimeP95   "response_time_p95_ms" 2 "ms" "the 95th percentile";
    ResponseTimeP99   "response_time_p99_ms" 2 "ms" "the 99th percentile";
    ErrorRate         "error_rate_percent"   3 "%" "100 × errors ÷ requests of the tick; 0 when there were none";
    ErrorCount        "error_count"          0 "errors a tick" "failed requests";
    ActiveConnections "active_connections"   0 "connections" "about rate × mean latency, and an idle pool";
    QueueDepth        "queue_depth"          0 "requests" "requests that wait; 0 at most ticks";
}
