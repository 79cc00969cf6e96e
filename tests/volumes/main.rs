//! Real and odd volumes.
//!
//! Needs the data beside the checkout (`../shared`, or `$LMSC_SHARED`); without it the tests say so and pass, unless
//! `LMSC_REQUIRE_SHARED` is set.
#![cfg(feature = "run")]

mod exotic;
mod oracle;
mod orientation;
mod real;

use std::path::{Path, PathBuf};

fn shared(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LMSC_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("LMSC_REQUIRE_SHARED").is_none(), "{} is not there", path.display());
    eprintln!("not run: {} is not there", path.display());
    None
}

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
