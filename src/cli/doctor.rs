//! `lmsc doctor`: what this machine has for running networks, and what is missing.
//!
//! May use `host`, `text`.

use std::path::{Path, PathBuf};

use lmsc_cpu::kernel::ceiling;

use super::engine::{cuda_cards, has_cuda, through_wgpu};
use super::{print, print_lines};
use crate::host;
use crate::text::Result;

/// Say what this machine has for running networks, and what is missing
///
/// Looks at the processor, the memory, and, for NVIDIA GPUs, at the driver and at CUDA's run-time compiler (NVRTC), which is all that a
/// binary with CUDA needs beside itself. A program built for wgpu opens the GPUs that Vulkan, Metal or DirectX 12 give it, for their names.
/// Nothing is changed. Exits with 0 whatever it finds.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc doctor
  lmsc doctor --json")]
pub struct Args {
    /// Print for programs
    #[arg(long)]
    pub json: bool,
}

/// Runs the verb.
///
/// # Errors
/// None.
pub fn run(args: Args) -> Result<()> {
    let mut all = findings(Path::new("/"));
    all.extend(others());
    if args.json {
        let lines: Vec<serde_json::Value> = all
            .iter()
            .map(|f| serde_json::json!({"what": f.what, "found": f.found, "sound": f.missing.is_none(), "missing": f.missing}))
            .collect();
        print(&format!("{:#}\n", serde_json::Value::from(lines)));
        return Ok(());
    }
    let width = all.iter().map(|f| f.what.len()).max().unwrap_or(0);
    let mut text = String::new();
    for f in &all {
        let mark = if f.missing.is_none() { "ok" } else { "--" };
        text.push_str(&format!("{mark}  {:width$}  {}\n", f.what, f.found));
        if let Some(remedy) = &f.missing {
            text.push_str(&format!("    {:width$}  {remedy}\n", ""));
        }
    }
    print_lines(&text);
    Ok(())
}

/// What was looked for and found; what to do where it is missing.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    found: String,
    missing: Option<String>,
}

fn sound(what: &'static str, found: impl Into<String>) -> Finding {
    Finding { what, found: found.into(), missing: None }
}

fn missing(what: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { what, found: found.into(), missing: Some(remedy.into()) }
}

/// Everything, of a machine whose files lie under `root`.
fn findings(root: &Path) -> Vec<Finding> {
    let mut all = vec![program(), processor(), memory(root), driver(root), card(root), compiler(root)];
    if cfg!(feature = "cuda") {
        all.push(headers());
    }
    all
}

fn program() -> Finding {
    let kind = if cfg!(debug_assertions) { "development build: slow" } else { "release build" };
    let devices = match (cfg!(feature = "cuda"), cfg!(feature = "wgpu")) {
        (true, true) => "the CPU, CUDA, and Vulkan, Metal or DirectX 12",
        (true, false) => "the CPU and CUDA",
        (false, true) => "the CPU, and Vulkan, Metal or DirectX 12",
        (false, false) => "the CPU",
    };
    let found = format!("{}, {kind}, for {devices}", env!("CARGO_PKG_VERSION"));
    if cfg!(any(feature = "cuda", feature = "wgpu")) {
        sound("lmsc", found)
    } else {
        missing("lmsc", found, "for NVIDIA GPUs: cargo build --release --features cuda; for others: --features wgpu")
    }
}

fn processor() -> Finding {
    let found = host::processor();
    match ceiling::instructions() {
        "portable" => missing("processor", found, "no AVX2 with FMA and no NEON: the portable kernels run, several times slower"),
        instructions => sound("processor", format!("{found}, {instructions}")),
    }
}

fn memory(root: &Path) -> Finding {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let gibibytes = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|k| k as f64 / f64::from(1 << 20))
    };
    match (gibibytes("MemTotal"), gibibytes("MemAvailable")) {
        (Some(all), Some(free)) => sound("memory", format!("{all:.1} GiB, {free:.1} GiB of it free")),
        _ => sound("memory", "its size cannot be read here"),
    }
}

fn driver(root: &Path) -> Finding {
    let text = std::fs::read_to_string(root.join("proc/driver/nvidia/version")).unwrap_or_default();
    let version =
        text.split_whitespace().find(|w| w.contains('.') && w.split('.').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit())));
    let library = libraries(root, "libcuda.so");
    match (version, library.first()) {
        (Some(v), Some(path)) => sound("CUDA driver", format!("{v}, {}", path.display())),
        (Some(v), None) => missing(
            "CUDA driver",
            format!("{v}, but libcuda.so is not there"),
            "install the driver's libraries, or give the container the GPU (--gpus all)",
        ),
        (None, Some(path)) => sound("CUDA driver", path.display().to_string()),
        (None, None) => missing("CUDA driver", "not there", "for an NVIDIA GPU: install its driver; on a CPU nothing is missing"),
    }
}

