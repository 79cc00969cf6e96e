//! What a user sees of a program: tables and their machine-readable forms.
//!
//! Level 6: may use `text`, `ir`, `op`, `read`, `compile`.

mod convention;
pub mod diff;
mod format;
mod listing;
mod panels;
pub mod picture;
pub mod reference;
mod sheet;
mod stats;
mod table;
mod weights;

pub use convention::Convention;
pub use format::{Format, millions};
pub use listing::{listing, operations, operations_text, scheduled};
pub use panels::panels;
pub use sheet::{WIDTH, compare};
pub use stats::{Fitting, Line, Memory, Question, Sort, Stats, measure, stats};

pub use table::{Column, csv, fit, left_out, quoted, table};
pub use weights::weights;
