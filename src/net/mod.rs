//! The op graph as a Burn module: devices, initialisation, running, weights in and out.
//!
//! Level 6: may use `text`, `ir`, `op`, `block`, `read`, `compile`, `kernel`.

mod compiled;
mod device;
mod engine;
mod failure;
mod forward;
mod network;
mod pass;
mod probe;
mod weights;

pub use compiled::CompiledNetwork;
pub use device::{cuda_cards, device, has_cuda, learning, name_of, on_cpu, peers, reserved, through_wgpu, tracked};
pub use engine::{load_model, model};
pub use failure::failed;
pub use forward::{Forward, LazyTensor, Observed, Parameter, TrainingPass, Weights};
pub use network::{NamedParameters, Network};
pub use pass::ForwardPass;
pub use probe::{forward, port};
pub use weights::{arrays, assign, deep_clone, save};
