//! What nibabel says of files: a table beside them.

use std::path::Path;

/// One row.
pub struct Row {
    pub file: String,
    /// Whether nibabel reads header and voxels.
    pub reads: bool,
    pub shape: Vec<usize>,
    pub dtype: String,
    pub affine: Vec<f64>,
    /// Of the finite voxels; NaN where there is none.
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    pub non_finite: Option<usize>,
    /// The axis order, as `RAS`; empty where the table does not say it.
    pub axes: String,
    /// The sum where voxel n weighs 1 + n mod 97, if the table has it.
    pub weighted: Option<f64>,
    /// A word of the reason for which the file is refused here though nibabel reads it; `*` for any.
    pub refused: String,
    /// The sum of the voxels of a file that is read here though nibabel refuses it; `*` for any.
    pub more: String,
}

/// Reads a table.
pub fn rows(table: &Path) -> Vec<Row> {
    let mut lines = records(&std::fs::read_to_string(table).expect("the table")).into_iter();
    let names = lines.next().expect("a heading");
    let number = |text: &str| text.parse().unwrap_or(f64::NAN);
    let row = |cells: Vec<String>| {
        let cell = |name: &str| names.iter().position(|n| n == name).map_or("", |n| cells[n].as_str());
        Row {
            file: cell("file").into(),
            reads: cell("nib") == "ok",
            shape: numbers(cell("nib_shape")).into_iter().map(|n| n as usize).collect(),
            dtype: cell("nib_dtype").into(),
            affine: numbers(cell("nib_affine")),
            sum: number(cell("nib_sum")),
            min: number(cell("nib_min")),
            max: number(cell("nib_max")),
            non_finite: cell("nib_nonfinite").parse().ok(),
            axes: cell("nib_axes").into(),
            weighted: cell("nib_weighted").parse().ok(),
            refused: cell("refused").into(),
            more: cell("more").into(),
        }
    };
    lines.filter(|cells| cells.len() == names.len()).map(row).collect()
}

/// The records of a text of comma-separated values; quotes may hold commas and line ends, and quotes twice.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut all = vec![vec![String::new()]];
    let mut quoted = false;
    for c in text.chars() {
        let record = all.last_mut().expect("a record");
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\n' if !quoted => all.push(vec![String::new()]),
            '\r' if !quoted => {}
            c => record.last_mut().expect("a cell").push(c),
        }
    }
    all
}

fn numbers(text: &str) -> Vec<f64> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'));
    text.split(word).filter(|w| !w.is_empty()).filter_map(|n| n.parse().ok()).collect()
}

/// The type's name where nibabel gives a byte order and a size: `>i2` for `int16`.
pub fn type_name(dtype: &str) -> String {
    let Some(short) = dtype.strip_prefix('>') else { return dtype.into() };
    let (kind, bytes) = short.split_at(1);
    let kind = match kind {
        "i" => "int",
        "u" => "uint",
        "f" => "float",
        _ => "complex",
    };
    format!("{kind}{}", 8 * bytes.parse::<usize>().expect("a size"))
}
