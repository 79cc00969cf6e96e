//! Files that only define `blocks` are checked alone, before a graph uses them.
//!
//! May use `lower`, `program` beside it, `read`, `text`.

use std::sync::Arc;

use super::lower::Lowering;
use super::parameters::parameters;
use super::program::{check_composites, told};
use crate::read;
use crate::text::{Diagnostics, Result, Source};

/// Checks the composites of a file that only defines `blocks`, those that it imports among them; gives how many there are, and what is sound but
/// rarely meant. Names that are parameters of the graph which will use them are not known, and not refused.
///
/// # Errors
/// Everything that is wrong with them, each at its place.
pub fn library(source: &Arc<Source>) -> Result<(usize, Diagnostics)> {
    let read::Loaded { tree, mut found, imported } = read::blocks(source)?;
    let (text, more) = read::meaning(&tree)?;
    found.0.extend(more.0);
    let mut l = Lowering::new(&text, text.whole.blocks && imported, !found.has_errors(), None, false);
    check_composites(&text, &mut l.found);
    let params = parameters(&text, &mut l.found);
    l.found.0.extend(super::forms::check(&text, &params.values).0);
    l.unopened(&params.values, &params.words, &|_| true);
    l.found.0.extend(read::fmt::stray(source));
    l.found.0.extend(read::dated(&tree, source));
    l.found.dedup();
    found.0.extend(l.found.0);
    if found.has_errors() {
        return Err(told(found.without_echoes()));
    }
    Ok((text.blocks.len(), found))
}
