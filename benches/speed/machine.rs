//! The machine and the versions that figures hold for.

use std::fs;

use serde_json::Value;
use tokio::process::Command;

use crate::servers::Servers;

/// One line.
pub(crate) async fn describe(servers: &Servers) -> anyhow::Result<String> {
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output().await;
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    Ok(format!(
        "{}, {cores} cores, {} GiB, Linux {}; RabbitMQ {}, PostgreSQL {}, {}",
        line_of("/proc/cpuinfo", "model name").unwrap_or("unknown processor".into()),
        memory_gib().unwrap_or(0),
        kernel.trim(),
        rabbitmq_version(servers).await?,
        postgresql_version(servers).await?,
        rustc.unwrap_or_default().trim(),
    ))
}

fn line_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_gib() -> Option<u64> {
    let total = line_of("/proc/meminfo", "MemTotal")?;
    let kib: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some((kib + 512 * 1024) / (1024 * 1024))
}

async fn rabbitmq_version(servers: &Servers) -> anyhow::Result<String> {
    let overview: Value = serde_json::from_str(&servers.management("GET", "overview", "").await?)?;
    Ok(overview["rabbitmq_version"].as_str().unwrap_or("of an unknown version").to_owned())
}

async fn postgresql_version(servers: &Servers) -> anyhow::Result<String> {
    let client = servers.connect("postgres").await?;
    let row = client.query_one("SHOW server_version", &[]).await?;
    let version: String = row.get(0);
    Ok(version.split(' ').next().unwrap_or_default().to_owned())
}
