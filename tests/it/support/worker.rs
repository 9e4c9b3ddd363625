//! The real binary, as a process.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{DEADLINE, Settings, until};

const BINARY: &str = env!("CARGO_BIN_EXE_docplanner-worker");

/// A running worker; killed when dropped.
pub struct Worker {
    child: Child,
    pid: u32,
    probes: String,
    log: Arc<Mutex<Vec<String>>>,
    http: reqwest::Client,
}

/// A worker's log, which can be read after its end.
#[derive(Clone)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Worker {
    pub async fn start(settings: &Settings, folder: &Path) -> Self {
        let mut child = Command::new(BINARY)
            .args(["run", "--config"])
            .arg(settings.write(folder))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                written.lock().unwrap().push(line);
            }
        });
        let pid = child.id().unwrap();
        let mut worker =
            Self { child, pid, probes: String::new(), log, http: reqwest::Client::new() };
        let listens = worker.until_logged("probes and metrics on ").await;
        let address = listens.split("probes and metrics on ").nth(1).unwrap();
        worker.probes = address.chars().take_while(|c| !['"', ' '].contains(c)).collect();
        worker
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub async fn until_ready(&self) {
        until("the worker is ready", async || self.is_ready().await.then_some(())).await;
    }

    pub async fn until_not_ready(&self) {
        until("the worker is not ready", async || (!self.is_ready().await).then_some(())).await;
    }

    pub async fn is_ready(&self) -> bool {
        self.get("readyz").await.is_ok_and(|response| response.status().is_success())
    }

    pub async fn is_alive(&self) -> bool {
        self.get("livez").await.is_ok_and(|response| response.status().is_success())
    }

    async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.http.get(format!("http://{}/{path}", self.probes)).send().await
    }

    /// The whole exposition.
    pub async fn metrics(&self) -> String {
        self.get("metrics").await.unwrap().text().await.unwrap()
    }

    /// The sum of a metric's series that have all these labels: `("deliveries_total",
    /// &["disposition=\"retry\""])`.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let name = format!("docplanner_worker_{name}");
        self.metrics()
            .await
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| series.split('{').next() == Some(&name))
            .filter(|(series, _)| labels.iter().all(|label| series.contains(label)))
            .filter_map(|(_, value)| value.parse::<f64>().ok())
            .sum()
    }

    /// Fails if the sum of these series is another one.
    pub async fn assert_metric(&self, name: &str, labels: &[&str], expected: u32) {
        let sum = self.metric(name, labels).await;
        assert!(
            (sum - f64::from(expected)).abs() < 0.5,
            "{name} {labels:?}: {sum}, not {expected}"
        );
    }

    /// Waits until so many deliveries have been settled in this way.
    pub async fn until_settled(&self, disposition: &str, count: u32) {
        let label = format!("disposition=\"{disposition}\"");
        until(&format!("{count} deliveries are {disposition}"), async || {
            let settled = self.metric("deliveries_total", &[&label]).await;
            (settled >= f64::from(count)).then_some(())
        })
        .await;
    }

    /// Waits for a log line that contains `text`.
    pub async fn until_logged(&self, text: &str) -> String {
        until(&format!("the worker logs {text:?}"), async || self.log().find(text)).await
    }

    /// Waits until so many log lines contain `text`.
    pub async fn until_logged_times(&self, text: &str, times: usize) {
        until(&format!("the worker logs {text:?} {times} times"), async || {
            (self.log().count(text) >= times).then_some(())
        })
        .await;
    }

    pub fn log(&self) -> Log {
        Log(Arc::clone(&self.log))
    }

    /// SIGKILL: the process is gone at once.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub fn signal(&self, signal: &str) {
        signal_process(self.pid, signal);
    }

    /// Waits for the process to end by itself.
    pub async fn ended(mut self) -> ExitStatus {
        tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("an end in time").unwrap()
    }

    /// SIGTERM, then the end.
    pub async fn stop(self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }
}

impl Drop for Worker {
    /// The log of a test that fails is part of its message.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.lock().unwrap();
            let rest = log.len().saturating_sub(60);
            eprintln!("the worker's last words:\n{}", log[rest..].join("\n"));
        }
    }
}

impl Log {
    pub fn find(&self, text: &str) -> Option<String> {
        self.0.lock().unwrap().iter().find(|line| line.contains(text)).cloned()
    }

    pub fn count(&self, text: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// Sends a signal such as `KILL`, `TERM`, `STOP` to a process.
pub fn signal_process(pid: u32, signal: &str) {
    let arguments = [format!("-{signal}"), pid.to_string()];
    let sent = std::process::Command::new("kill").args(arguments).status().unwrap();
    assert!(sent.success(), "signal {signal} to {pid}");
}

/// What a command printed, and how it ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the worker's binary to its end.
pub async fn run(arguments: &[&str], stdin: &str) -> Ran {
    run_with(&[], arguments, stdin).await
}

/// The same with environment variables.
pub async fn run_with(variables: &[(&str, &str)], arguments: &[&str], stdin: &str) -> Ran {
    start(variables, arguments, stdin).await.ended().await
}

/// Runs the worker's binary to its end, and reads nothing of what it prints: its exit code and stderr.
pub async fn run_unread(arguments: &[&str], stdin: &str) -> (i32, String) {
    let mut running = start(&[], arguments, stdin).await;
    drop(running.0.stdout.take());
    let ran = running.ended().await;
    (ran.code, ran.stderr)
}

/// A command that runs; killed when dropped.
pub struct Running(Child);

/// Starts the worker's binary, and does not wait for its end.
pub async fn start(variables: &[(&str, &str)], arguments: &[&str], stdin: &str) -> Running {
    use tokio::io::AsyncWriteExt;
    let mut child = Command::new(BINARY)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // A command that does not read its input may have ended before it is written.
    let _ = input.write_all(stdin.as_bytes()).await;
    Running(child)
}

impl Running {
    pub fn signal(&self, signal: &str) {
        signal_process(self.0.id().unwrap(), signal);
    }

    /// Waits for its end.
    pub async fn ended(self) -> Ran {
        let ending = tokio::time::timeout(DEADLINE, self.0.wait_with_output());
        let output = ending.await.expect("an end in time").unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub async fn topology_declare(settings: &Settings, folder: &Path) {
    let config = settings.write(folder);
    let ran = run(&["topology", "declare", "--config", config.to_str().unwrap()], "").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
