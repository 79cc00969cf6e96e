//! Segmentation networks on a CPU: weights and model files ([`store`]), the executor of compiled programs
//! ([`exec`]), prediction over whole volumes ([`infer`]), models of other programs ([`import`]), and models for
//! them ([`export`]). Knows nothing of Burn.

pub mod exec;
pub mod export;
pub mod host;
pub mod import;
pub mod infer;
pub mod store;

pub use lmsc_graph::{compile, ir, op};
pub use lmsc_kernels as kernel;
pub use lmsc_text as text;
pub use lmsc_volume::{data, metric, volume};
