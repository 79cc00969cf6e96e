//! The op graph as a Burn module: devices, initialisation, running, weights in and out.
//!
//! Level 6: may use `text`, `ir`, `op`, `block`, `read`, `compile`, `kernel`.

mod device;
mod map;
mod network;
mod probe;
mod tensors;
mod weights;

pub use device::{device, on_cpu};
pub use map::NameMap;
pub use network::{Named, Network};
pub use probe::{forward, port};
pub use tensors::{Tensors, read_tensors, write_tensors};
pub use weights::{assign, load, numbers, save};
