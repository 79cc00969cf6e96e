//! Devices by name.

use burn::backend::DispatchDevice;
use burn::tensor::Device;

use crate::text::{Code, Diagnostic, Result};

/// The device called `auto`, `cpu`, `cuda` or `cuda:1`. `auto` is a GPU when the program was built for one and the driver is there.
///
/// # Errors
/// E0602 when the device is unknown or not there.
pub fn device(name: &str) -> Result<Device> {
    let (kind, index) = match name.split_once(':') {
        Some((k, i)) => (k, Some(i)),
        None => (name, None),
    };
    match (kind, index) {
        ("cpu", None) => Ok(Device::flex()),
        ("auto", None) if gpu::there(0) => gpu::open(0),
        ("auto", None) => Ok(Device::flex()),
        ("cuda", index) => match index.unwrap_or("0").parse() {
            Ok(i) => gpu::open(i),
            Err(_) => Err(refuse(format!("`{name}` does not name a device"), "write `cuda`, or `cuda:1` for the second GPU")),
        },
        _ => Err(refuse(format!("there is no device `{name}`"), "use `auto`, `cpu`, `cuda` or `cuda:1`")),
    }
}

/// A device with the next ones of its kind, `count` in all; the CPU is there as often as it is asked for.
///
/// # Errors
/// E0602 when one is not there.
pub fn peers(device: &Device, count: usize) -> Result<Vec<Device>> {
    let first = if on_cpu(device) { None } else { gpu::index(device) };
    (0..count.max(1)).map(|i| first.map_or(Ok(device.clone()), |first| gpu::open(first + i))).collect()
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

#[cfg(feature = "cuda")]
mod gpu {
    use super::{Result, refuse};
    use burn::tensor::Device;

    /// Burn opens the driver in a thread of its own and panics where it is missing, so it is looked for first.
    pub fn there(index: usize) -> bool {
        std::path::Path::new(&format!("/dev/nvidia{index}")).exists() || std::path::Path::new("/dev/dxg").exists()
    }

    /// The number of a GPU.
    pub fn index(device: &Device) -> Option<usize> {
        let plain = device.clone().inner();
        (0..16).find(|i| Device::cuda(*i).as_dispatch() == plain.as_dispatch())
    }

    pub fn open(index: usize) -> Result<Device> {
        if there(index) {
            return Ok(Device::cuda(index));
        }
        let found: Vec<String> = (0..16).filter(|i| there(*i)).map(|i| format!("cuda:{i}")).collect();
        let found = if found.is_empty() { "no NVIDIA GPU".into() } else { found.join(", ") };
        Err(refuse(
            format!("the device `cuda:{index}` is not there; found: {found}"),
            "use `--device cpu`, or check the driver with `nvidia-smi`",
        ))
    }
}

#[cfg(not(feature = "cuda"))]
mod gpu {
    use super::{Result, refuse};
    use burn::tensor::Device;

    pub fn there(_: usize) -> bool {
        false
    }

    pub fn index(_: &Device) -> Option<usize> {
        None
    }

    pub fn open(index: usize) -> Result<Device> {
        Err(refuse(
            format!("the device `cuda:{index}` is not built in"),
            "use `--device cpu`, or build with `cargo build --release --features cuda`",
        ))
    }
}
