use crate::schema::EntityType;

pub(super) fn entity_type() -> EntityType {
    let server = EntityType::new("server", "server_metric")
        .tag("server_id", "the server")
        .tag("rack_id", "its rack")
        .tag("datacenter_zone", "its zone");
    ServerMetric::add_to(server)
}

metrics! {
    /// The metrics of a server, in the order of its columns.
    ServerMetric of SERVER
    CpuUsage         "cpu_usage_percent"       2 "%" "0–100, of all cores";
    MemoryUsage      "memory_usage_percent"    2 "%" "0–100";
    MemoryAvailable  "memory_available_gb"     2 "GB" "installed × (1 − usage ÷ 100)";
    DiskUsage        "disk_usage_percent"      2 "%" "grows with what is written, falls at a daily clean-up";
    DiskRead         "disk_read_mbps"          2 "MB/s" "read and write together stay within the device's limit";
    DiskWrite        "disk_write_mbps"         2 "MB/s" "read and write together stay within the device's limit";
    NetworkRx        "network_rx_mbps"         2 "MB/s" "received, within the line rate";
    NetworkTx        "network_tx_mbps"         2 "MB/s" "sent, within the line rate";
    CpuTemperature   "cpu_temperature_celsius" 1 "°C" "follows power and the air at the inlet, and never steps";
    PowerConsumption "power_consumption_watts" 1 "W" "follows the load, with the fan's";
}
