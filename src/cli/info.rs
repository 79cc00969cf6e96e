//! `lmsc info`: what there is to know of a file.
//!
//! May use `compile`, `infer`, `net`, `read`, `show`, `text`, `volume`.

mod graph;
mod model;
mod volume;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{output, print};
use crate::infer::Card;
use crate::read::recognise;
use crate::text::{Diagnostics, FileKind, Result, Source, columns, printable, wrap};

/// Say what there is to know of a volume, a model or a graph
///
/// What a file is, is told by its content. Of a volume (NIfTI): voxels, type, spacing, orientation, affine and the forms it comes from, the range of
/// its intensities or its labels with their volumes, and what is odd about it. Of a model: its graph, labels and their colours, preprocessing, training, weights and whether its seal
/// holds. Of a graph: inputs, outputs, parameters, MACs and memory in short; `lmsc stats` says more.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  lmsc info t1.nii.gz
  lmsc info runs/hippocampus/best.safetensors --tensors
  lmsc info graphs/lightmedseg.ron
  lmsc info labelsTr/*.nii.gz --json")]
pub struct Args {
    /// Volumes (.nii, .nii.gz, .hdr with .img), models (.safetensors) and graphs (.ron)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Print for programs: one object a file, one a line
    #[arg(long)]
    pub json: bool,
    /// Of weights, also every tensor: its shape and what its numbers are like
    #[arg(long)]
    pub tensors: bool,
}

/// Runs the verb.
///
/// # Errors
/// What is wrong with a file; the others are told of all the same.
pub fn run(args: Args) -> Result<()> {
    let mut found = Diagnostics::default();
    let mut first = true;
    for file in &args.files {
        let Some(sheet) = found.keep(sheet(file, args.tensors)) else { continue };
        if args.json {
            print(&format!("{}\n", sheet.json));
        } else {
            let gap = if first { "" } else { "\n" };
            print(&format!("{gap}{}", sheet.page(output::width(&std::io::stdout(), output::WIDTH))));
        }
        first = false;
    }
    found.or(())
}

/// What is known of one file; of weights every tensor, if so wished.
fn sheet(path: &Path, tensors: bool) -> Result<Sheet> {
    let named = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let volume = || volume::sheet(path, is_gzip(path));
    match (recognise(path), named.as_str()) {
        (FileKind::Weights, _) => model::sheet(path, tensors),
        (FileKind::Volume, _) => volume(),
        (FileKind::Graph, _) => graph::sheet(&Source::read(path)?),
        // What has the name of something else is told what it should be.
        (FileKind::Text | FileKind::Empty, "safetensors") => model::sheet(path, tensors),
        (FileKind::Text | FileKind::Empty | FileKind::Unknown | FileKind::Foreign(_), "nii" | "gz" | "hdr" | "img") => volume(),
        (FileKind::Text | FileKind::Empty | FileKind::Unknown, "ron") | (FileKind::Text, _) => graph::sheet(&Source::read(path)?),
        (FileKind::Empty | FileKind::Unknown, _) => volume(),
        (kind, _) => Err(kind.instead_of("a volume, a model or a graph", path).into()),
    }
}

/// What a card says, as rows of a name and its lines.
pub(super) fn card_rows(card: &Card) -> Vec<(&'static str, Vec<String>)> {
    let mut sheet = Sheet { title: String::new(), rows: vec![], doubts: vec![], json: serde_json::Value::Null };
    model::described(&mut sheet, card);
    sheet.rows
}

/// Whether a file starts as gzip does; what cannot be read does not.
fn is_gzip(path: &Path) -> bool {
    let mut first = [0; 2];
    std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut first)).is_ok() && first == [0x1f, 0x8b]
}

/// A file in words and for programs.
struct Sheet {
    /// `t1.nii.gz: a volume, NIfTI-1`.
    title: String,
    /// Name and lines of each row.
    rows: Vec<(&'static str, Vec<String>)>,
    /// What is odd.
    doubts: Vec<String>,
    json: serde_json::Value,
}

impl Sheet {
    fn row(&mut self, name: &'static str, line: impl Into<String>) {
        self.rows.push((name, vec![line.into()]));
    }

    /// The page within `width` columns; what is longer goes on below itself.
    fn page(&self, width: usize) -> String {
        let indent = self.rows.iter().map(|(name, _)| columns(name)).max().unwrap_or(0) + 4;
        let room = width.saturating_sub(indent).max(20);
        let mut text = wrap(&self.title, width).join("\n") + "\n";
        for (name, lines) in &self.rows {
            let mut label = *name;
            // A line that starts with a space is part of a table: its columns stay. One that is too wide beside its name stands below it.
            let widest = lines.iter().filter(|l| l.starts_with(' ')).map(|l| columns(l) - 1).max().unwrap_or(0);
            if widest > room {
                text.push_str(&format!("  {label}\n"));
                let within =
                    |line: &String| if widest + 4 <= width { vec![line.clone()] } else { wrap(line, width.saturating_sub(4).max(20)) };
                text.extend(lines.iter().flat_map(within).map(|line| format!("    {}\n", line.strip_prefix(' ').unwrap_or(&line))));
                continue;
            }
            for line in lines.iter().flat_map(|l| l.strip_prefix(' ').map_or_else(|| wrap(l, room), |line| vec![line.to_owned()])) {
                text.push_str(format!("  {label:w$}{line}", w = indent - 2).trim_end());
                text.push('\n');
                label = "";
            }
        }
        for doubt in &self.doubts {
            let lines = wrap(doubt, width.saturating_sub(9).max(20));
            for (n, line) in lines.iter().enumerate() {
                text.push_str(&format!("{}{line}\n", if n == 0 { "warning: " } else { "         " }));
            }
        }
        text
    }
}

/// Lines of cells in columns of their own width, numbers to the right; each line starts with a space, so that it is not wrapped.
fn table(rows: &[Vec<String>], left: usize) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(|c| rows.iter().filter_map(|r| r.get(c)).map(|t| columns(t)).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - columns(cell));
            let gap = if c == 0 { " " } else { "  " };
            line.push_str(&if c < left { format!("{gap}{cell}{pad}") } else { format!("{gap}{pad}{cell}") });
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A path that is safe to print and is not cut.
fn shown(path: &str) -> String {
    path.split('/').map(printable).collect::<Vec<_>>().join("/")
}

/// A number with up to `digits` digits after the point, without zeros at its end; large and small ones with an exponent.
fn number(v: f64, digits: i32) -> String {
    if v != 0.0 && (v.abs() >= 1e7 || v.abs() < 10f64.powi(-digits)) {
        return format!("{v:.3e}");
    }
    let scale = 10f64.powi(digits);
    let v = (v * scale).round() / scale;
    // No "-0".
    format!("{}", if v == 0.0 { 0.0 } else { v })
}

/// `1.4 MiB`.
pub(super) fn bytes(n: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut v = n as f64;
    let mut unit = "bytes";
    for next in units {
        if v < 1024.0 {
            break;
        }
        (v, unit) = (v / 1024.0, next);
    }
    if unit == "bytes" { format!("{n} bytes") } else { format!("{v:.1} {unit}") }
}

/// A part of a whole in percent.
fn percent(part: u64, whole: u64) -> String {
    let share = 100.0 * part as f64 / whole.max(1) as f64;
    // What is not all is not 100 %, and what is there is not 0 %.
    match share {
        s if part == whole || (s > 99.0 && part < whole) => {
            format!("{} %", if part == whole { 100.0 } else { (s * 100.0).floor() / 100.0 })
        }
        s if part > 0 && s < 0.01 => "under 0.01 %".into(),
        _ if part == 0 => "0 %".into(),
        // As many digits in all rows of a column.
        s => format!("{s:.*} %", if s < 1.0 { 2 } else { 1 }),
    }
}

#[cfg(test)]
mod tests;
