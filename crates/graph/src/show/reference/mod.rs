//! The reference of the language, from the source itself: blocks, their fields and costs, a schema, graphs to begin with.
//!
//! May use `text`, `ir`, `op`, `block`, `read`, `compile`.

mod composite;
mod config;
mod language;
mod page;
mod probe;
mod render;
mod schema;
mod source;
mod template;

pub use composite::composites;
pub use config::{WrittenType, config_fields, config_names};
pub use language::language;
pub use page::{Example, Field, Input, Kind, Page, UNIT, fields, functions, page};
pub use render::{list, print};
pub use schema::schema;
pub use template::Template;

use crate::block::Spec;
use crate::text::{Diagnostics, Result};

/// The pages of all built-in blocks, in the order of the documentation.
///
/// # Errors
/// None while the tests of the blocks pass.
pub fn pages() -> Result<Vec<Page>> {
    let mut found = Diagnostics::default();
    let all = Spec::LIST.iter().filter_map(|e| found.keep(page(e))).collect();
    found.or(all)
}
