//! The machine that a network runs on: its processor, what memory it has, and what this process took of it.
//!
//! Part of `net`; depends on nothing of this crate. Linux says all of it, other systems less; where nothing is known nothing is compared.

use std::path::Path;

/// Bytes that programs can still take: what the machine has free, or less where this process may not have all of it.
pub fn available_memory() -> Option<u64> {
    // Files that are cached count for the group, and give way.
    let stat = std::fs::read_to_string(Path::new(GROUP).join("memory.stat")).unwrap_or_default();
    let taken = stat.lines().find_map(|l| l.strip_prefix("anon ")?.trim().parse::<u64>().ok()).unwrap_or_default();
    let room = limit().map(|limit| limit.saturating_sub(taken));
    kilobytes("/proc/meminfo", "MemAvailable:").into_iter().chain(room).min()
}

/// Bytes that programs can take when no other runs.
pub fn total_memory() -> Option<u64> {
    kilobytes("/proc/meminfo", "MemTotal:").into_iter().chain(limit()).min()
}

/// The most memory that this process has held, in bytes, where the system says.
pub fn peak_memory() -> Option<u64> {
    kilobytes("/proc/self/status", "VmHWM:")
}

/// The processor's name, where the system says.
pub fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':')).map(|(_, n)| n.trim().to_owned());
    name.filter(|n| !n.is_empty()).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The threads that it offers.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor's name and the threads that it offers.
pub fn processor() -> String {
    with_threads(&cpu(), threads())
}

/// A processor with a number of threads, in words.
pub fn with_threads(cpu: &str, threads: usize) -> String {
    format!("{cpu}, {threads} {}", if threads == 1 { "thread" } else { "threads" })
}

/// What the files of this process's group are in.
const GROUP: &str = "/sys/fs/cgroup";

/// The most that the group may take.
fn limit() -> Option<u64> {
    std::fs::read_to_string(Path::new(GROUP).join("memory.max")).ok().and_then(|t| t.trim().parse::<u64>().ok())
}

/// The bytes behind a key of a file that counts kilobytes.
pub fn kilobytes(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_what_is_there() {
        let (free, all) = (super::available_memory().unwrap(), super::total_memory().unwrap());
        assert!(free > 1 << 20 && free < all, "{free} of {all}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_is_at_least_what_is_held() {
        let held = vec![1u8; 32 << 20];
        assert!(super::peak_memory().is_some_and(|p| p >= std::hint::black_box(&held).len() as u64));
    }
}
