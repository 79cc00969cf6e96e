//! Devices by name.

use burn::backend::DispatchDevice;
use burn::tensor::{Device, Tensor};

use crate::text::{Code, Diagnostic, Result};

/// The kinds of GPUs that a program may be built for: through CUDA, or through Vulkan, Metal or DirectX 12.
const KINDS: [(&str, bool); 2] = [("cuda", cfg!(feature = "cuda")), ("wgpu", cfg!(feature = "wgpu"))];

/// The device called `auto`, `cpu`, `cuda`, `cuda:1`, `wgpu` or `wgpu:1`. `auto` is a GPU when the program was built for one and
/// the machine has it.
///
/// # Errors
/// E0602 when the device is unknown or not there.
pub fn device(name: &str) -> Result<Device> {
    match name {
        "cpu" => return Ok(Device::flex()),
        "auto" => {
            let all = KINDS.iter().flat_map(|(kind, _)| gpus(kind));
            return Ok(all.into_iter().find(|gpu| !in_software(gpu)).unwrap_or_else(Device::flex));
        }
        _ => {}
    }
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let Some((_, built)) = KINDS.iter().find(|(k, _)| *k == kind) else {
        return Err(refuse(format!("there is no device `{name}`"), "use `auto`, `cpu`, `cuda`, `cuda:1` or `wgpu`"));
    };
    let Ok(index) = index.parse() else {
        return Err(refuse(format!("`{name}` does not name a device"), &format!("write `{kind}`, or `{kind}:1` for the second GPU")));
    };
    if !built {
        let help = format!("use `--device cpu`, or build with `cargo build --release --features {kind}`");
        return Err(refuse(format!("the device `{kind}:{index}` is not built in"), &help));
    }
    nth(kind, index)
}

/// A device and the following ones of its kind, `count` in all; the CPU may be repeated any number of times.
///
/// # Errors
/// E0602 when one is not there.
pub fn peers(device: &Device, count: usize) -> Result<Vec<Device>> {
    let place = place_of(device);
    (0..count.max(1)).map(|i| place.map_or(Ok(device.clone()), |(kind, first)| nth(kind, first + i))).collect()
}

/// The kind of a GPU and which of them it is; nothing of the CPU.
fn place_of(device: &Device) -> Option<(&'static str, usize)> {
    if on_cpu(device) {
        return None;
    }
    let plain = device.clone().inner();
    KINDS.iter().find_map(|(kind, _)| {
        let place = gpus(kind).iter().position(|gpu| gpu.as_dispatch() == plain.as_dispatch());
        place.map(|index| (*kind, index))
    })
}

/// The name by which [`device`] gives it: `cpu`, `cuda:0`.
pub fn name_of(device: &Device) -> String {
    place_of(device).map_or("cpu".into(), |(kind, index)| format!("{kind}:{index}"))
}

/// The device to train on: with autodiff, and on a GPU with the cheap operations recomputed in the backward pass, so that their
/// outputs are not held until then.
pub fn learning(device: &Device) -> Device {
    let device = device.clone().autodiff();
    if on_cpu(&device) { device } else { device.gradient_checkpointing() }
}

/// A tensor of the plain device, as one of a device with autodiff.
pub fn tracked<const D: usize>(x: Tensor<D>, device: &Device) -> Tensor<D> {
    match device.gradient_checkpointing_strategy() {
        Some(way) => x.autodiff().with_gradient_checkpointing_strategy(way),
        None => x,
    }
}

/// Whether this is the CPU.
pub fn on_cpu(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(device) => matches!(**device, DispatchDevice::Flex(_)),
        _ => false,
    }
}

fn refuse(message: String, help: &str) -> crate::text::Diagnostics {
    Diagnostic::error(Code::E0602, message).help(help).into()
}

fn nth(kind: &str, index: usize) -> Result<Device> {
    let all = gpus(kind);
    let found = match all.len() {
        0 => "none".to_owned(),
        n => (0..n).map(|i| format!("{kind}:{i}")).collect::<Vec<_>>().join(", "),
    };
    all.into_iter().nth(index).ok_or_else(|| {
        refuse(
            format!("the device `{kind}:{index}` is not there; found: {found}"),
            "use `--device cpu`; `lmsc doctor` says what is missing",
        )
    })
}

