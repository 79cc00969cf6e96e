//! Source text, places in it, and the one `Diagnostic` type with its renderers.
//!
//! Level 0: depends on nothing of this crate.

mod code;
mod diagnostic;
mod nearest;
mod number;
mod printable;
pub mod render;
mod source;
mod write;

pub use code::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use nearest::{nearest, suggestion};
pub use number::{several, thousands};
pub use printable::{columns, printable, wrap};
pub use source::{MAX_TEXT_BYTES, Place, Source, Span};
pub use write::{reason, unwritable, write_text, write_whole};

/// What a phase gives back: its result, or everything it found wrong.
pub type Result<T, E = Diagnostics> = std::result::Result<T, E>;
