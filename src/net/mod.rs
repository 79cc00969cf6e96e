//! The op graph as a Burn module: devices, initialisation, running, weights in and out.
//!
//! Level 6: may use `text`, `ir`, `op`, `block`, `read`, `compile`, `kernel`.

mod container;
mod device;
mod failure;
mod forward;
mod host;
mod map;
mod network;
mod pass;
mod probe;
mod seal;
mod settled;
mod tensors;
mod weights;

pub use device::{cuda_cards, device, has_cuda, learning, name_of, on_cpu, peers, reserved, through_wgpu, tracked};
pub use failure::failed;
pub use forward::{Forward, LazyTensor, Learned, Weights};
pub use host::{available_memory, cpu, kilobytes, peak_memory, threads, total_memory};
pub use map::NameMap;
pub use network::{Named, Network};
pub use pass::Pass;
pub use probe::{forward, port};
pub use seal::FORMAT;
pub use settled::Settled;
pub use tensors::{Tensors, read_tensors, write_tensors};
pub use weights::{apart, assign, graph_of, load, numbers, save};
