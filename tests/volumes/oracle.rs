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
}

/// Reads `oracle.csv` of a folder.
pub fn rows(root: &Path) -> Vec<Row> {
    let mut lines = records(&std::fs::read_to_string(root.join("oracle.csv")).expect("the oracle")).into_iter();
    let names = lines.next().expect("a heading");
    let column = |name: &str| names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no column {name}"));
    let columns = ["file", "nib", "nib_shape", "nib_dtype", "nib_affine", "nib_sum", "nib_min", "nib_max", "nib_nonfinite"].map(column);
    let number = |text: &str| text.parse().unwrap_or(f64::NAN);
    let row = |cells: Vec<String>| {
        let [file, nib, shape, dtype, affine, sum, min, max, non_finite] = columns.map(|n| cells[n].as_str());
        Row {
            file: file.into(),
            reads: nib == "ok",
            shape: numbers(shape).into_iter().map(|n| n as usize).collect(),
            dtype: dtype.into(),
            affine: numbers(affine),
            sum: number(sum),
            min: number(min),
            max: number(max),
            non_finite: non_finite.parse().ok(),
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
