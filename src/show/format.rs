//! Numbers for people, and rows as a table, Markdown or CSV.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::text::thousands;

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
    Csv,
    Markdown,
}

/// `14301610000` as `14,301.61`: millions with two decimals, rounded.
pub fn millions(n: u64) -> String {
    let hundredths = (n / 10_000).saturating_add(u64::from(n % 10_000 >= 5_000));
    format!("{}.{:02}", thousands(hundredths / 100), hundredths % 100)
}

/// `1685003264` as `1,685.0`: millions with one decimal, rounded.
pub fn tenths(n: u64) -> String {
    let tenths = (n / 100_000).saturating_add(u64::from(n % 100_000 >= 50_000));
    format!("{}.{}", thousands(tenths / 10), tenths % 10)
}

/// `14641413360` as `14.641`: thousands of millions with three decimals, rounded.
pub fn billions(n: u64) -> String {
    let thousandths = (n / 1_000_000).saturating_add(u64::from(n % 1_000_000 >= 500_000));
    format!("{}.{:03}", thousands(thousandths / 1000), thousandths % 1000)
}

/// Bytes as MiB with one decimal, rounded.
pub fn mebibytes(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + (1 << 19)) >> 20;
    format!("{}.{}", thousands((tenths / 10) as u64), tenths % 10)
}

/// A bar of `share` of `width` places, in eighths of a place.
pub fn bar(share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize;
    let part = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
    let whole = "█".repeat(eighths / 8);
    if eighths.is_multiple_of(8) { whole } else { format!("{whole}{part}") }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub heading: &'static str,
    /// Numbers stand at the right.
    pub number: bool,
    /// Of columns that do not fit, those with the least worth go first; 0 for those that stay.
    pub worth: u8,
}

/// Leaves out columns until the table is at most `width` wide; gives the headings of those that went.
pub fn fit(columns: &mut Vec<Column>, rows: &mut [Vec<String>], width: usize) -> Vec<&'static str> {
    let mut widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| rows.iter().filter_map(|r| r.get(i)).map(|t| t.chars().count()).max().unwrap_or(0).max(c.heading.chars().count()))
        .collect();
    let mut gone = vec![];
    while widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1) > width {
        let least = (0..columns.len()).filter(|i| columns[*i].worth > 0).min_by_key(|i| columns[*i].worth);
        let Some(i) = least else { break };
        gone.push(columns.remove(i).heading);
        widths.remove(i);
        rows.iter_mut().filter(|r| i < r.len()).for_each(|r| drop(r.remove(i)));
    }
    gone
}

/// Rows under headings.
pub fn table(columns: &[Column], rows: Vec<Vec<String>>, markdown: bool) -> String {
    let mut t = Table::new();
    t.load_style(if markdown { presets::ASCII_MARKDOWN } else { presets::NOTHING }).set_content_arrangement(ContentArrangement::Disabled);
    t.set_header(columns.iter().map(|c| c.heading));
    t.add_rows(rows);
    for (c, column) in t.column_iter_mut().zip(columns) {
        if column.number {
            c.set_cell_alignment(CellAlignment::Right);
        }
        if !markdown {
            c.set_padding((0, 2));
        }
    }
    let mut out: Vec<String> = t.lines().map(|l| l.trim_end().to_owned()).collect();
    if !markdown && let Some(width) = out.iter().map(|l| l.chars().count()).max() {
        out.insert(1, "─".repeat(width));
    }
    out.join("\n") + "\n"
}

/// Rows as comma-separated values.
pub fn csv(headings: &[&str], rows: &[Vec<String>]) -> String {
    let quote = |s: &str| if s.contains([',', '"', '\n']) { format!("\"{}\"", s.replace('"', "\"\"")) } else { s.to_owned() };
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let mut out = line(headings.iter().map(|h| quote(h)).collect());
    rows.iter().for_each(|r| out.push_str(&line(r.iter().map(|c| quote(c)).collect())));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(482_778), "482,778");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(millions(14_301_605_000), "14,301.61");
        assert_eq!(millions(4_999), "0.00");
        assert_eq!(millions(u64::MAX), "18,446,744,073,709.55");
        assert_eq!(tenths(1_685_003_264), "1,685.0");
        assert_eq!(tenths(49_999), "0.0");
        assert_eq!(billions(14_641_413_360), "14.641");
        assert_eq!(billions(999_500_000), "1.000");
        assert_eq!(mebibytes((3 << 20) + (1 << 19)), "3.5");
        assert_eq!(mebibytes(0), "0.0");
        assert_eq!(mebibytes(u64::MAX), "17,592,186,044,416.0");
    }

    #[test]
    fn bars_have_eighths() {
        assert_eq!(bar(0.0, 8), "");
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(0.5, 1), "▌");
        assert_eq!(bar(0.3125, 4), "█▎");
        assert_eq!(bar(7.0, 2), "██");
        assert_eq!(bar(f64::NAN, 2), "");
    }

    #[test]
    fn columns_go_by_worth_until_the_rest_fits() {
        let column = |heading, worth| Column { heading, number: false, worth };
        let mut columns = vec![column("aaaa", 0), column("bbbb", 2), column("cccc", 1)];
        let mut rows = vec![vec!["1".to_owned(), "2".to_owned(), "33333".to_owned()]];
        assert_eq!(fit(&mut columns, &mut rows, 17), Vec::<&str>::new());
        assert_eq!(fit(&mut columns, &mut rows, 16), ["cccc"]);
        assert_eq!(rows, [["1", "2"]]);
        assert_eq!(fit(&mut columns, &mut rows, 1), ["bbbb"]);
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(csv(&["a", "b"], &[vec!["1,5".into(), "x\"y".into()]]), "a,b\n\"1,5\",\"x\"\"y\"\n");
    }
}
