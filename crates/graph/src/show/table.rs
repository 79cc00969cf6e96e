//! Rows as a table for a terminal, as Markdown, as comma-separated values.

use std::borrow::Cow;

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
    let mut widths = widths(columns, rows);
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

/// Rows under headings, a rule between; as Markdown, or for a terminal.
pub fn table(columns: &[Column], rows: Vec<Vec<String>>, markdown: bool) -> String {
    let rows: Vec<Vec<String>> = if markdown { rows.into_iter().map(escaped).collect() } else { rows };
    let widths = widths(columns, &rows);
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let start = out.len();
        for ((cell, column), width) in cells.zip(columns).zip(&widths) {
            let blanks = width - text::columns(cell).min(*width);
            let (before, after) = if column.number { (blanks, 0) } else { (0, blanks) };
            out.push_str(if markdown { "| " } else { "" });
            out.extend(std::iter::repeat_n(' ', before));
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', after));
            out.push_str(if markdown { " " } else { "  " });
        }
        if markdown {
            out.push('|');
        } else {
            out.truncate(start + out[start..].trim_end().len());
        }
        out.push('\n');
    };
    line(&mut columns.iter().map(|c| c.heading.as_ref()));
    rows.iter().for_each(|r| line(&mut r.iter().map(String::as_str)));
    let rule = if markdown {
        let dashes = |(c, w): (&Column, &usize)| format!("|{}{}", "-".repeat(w + 1), if c.number { ":" } else { "-" });
        columns.iter().zip(&widths).map(dashes).collect::<String>() + "|\n"
    } else {
        "─".repeat(out.lines().map(text::columns).max().unwrap_or(0)) + "\n"
    };
    let at = out.find('\n').map_or(out.len(), |i| i + 1);
    out.insert_str(at, &rule);
    out
}

/// What stands in a cell of Markdown.
fn escaped(row: Vec<String>) -> Vec<String> {
    row.into_iter().map(|cell| if cell.contains('|') { cell.replace('|', "\\|") } else { cell }).collect()
}

fn widths(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|c| text::columns(&c.heading)).collect();
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(w, cell)| *w = (*w).max(text::columns(cell)));
    }
    widths
}

/// A cell of comma-separated values as RFC 4180 wants it.
pub fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// Rows as comma-separated values.
pub fn csv(headings: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let mut out = line(headings.iter().map(|h| quoted(h)).collect());
    rows.iter().for_each(|r| out.push_str(&line(r.iter().map(|c| quoted(c)).collect())));
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
    fn numbers_stand_at_the_right() {
        let columns = [Column::new("name", false, 0), Column::new("n", true, 0), Column::new("", false, 0)];
        let rows = vec![vec!["脳".to_owned(), "1".into(), "█".into()], vec!["a|b".into(), "1,234".into(), String::new()]];
        let plain = "name      n\n──────────────\n脳        1  █\na|b   1,234\n";
        assert_eq!(table(&columns, rows.clone(), false), plain);
        let markdown = "| name |     n |   |\n|------|------:|---|\n| 脳   |     1 | █ |\n| a\\|b | 1,234 |   |\n";
        assert_eq!(table(&columns, rows, true), markdown);
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(csv(&["a", "b"], &[vec!["1,5".into(), "x\"y".into()]]), "a,b\n\"1,5\",\"x\"\"y\"\n");
    }
}
