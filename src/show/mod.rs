//! What a user sees of a program: tables and their machine-readable forms.
//!
//! Level 6: may use `text`, `ir`, `op`, `read`, `compile`.

mod format;
mod listing;
mod stats;

pub use format::{Format, millions, thousands};
pub use listing::listing;
pub use stats::{Line, Stats, compare, stats};
