//! Segmentation networks on a CPU: weights and model files ([`store`]), kernels ([`kernel`]), the executor of compiled programs
//! ([`exec`]), and prediction over whole volumes ([`infer`]). Knows nothing of Burn.

pub mod exec;
pub mod host;
pub mod infer;
pub mod kernel;
pub mod store;

pub use lmsc_graph::{compile, ir, op};
pub use lmsc_text as text;
pub use lmsc_volume::{data, metric, volume};
