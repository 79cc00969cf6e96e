//! Source text, places in it, and the one `Diagnostic` type with its renderers.
//!
//! Level 0: depends on nothing of this crate.

mod code;
mod diagnostic;
pub mod file;
mod fold;
mod gather;
mod link;
mod nearest;
mod number;
mod output;
mod printable;
pub mod render;
mod source;
mod topic;
mod write;

pub use code::Code;
pub use diagnostic::{Diagnostic, Diagnostics, FindingKind, Label, Severity};
pub use file::FileKind;
pub use fold::{hang, squeeze, wrap};
pub use link::broken_link;
pub use nearest::{nearest, suggestion};
pub use number::{a_few, by, list, many, rounded, several, thousands};
pub use output::{Form, Outputs};
pub use printable::{columns, printable};
pub use source::{MAX_TEXT_BYTES, Place, Source, Span};
pub use topic::Topic;
pub use write::{Staged, StagedFolder, probe, read_marked, reason, unwritable, write_text, write_whole};

/// What a phase gives back: its result, or everything it found wrong.
pub type Result<T, E = Diagnostics> = std::result::Result<T, E>;
