//! What Linux tells of processes in `/proc`.

use std::{fs, path::Path};

/// A process and all that descend from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tree {
    root: u32,
}

/// Memory of a tree.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) mib: f64,
    /// The most that was ever resident.
    pub(crate) peak_mib: f64,
}

impl Memory {
    /// Of two processes.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { mib: self.mib + other.mib, peak_mib: self.peak_mib + other.peak_mib }
    }

    /// Of two looks.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { mib: self.mib.max(other.mib), peak_mib: self.peak_mib.max(other.peak_mib) }
    }
}

/// `USER_HZ`, in which Linux tells processor time on every architecture that it shows to programs.
const TICKS_PER_SECOND: f64 = 100.0;

impl Tree {
    pub(crate) fn new(root: u32) -> Self {
        Self { root }
    }

    /// Processor time so far, user and system.
    pub(crate) fn cpu_seconds(self) -> f64 {
        let ticks = self.members().into_iter().filter_map(ticks);
        f64::from(ticks.sum::<u32>()) / TICKS_PER_SECOND
    }

    pub(crate) fn memory(self) -> Memory {
        let of = |pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let mib = |key| kib(&status, key) / 1024.0;
            Memory { mib: mib("VmRSS:"), peak_mib: mib("VmHWM:") }
        };
        self.members().into_iter().map(of).fold(Memory::default(), Memory::plus)
    }

    /// The root first. Looking through all of `/proc` instead would take time from what is measured.
    fn members(self) -> Vec<u32> {
        let mut members = vec![self.root];
        let mut next = 0;
        while let Some(pid) = members.get(next) {
            let threads = format!("/proc/{pid}/task");
            for thread in entries(&threads) {
                let children = fs::read_to_string(format!("{threads}/{thread}/children"));
                let children = children.unwrap_or_default();
                members
                    .extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
            next += 1;
        }
        members
    }
}

/// The process that listens on this port of the machine, if we may see it.
pub(crate) fn listening_on(port: u16) -> Option<Tree> {
    const LISTEN: &str = "0A";
    let address = format!(":{port:04X}");
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
            let listening = rows
                .filter(|row| row.len() > 9 && row[1].ends_with(&address) && row[3] == LISTEN)
                .map(|row| format!("socket:[{}]", row[9]));
            listening.collect::<Vec<_>>()
        })
        .collect();
    let holds = |pid: &u32| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        descriptors
            .filter_map(Result::ok)
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|target| sockets.iter().any(|socket| target.as_path() == Path::new(socket)))
    };
    // PostgreSQL's children inherit the socket; the postmaster is the oldest of those that hold it.
    entries("/proc").into_iter().filter(holds).min().map(Tree::new)
}

/// The names in a folder of `/proc` that are numbers.
fn entries(folder: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// A process' own time, and that of children which have ended and were waited for.
fn ticks(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in brackets, and may hold blanks and brackets itself.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    (11..=14).map(number).sum()
}

fn kib(status: &str, key: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