/// Configures CubeCL to cache compiled kernels and autotuning results in the user's cache folder, unless a file
/// `cubecl.toml` says otherwise. Asked for before the first GPU is opened.
#[cfg(feature = "gpu")]
fn remember() {
    use cubecl::config::autotune::AutotuneLevel;
    use cubecl::config::cache::CacheConfig;
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        if matches!(config.environment.path, CacheConfig::Target) {
            config.environment.path = CacheConfig::Global;
            // Most of the time goes to kernels of our own, which are not autotuned.
            if std::env::var_os("CUBECL_AUTOTUNE_LEVEL").is_none() {
                config.autotune.level = AutotuneLevel::Minimal;
            }
        }
        // Where it has been read already it stays as it is.
        let _ = CubeClRuntimeConfig::try_set(config);
    });
}

#[cfg(not(feature = "gpu"))]
fn remember() {}

/// The GPUs of a kind, in the driver's order; none where the program is not built for them.
fn gpus(kind: &str) -> Vec<Device> {
    remember();
    match kind {
        #[cfg(feature = "cuda")]
        "cuda" => {
            // Burn opens the driver in a thread of its own and panics where it is missing, so it is looked for first.
            // So does CubeCL where it finds no folder of CUDA's.
            if !has_cuda() {
                return vec![];
            }
            (0..crate::kernel::cards()).map(Device::cuda).collect()
        }
        #[cfg(feature = "wgpu")]
        "wgpu" => Device::enumerate(burn::tensor::DeviceType::Wgpu).into_iter().collect(),
        _ => vec![],
    }
}

/// Whether there is a folder with the headers that kernels in half precision are compiled with.
#[cfg(feature = "cuda")]
pub fn has_cuda() -> bool {
    cubecl::cuda::install::cuda_path().is_some()
}

/// As with CUDA, which is not there.
#[cfg(not(feature = "cuda"))]
pub fn has_cuda() -> bool {
    false
}

/// How many GPUs CUDA's driver gives this program; nothing where it is not built to ask.
pub fn cuda_cards() -> Option<usize> {
    #[cfg(feature = "cuda")]
    return Some(crate::kernel::cards());
    #[cfg(not(feature = "cuda"))]
    None
}

/// Vendors' names of the GPUs that `wgpu:0`, `wgpu:1` ... are. Opens each.
pub fn through_wgpu() -> Vec<String> {
    let name = |gpu: &Device| identity(gpu).unwrap_or_else(|| "of no name".into());
    gpus("wgpu").iter().map(|gpu| name(gpu) + if in_software(gpu) { ", in software" } else { "" }).collect()
}

#[cfg(feature = "gpu")]
fn identity(gpu: &Device) -> Option<String> {
    gpu.identity().map(|found| found.name.to_string())
}

#[cfg(not(feature = "gpu"))]
fn identity(_: &Device) -> Option<String> {
    None
}

/// Bytes that this program holds of a GPU's memory, its pools' free parts among them: they grow to what was needed at once and stay. Nothing
/// on the CPU.
#[cfg(feature = "gpu")]
pub fn reserved(device: &Device) -> Option<u64> {
    let plain = device.clone().inner();
    let DispatchDevice::Cube(device) = plain.as_dispatch() else { return None };
    Some(device.client().memory_report(cubecl::MemoryScope::Device).usage().bytes_reserved)
}

/// As with a GPU, of which there is none.
#[cfg(not(feature = "gpu"))]
pub fn reserved(_: &Device) -> Option<u64> {
    None
}

/// Whether the GPU is a software renderer on the CPU: it is used only where it is asked for by name.
#[cfg(feature = "wgpu")]
fn in_software(device: &Device) -> bool {
    use burn_cubecl::CubeDevice;
    use cubecl::wgpu::WgpuDeviceKind;
    matches!(device.as_dispatch(), DispatchDevice::Cube(CubeDevice::Wgpu(device)) if device.kind == WgpuDeviceKind::Cpu)
}

#[cfg(not(feature = "wgpu"))]
fn in_software(_: &Device) -> bool {
    false
}