fn card(root: &Path) -> Finding {
    let folders = std::fs::read_dir(root.join("proc/driver/nvidia/gpus")).into_iter().flatten().flatten();
    let mut cards: Vec<String> = folders
        .filter_map(|f| {
            let text = std::fs::read_to_string(f.path().join("information")).ok()?;
            text.lines().find_map(|l| l.strip_prefix("Model:").map(|n| n.trim().to_owned()))
        })
        .collect();
    cards.sort();
    if cards.is_empty() && root.join("dev/dxg").exists() {
        cards.push("one behind Windows' subsystem for Linux".into());
    }
    // What the driver says counts, where it can be asked.
    match (cards.is_empty(), cuda_cards().filter(|_| root == Path::new("/"))) {
        (false, Some(0)) => {
            missing("NVIDIA GPU", format!("{}, but the driver gives this program none", cards.join(", ")), "look at CUDA_VISIBLE_DEVICES")
        }
        (true, Some(given)) if given > 0 => sound("NVIDIA GPU", format!("{given}, says the driver")),
        (true, _) => missing("NVIDIA GPU", "not there", "use --device cpu"),
        (false, _) => sound("NVIDIA GPU", cards.join(", ")),
    }
}

/// What Vulkan, Metal or DirectX 12 give, where the program is built to ask them.
fn others() -> Option<Finding> {
    let names: Vec<String> = through_wgpu().into_iter().enumerate().map(|(i, name)| format!("wgpu:{i} {name}")).collect();
    match (cfg!(feature = "wgpu"), names.is_empty()) {
        (false, _) => None,
        (true, false) => Some(sound("wgpu", names.join("; "))),
        (true, true) => Some(missing(
            "wgpu",
            "no GPU",
            "install the GPU's driver for Vulkan (package mesa-vulkan-drivers, or the maker's); use --device cpu",
        )),
    }
}

fn compiler(root: &Path) -> Finding {
    match libraries(root, "libnvrtc.so").first() {
        Some(path) => sound("NVRTC", path.display().to_string()),
        None => missing(
            "NVRTC",
            "not there",
            "for an NVIDIA GPU: install CUDA's run-time compiler (package cuda-nvrtc, or pip's nvidia-cuda-nvrtc with its folder in LD_LIBRARY_PATH)",
        ),
    }
}

/// Those of CUDA, which kernels in half precision include.
fn headers() -> Finding {
    if has_cuda() {
        sound("CUDA's headers", std::env::var("CUDA_PATH").unwrap_or_else(|_| "in their usual folder".into()))
    } else {
        missing(
            "CUDA's headers",
            "no folder of CUDA's",
            "for an NVIDIA GPU: set CUDA_PATH to the folder above `include` (package cuda-cudart-dev, or pip's nvidia-cuda-runtime)",
        )
    }
}

/// Files whose names begin with `name`, where the loader looks and where CUDA is usually put.
fn libraries(root: &Path, name: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = match root.to_str() {
        Some("/") => std::env::var_os("LD_LIBRARY_PATH").map(|p| std::env::split_paths(&p).collect()).unwrap_or_default(),
        _ => vec![],
    };
    let usual =
        ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib", "usr/lib/wsl/lib", "usr/local/nvidia/lib64"];
    folders.extend(usual.iter().map(|f| root.join(f)));
    let versions = std::fs::read_dir(root.join("usr/local")).into_iter().flatten().flatten().map(|f| f.path());
    let mut cuda: Vec<PathBuf> = versions.filter(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("cuda"))).collect();
    cuda.sort();
    folders.extend(cuda.iter().rev().flat_map(|f| [f.join("lib64"), f.join("targets/x86_64-linux/lib")]));
    let mut all = vec![];
    for folder in folders {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path()).collect();
        files.retain(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with(name)));
        files.sort();
        all.extend(files);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_machine_lacks_all_but_a_processor() {
        let root = tempfile::tempdir().unwrap();
        let all = findings(root.path());
        let lacking: Vec<&str> = all.iter().filter(|f| f.missing.is_some()).map(|f| f.what).collect();
        assert!(["CUDA driver", "NVIDIA GPU", "NVRTC"].iter().all(|w| lacking.contains(w)), "{lacking:?}");
        assert!(!lacking.contains(&"memory"));
    }

    #[test]
    fn a_machine_with_a_card_shows_it() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Wed Jan 1\n");
        write("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA RTX 5080\nIRQ: 1\n");
        write("usr/lib/x86_64-linux-gnu/libcuda.so.1", "");
        write("usr/local/cuda-12.8/lib64/libnvrtc.so.12", "");
        write("usr/local/cuda-13.0/lib64/libnvrtc.so.13", "");
        let all = findings(root.path());
        let found = |what: &str| all.iter().find(|f| f.what == what).map(|f| (f.found.clone(), f.missing.is_none())).unwrap();
        assert!(found("CUDA driver").0.starts_with("570.86.15, "));
        assert_eq!(found("NVIDIA GPU"), ("NVIDIA RTX 5080".into(), true));
        assert!(found("NVRTC").0.ends_with("cuda-13.0/lib64/libnvrtc.so.13"));
    }
}
