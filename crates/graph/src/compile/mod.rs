//! From a graph's text to a checked program: wiring, order, lowering, sizes, memory.
//!
//! Level 5: may use `text`, `ir`, `op`, `block`, `read`. Knows nothing of Burn.

mod answers;
mod body;
mod claims;
mod divide;
mod flow;
mod forms;
mod inputs;
mod library;
mod lint;
mod lower;
pub mod memory;
mod order;
mod parameters;
pub mod passes;
mod ports;
mod program;
mod reason;
mod resolve;
mod shares;
mod wire;

pub use claims::verify;
pub use library::library;
pub use program::{Program, Row, compile};

/// Sizes when neither the graph nor the caller says one.
pub const DEFAULT_SIZE: [usize; 3] = [128; 3];
