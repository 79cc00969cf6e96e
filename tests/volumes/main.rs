//! Real and odd volumes.
//!
//! All but `odd` need the data beside the checkout (`../shared`, or `$LMSC_SHARED`); without it the tests say so and pass, unless
//! `LMSC_REQUIRE_SHARED` is set.
#![cfg(feature = "predict")]

mod agree;
mod exotic;
#[path = "../given/mod.rs"]
mod given;
mod mutations;
mod odd;
mod oracle;
mod orientation;
mod real;
mod sound;

use std::path::{Path, PathBuf};

/// Every file in a folder and the folders in it, by name.
fn walk(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![];
    for e in std::fs::read_dir(root).expect("a folder") {
        let path = e.expect("an entry").path();
        if path.is_dir() { all.extend(walk(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}
