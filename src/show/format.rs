//! Numbers for people, and rows as a table, Markdown, CSV or JSON.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
    Csv,
    Markdown,
}

/// `482778` as `482,778`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `14301610000` as `14,301.61`: millions with two decimals, rounded.
pub fn millions(n: u64) -> String {
    let hundredths = (n / 10_000).saturating_add(u64::from(n % 10_000 >= 5_000));
    format!("{}.{:02}", thousands(hundredths / 100), hundredths % 100)
}

/// Bytes as MiB with one decimal.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / (1u64 << 20) as f64)
}

/// Rows under headings; columns from `numbers` on are aligned to the right.
pub fn table(headings: &[&str], rows: &[Vec<String>], numbers: usize, markdown: bool) -> String {
    let mut t = Table::new();
    t.load_style(if markdown { presets::ASCII_MARKDOWN } else { presets::NOTHING }).set_content_arrangement(ContentArrangement::Disabled);
    t.set_header(headings.iter().map(|h| h.to_string()));
    for r in rows {
        t.add_row(r.clone());
    }
    for (i, c) in t.column_iter_mut().enumerate() {
        if i >= numbers {
            c.set_cell_alignment(CellAlignment::Right);
        }
        if !markdown {
            c.set_padding((if i == 0 { 0 } else { 1 }, 1));
        }
    }
    let text = t.to_string();
    let mut out: Vec<String> = text.lines().map(|l| l.trim_end().to_owned()).collect();
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
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        assert_eq!(csv(&["a", "b"], &[vec!["1,5".into(), "x\"y".into()]]), "a,b\n\"1,5\",\"x\"\"y\"\n");
    }
}
