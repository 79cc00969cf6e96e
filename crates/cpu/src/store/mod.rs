//! Weights and model files, without any engine: named arrays in sealed safetensors files, initial values, the graph that a model carries,
//! names of other frameworks.
//!
//! May use `text`, `ir`, `read` and `compile`.

mod container;
mod file;
mod init;
mod map;
mod model;
mod seal;
mod semantics;

pub use file::{Store, read_store, write_store};
pub use init::init;
pub use map::{Exported, NameMap, fits};
pub(crate) use map::{bare, is_counter};
pub use model::{ATTACHED, SETS, Trained, attach, check_shapes, graph_of, load, save, save_sets};
pub use seal::FORMAT;
pub use semantics::SEMANTICS;
