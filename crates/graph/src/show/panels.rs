//! Tables for narrow terminals: what does not fit beside goes below, and nothing is left out or cut.
//!
//! May use `table` beside it, and `text`.

use super::table::{Column, table};
use crate::text::{columns as wide, wrap};

/// Blanks between two columns.
const GAP: usize = 2;
/// Words of a row's name are broken to no less than this.
const NARROW: usize = 8;

/// Rows under headings, at most `width` wide: where the columns do not fit beside each other they stand in several tables, each of which begins
/// with the first `keys` columns. Longer cells go on in the next line, and a heading that is too long is a number, told below.
pub fn panels(mut columns: Vec<Column>, mut rows: Vec<Vec<String>>, keys: usize, width: usize) -> String {
    let mut widths = widths(&columns, &rows);
    if total(&widths) <= width {
        return table(&columns, rows, false);
    }
    let keys = keys.min(columns.len());
    let widest = widths[keys..].iter().copied().max().unwrap_or(0);
    // What rows are called yields first, to half of the width; then the others.
    let room = width.saturating_sub(widest + GAP).max(width / 2).max(NARROW);
    while total(&widths[..keys]) > room {
        let Some(most) = widths[..keys].iter_mut().filter(|w| **w > NARROW).max() else { break };
        *most -= 1;
    }
    let rest = width.saturating_sub(total(&widths[..keys]) + GAP).max(NARROW);
    widths[keys..].iter_mut().for_each(|w| *w = (*w).min(rest));
    let mut legend = vec![];
    for (column, _) in columns.iter_mut().zip(&widths).filter(|(c, most)| wide(&c.heading) > **most) {
        let number = format!("[{}]", legend.len() + 1);
        legend.push(format!("{number} {}", column.heading));
        column.heading = number.into();
    }
    rows = rows.into_iter().flat_map(|row| broken(row, &widths)).collect();

    let mut parts: Vec<Vec<usize>> = vec![];
    let mut used = 0;
    for at in keys..columns.len() {
        match parts.last_mut() {
            Some(part) if used + GAP + widths[at] <= width => part.push(at),
            _ => {
                parts.push((0..keys).chain([at]).collect());
                used = total(&widths[..keys]);
            }
        }
        used += GAP + widths[at];
    }
    let one = |part: &Vec<usize>| {
        let of = |row: &Vec<String>| part.iter().map(|i| row.get(*i).cloned().unwrap_or_default()).collect::<Vec<_>>();
        // A line that goes on with nothing of these columns is of another part.
        let own =
            rows.iter().filter(|row| row.iter().all(String::is_empty) || part.iter().any(|i| row.get(*i).is_some_and(|c| !c.is_empty())));
        table(&part.iter().map(|i| columns[*i].clone()).collect::<Vec<_>>(), own.map(of).collect(), false)
    };
    let mut out = parts.iter().map(one).collect::<Vec<_>>().join("\n");
    legend.iter().flat_map(|l| wrap(l, width)).flat_map(|l| folded(&l, width)).for_each(|l| out.push_str(&(l + "\n")));
    out
}

fn widths(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|c| wide(&c.heading)).collect();
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(w, cell)| *w = (*w).max(wide(cell)));
    }
    widths
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// A row whose cells are at most so wide, and the lines in which longer ones go on.
fn broken(row: Vec<String>, widths: &[usize]) -> Vec<Vec<String>> {
    let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, most)| folded(cell, *most)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
    (0..height).map(|line| cells.iter().map(|c| c.get(line).cloned().unwrap_or_default()).collect()).collect()
}

/// A text in pieces of at most `most` columns, broken after a space or a mark where there is one in the second half.
fn folded(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut rest = text;
    while wide(rest) > most {
        let mut taken = 0;
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            taken += wide(c.encode_utf8(&mut [0; 4]));
            if taken > most && at > 0 {
                end = at;
                break;
            }
        }
        let mark = |c: char| " ,;:/_-=+".contains(c);
        let nice = rest[..end].rfind(mark).map(|i| i + 1).filter(|i| wide(&rest[..*i]) * 2 > most);
        let (line, after) = rest.split_at(nice.unwrap_or(end));
        lines.push(line.trim_end().to_owned());
        rest = after;
    }
    lines.push(rest.to_owned());
    lines.retain(|l| !l.is_empty());
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(headings: &[&'static str]) -> Vec<Column> {
        headings.iter().enumerate().map(|(i, h)| Column::new(*h, i > 0, 1)).collect()
    }

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|c| (*c).to_owned()).collect()
    }

    #[test]
    fn what_does_not_fit_beside_goes_below() {
        let c = columns(&["name", "first", "second", "third"]);
        let rows = vec![row(&["a", "1", "22", "333"]), row(&["b", "4", "55", "666"])];
        assert_eq!(panels(c.clone(), rows.clone(), 1, 26), table(&c, rows.clone(), false));
        let narrow = panels(c, rows, 1, 20);
        let wanted = "name  first  second\n───────────────────\na         1      22\nb         4      55\n\n\
                      name  third\n───────────\na       333\nb       666\n";
        assert_eq!(narrow, wanted);
    }

    #[test]
    fn no_word_is_lost_at_any_width() {
        let long = "class_of_a_name_that_is_too_long_for_any_terminal";
        let c =
            vec![Column::new("run", false, 0), Column::new(long, true, 0), Column::new("Dice", true, 0), Column::new("脳腫瘍", true, 0)];
        let rows =
            vec![row(&["optimiser.lr=0.001,split.fold=0,patch=(48,48,48)", "0.5 ± 0.1", "0.731", "0.25"]), row(&["b", "-", "0.5", "1"])];
        for width in 20..130 {
            let shown = panels(c.clone(), rows.clone(), 1, width);
            assert!(shown.lines().all(|l| wide(l) <= width), "{width}:\n{shown}");
            let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace() && *c != '─').collect::<String>();
            for word in ["0.731", "0.25", "脳腫瘍", "Dice"] {
                assert!(letters(&shown).contains(word), "{width}: {word}\n{shown}");
            }
            // A name that goes on below stands in pieces in the first column, or in the legend.
            let first: String = shown.lines().map(|l| l.split("  ").next().unwrap_or_default()).collect();
            assert!(letters(&first).contains(&letters("(48,48,48)")) || letters(&shown).contains("(48,48,48)"), "{width}\n{shown}");
        }
    }
}
