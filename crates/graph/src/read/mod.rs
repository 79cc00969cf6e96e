//! Reading text: RON with places, parameters and expressions, `extends`, composites, run configs.
//!
//! Level 4: may use `text`, `ir`, `op`, `block`. Knows nothing of Burn.

pub mod budget;
mod calculate;
mod change;
mod choice;
mod claim;
mod config;
mod dated;
mod de;
mod eval;
mod expand;
mod expr;
mod extend;
mod fill;
pub mod fmt;
mod freeze;
mod function;
mod graph;
mod habit;
mod hold;
mod import;
mod kind;
mod meaning;
mod parameter;
mod print;
mod recover;
mod reference;
mod scope;
mod set;
mod slip;
mod sweep;
mod syntax;
mod tree;
mod turns;
mod value;
mod words;

pub use claim::{Claim, Figure, Quantity};
pub use config::{Preset, Presets, config, config_fields};
pub use dated::{dated, upgrade};
pub use de::{Fields, Refusal, Words, fields, no_block, read as typed};
pub use expand::{Opened, expand, filled, opened, with};
pub use expr::{OPEN, Wrong, asked, evaluate, is_name, names};
pub use extend::{Loaded, blocks, defining, files, load, loaded};
pub use fill::{LAST, fill};
pub use freeze::freeze;
pub use function::calls;
pub use graph::{Changes, Composite, GraphText, InputText, NodeText, OutputText, Param, PortText};

pub use kind::recognise;
pub use meaning::{graph, meaning};
pub use parameter::{choices, given, literal, required, uses, value, with_values};
pub use reference::{Name, Reference};
pub use scope::{Answer, NodeQuestion, Scope};
pub use set::{COMMAND_LINE, Set};
pub use sweep::{Variant, variants};
pub use tree::{Entry, Kind, Tree, parse};
pub use turns::{Absent, Last, Loop};
pub use value::{FormValue, Value};
pub use words::{Class, FUNCTIONS, INITS, NORMS, classes};
