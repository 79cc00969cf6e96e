//! Warnings about doubtful orientations and positions of volumes.
//!
//! May use `text`, `volume`.

use std::path::Path;

use crate::text::{Code, Diagnostic};
use crate::volume::{Grid, Header, doubts};

/// What is doubtful about a volume; of one kind where only the numbers differ.
pub(super) fn of_volume(path: &Path, header: &Header, grid: &Grid) -> Vec<Diagnostic> {
    let path = path.display().to_string();
    let one = |doubt: String| {
        let kind: String = doubt.chars().filter(|c| !c.is_ascii_digit() && !".-".contains(*c)).collect();
        let help = "`lmsc info` shows the header; correct it with your imaging tool if it is wrong";
        Diagnostic::warning(Code::E0703, format!("`{path}`: {doubt}")).help(help).of(path.clone(), kind)
    };
    doubts(header, grid).into_iter().map(one).collect()
}
