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

/// Words are folded to no less than this many columns of the terminal while there are columns that can be left out, or a third of it.
const ROOM: usize = 16;
/// What is left of a column of words at the least.
const LEAST: usize = 6;

/// Makes a table at most `width` wide: columns are left out by their worth, and cells and headings of words that are still too long are
/// folded into several lines. Gives the headings of the columns that went, which [`left_out`] says. A table of nothing but numbers and
/// columns that stay may be wider.
pub fn fit(columns: &mut Vec<Column>, rows: &mut [Vec<String>], width: usize) -> Vec<Cow<'static, str>> {
    let mut widths = widths(columns, rows);
    let mut gone = vec![];
    let room = ROOM.max(width / 3);
    // The width of the table with words of at most so many columns.
    let total = |columns: &[Column], widths: &[usize], most: usize| {
        let each = columns.iter().zip(widths).map(|(c, w)| if c.number { *w } else { (*w).min(most) });
        each.sum::<usize>() + 2 * widths.len().saturating_sub(1)
    };
    while total(columns, &widths, room) > width {
        let least = (0..columns.len()).filter(|i| columns[*i].worth > 0).min_by_key(|i| columns[*i].worth);
        let Some(i) = least else { break };
        // A column without a name, of bars, says nothing that another does not.
        gone.extend(Some(columns.remove(i).heading).filter(|heading| !heading.is_empty()));
        widths.remove(i);
        rows.iter_mut().filter(|r| i < r.len()).for_each(|r| drop(r.remove(i)));
    }
    if total(columns, &widths, usize::MAX) > width {
        let most = (LEAST..width).rev().find(|most| total(columns, &widths, *most) <= width).unwrap_or(LEAST);
        for (i, column) in columns.iter_mut().enumerate().filter(|(i, c)| !c.number && widths[*i] > most) {
            let folded = |text: &str| text::squeeze(text, most).join("\n");
            column.heading = folded(&column.heading).into();
            rows.iter_mut().filter_map(|r| r.get_mut(i)).for_each(|cell| *cell = folded(cell));
        }
    }
    gone
}

/// What [`fit`] left out, as lines for a terminal of `width` columns; nothing where nothing was.
pub fn left_out(gone: &[Cow<'static, str>], width: usize) -> String {
    if gone.is_empty() {
        return String::new();
    }
    text::hang(&format!("left out     {} (the terminal is {width} columns wide)\n", gone.join(", ")), width)
}

/// Rows under headings, a rule between; as Markdown, or for a terminal. A cell of several lines makes its row as high.
pub fn table(columns: &[Column], rows: Vec<Vec<String>>, markdown: bool) -> String {
    let rows: Vec<Vec<String>> = if markdown { rows.into_iter().map(escaped).collect() } else { rows };
    let widths = widths(columns, &rows);
    let mut out = String::new();
    row(&mut out, columns, &widths, &columns.iter().map(|c| c.heading.as_ref()).collect::<Vec<_>>(), markdown);
    let head = out.len();
    rows.iter().for_each(|r| row(&mut out, columns, &widths, &r.iter().map(String::as_str).collect::<Vec<_>>(), markdown));
    let rule = if markdown {
        let dashes = |(c, w): (&Column, &usize)| format!("|{}{}", "-".repeat(w + 1), if c.number { ":" } else { "-" });
        columns.iter().zip(&widths).map(dashes).collect::<String>() + "|\n"
    } else {
        "─".repeat(out.lines().map(text::columns).max().unwrap_or(0)) + "\n"
    };
    out.insert_str(head, &rule);
    out
}

/// Adds a row: as many lines as its highest cell has.
fn row(out: &mut String, columns: &[Column], widths: &[usize], cells: &[&str], markdown: bool) {
    let height = if markdown { 1 } else { cells.iter().map(|c| 1 + c.matches('\n').count()).max().unwrap_or(1) };
    for n in 0..height {
        let start = out.len();
        for ((cell, column), width) in cells.iter().zip(columns).zip(widths) {
            let cell = if markdown { cell } else { cell.split('\n').nth(n).unwrap_or_default() };
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
    }
}

/// What stands in a cell of Markdown.
fn escaped(row: Vec<String>) -> Vec<String> {
    row.into_iter().map(|cell| if cell.contains('|') { cell.replace('|', "\\|") } else { cell }).collect()
}

fn widths(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|c| wide(&c.heading)).collect();
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(w, cell)| *w = (*w).max(wide(cell)));
    }
    widths
}

/// The columns that the widest line of a cell takes.
fn wide(cell: &str) -> usize {
    cell.split('\n').map(text::columns).max().unwrap_or(0)
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
        let mut bars = (vec![column("aaaa", 0), column("", 1)], [vec!["1".to_owned(), "██████".to_owned()]]);
        assert_eq!((fit(&mut bars.0, &mut bars.1, 5), bars.0.len()), (vec![], 1));
        let mut columns = vec![column("aaaa", 0), column("bbbb", 2), column("cccc", 1)];
        let mut rows = vec![vec!["1".to_owned(), "2".to_owned(), "33333".to_owned()]];
        assert_eq!(fit(&mut columns, &mut rows, 17), Vec::<&str>::new());
        assert_eq!(fit(&mut columns, &mut rows, 16), ["cccc"]);
        assert_eq!(rows, [["1", "2"]]);
        assert_eq!(fit(&mut columns, &mut rows, 1), ["bbbb"]);
    }

    #[test]
    fn long_words_are_folded_and_no_column_is_left_out_for_them() {
        let mut columns = vec![Column::new("name", false, 0), Column::new("n", true, 0), Column::new("with a long heading", false, 0)];
        let mut rows = vec![vec!["a_name_that_is_too_long".to_owned(), "1".into(), "x".into()], vec!["b".into(), "2".into(), "y".into()]];
        assert!(fit(&mut columns, &mut rows, 31).is_empty());
        let t = table(&columns, rows, false);
        assert!(t.lines().all(|l| text::columns(l) <= 31), "{t}");
        assert!(["a_name_that_", "is_too_long", "with a long", "heading"].iter().all(|w| t.contains(w)), "{t}");
        // A name without end is folded all the same.
        let mut rows = vec![vec!["x".repeat(10_000), "1".into(), "x".into()]];
        assert!(fit(&mut columns, &mut rows, 40).is_empty());
        assert!(table(&columns, rows, false).lines().all(|l| text::columns(l) <= 40));
        assert_eq!(left_out(&["a".into(), "b".into()], 40), "left out     a, b (the terminal is 40\n             columns wide)\n");
        assert_eq!(left_out(&[], 40), "");
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
