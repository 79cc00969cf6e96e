//! Rows as a table for a terminal, as Markdown, as comma-separated values.

use std::borrow::Cow;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::text;

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    pub heading: Cow<'static, str>,
    /// Numbers stand at the right.
    pub number: bool,
    /// Of columns that do not fit, those with the least worth go first; 0 for those that stay.
    pub worth: u8,
}

impl Column {
    pub fn new(heading: impl Into<Cow<'static, str>>, number: bool, worth: u8) -> Self {
        Self { heading: heading.into(), number, worth }
    }
}

/// Leaves out columns until the table is at most `width` wide; gives the headings of those that went.
pub fn fit(columns: &mut Vec<Column>, rows: &mut [Vec<String>], width: usize) -> Vec<Cow<'static, str>> {
    let mut widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, c)| rows.iter().filter_map(|r| r.get(i)).map(|t| text::columns(t)).max().unwrap_or(0).max(text::columns(&c.heading)))
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
    t.set_header(columns.iter().map(|c| c.heading.as_ref()));
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
    if !markdown && let Some(width) = out.iter().map(|l| text::columns(l)).max() {
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
    fn columns_go_by_worth_until_the_rest_fits() {
        let column = |heading: &'static str, worth| Column::new(heading, false, worth);
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
