//! Word wrap for terminals: lines are broken between words, and a word is cut only where it is longer than a line. A command that is longer than
//! a line goes on after ` \`, so that it can be pasted.
//!
//! Depends on `printable`.

use super::columns;
use super::printable::width as column;

/// Breaks a text into lines of at most `width` columns, at spaces; a longer word stays whole. Line breaks stay, and the lines that come
/// of one line keep its indentation.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| filled(line, width, indentation(line))).collect()
}

/// A text whose lines are broken as [`wrap`] does it, but what goes on stands below the text of its line: behind the label that the line
/// begins with (what stands before two spaces or more), or two columns further in where there is none.
///
/// A line that is a command goes on after ` \`; what is said of it behind two spaces or more then stands below it.
pub fn hang(text: &str, width: usize) -> String {
    let one = |line| command(line, width).unwrap_or_else(|| filled(line, width, hanging(line, width)));
    let lines: Vec<String> = text.split('\n').flat_map(one).collect();
    lines.join("\n")
}

/// The lines of a line that begins with a command of lmsc, or with `next:` and one, where it has to be broken.
fn command(line: &str, width: usize) -> Option<Vec<String>> {
    let text = line.trim_start().strip_prefix("next: ").unwrap_or(line.trim_start());
    if !text.starts_with("lmsc ") || columns(line) <= width {
        return None;
    }
    let start = line.len() - text.len();
    let (command, about) = text.split_once("  ").map_or((text, ""), |(command, about)| (command, about.trim_start()));
    if !about.is_empty() && start + columns(command) <= width && hanging(line, width) > start + columns(command) {
        return None;
    }
    let indent = " ".repeat((indentation(line) + 4).min(width / 2));
    let mut lines = vec![];
    let mut out = line[..start].to_owned();
    let words = words(command);
    let mut begun = false;
    for (n, word) in words.iter().enumerate() {
        // The sign takes two columns, but at the end.
        let room = if n + 1 == words.len() { width } else { width.saturating_sub(2) };
        if begun && columns(&out) + 1 + columns(word) > room {
            lines.push(out + " \\");
            out = indent.clone() + word;
        } else {
            out = if begun { out + " " + word } else { out + word };
        }
        begun = true;
    }
    lines.push(out);
    if !about.is_empty() {
        lines.extend(filled(&format!("{indent}{about}"), width, indent.len()));
    }
    Some(lines)
}

/// The words of a command; what is in quotes is one.
fn words(command: &str) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    let (mut quote, mut open) = (None, false);
    for c in command.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == ' ' => {
                open = false;
                continue;
            }
            _ => {}
        }
        if !std::mem::replace(&mut open, true) {
            all.push(String::new());
        }
        all.iter_mut().last().into_iter().for_each(|word| word.push(c));
    }
    all
}

/// What stays beside the number before it: `3 min`, `1.5 MiB`.
const UNITS: &[&str] = &[
    "s", "ms", "\u{b5}s", "min", "h", "%", "mm", "mm\u{b3}", "cm", "ml", "B", "KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB", "TB", "GFLOP",
    "MFLOP", "TFLOP", "GMAC", "MMAC", "GFLOP/s", "G", "M", "GFLOPS", "TFLOPS", "GB/s", "GiB/s", "MACs", "FLOPs",
];

/// Whether a word is a number, and the next one its unit.
fn belong(number: &str, unit: &str) -> bool {
    let number = number.trim_start_matches(['(', '~', '+', '-']);
    let unit = unit.trim_end_matches([',', '.', ';', ':', ')']);
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '/'))
        && UNITS.contains(&unit)
}

/// The lines of a cell of a table, each of at most `width` columns: broken at spaces, else after punctuation, else anywhere. What goes on
/// keeps the indentation. A character that is wider than `width` stands alone.
pub fn squeeze(text: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(indentation(text).min(width / 2));
    let (mut lines, mut rest) = (vec![], text.trim());
    loop {
        let at = cut(rest, width - indent.len());
        lines.push(format!("{indent}{}", rest[..at].trim_end()));
        rest = rest[at..].trim_start();
        if rest.is_empty() {
            return lines;
        }
    }
}

/// The bytes of a text that stand on its first line.
fn cut(text: &str, width: usize) -> usize {
    let (mut wide, mut anywhere, mut space) = (0, 0, None);
    for (at, c) in text.char_indices() {
        if c == ' ' {
            space = Some(at);
        }
        wide += column(c);
        // One character at least is taken, so that there is an end to it.
        if wide > width && at > 0 {
            let mark = text[..anywhere].rfind(['-', '_', '.', '/', ',', ':', '=']).map(|at| at + 1);
            // A mark near the start would leave a line almost empty.
            return space.or(mark.filter(|at| 3 * at > anywhere)).unwrap_or(anywhere);
        }
        anywhere = at + c.len_utf8();
    }
    text.len()
}

/// The columns of the spaces that a line begins with.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The column at which the text of a line goes on below it.
fn hanging(line: &str, width: usize) -> usize {
    let indent = indentation(line);
    let (mut at, mut spaces, mut behind) = (indent, 0, None);
    for c in line.trim_start_matches(' ').chars() {
        if c != ' ' && spaces > 1 {
            behind = Some(at);
        }
        // Further to the right there would be no room for the text.
        if 2 * at > width {
            break;
        }
        spaces = if c == ' ' { spaces + 1 } else { 0 };
        at += column(c);
    }
    behind.filter(|b| 2 * b <= width).unwrap_or((indent + 2).min(width / 2))
}

/// The lines of one line; all but the first stand behind `indent` columns. The gaps between words stay as they are.
fn filled(line: &str, width: usize, indent: usize) -> Vec<String> {
    if columns(line) <= width {
        return vec![line.trim_end().to_owned()];
    }
    let mut lines = vec![];
    let (mut out, mut gap, mut begun) = (String::new(), 0, false);
    // A number and its unit are one word.
    let mut all: Vec<String> = vec![];
    for word in line.split(' ') {
        match all.last_mut() {
            Some(last) if belong(last, word) => *last = format!("{last} {word}"),
            _ => all.push(word.to_owned()),
        }
    }
    for word in &all {
        // Of two spaces in a row, the split gives an empty word.
        if word.is_empty() {
            gap += 1;
            continue;
        }
        if begun && columns(&out) + gap + columns(word) > width {
            lines.push(std::mem::replace(&mut out, " ".repeat(indent) + word));
        } else {
            out.extend(std::iter::repeat_n(' ', gap));
            out.push_str(word);
        }
        (gap, begun) = (1, true);
    }
    lines.push(out);
    lines
}

#[cfg(test)]
mod tests {
    use super::{columns, hang, squeeze, wrap};

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("  one two three", 9), ["  one two", "  three"]);
        assert_eq!(wrap("a verylongword b", 4), ["a", "verylongword", "b"]);
        assert_eq!(wrap("a\n  b  1\n\nc", 20), ["a", "  b  1", "", "c"]);
        assert_eq!(wrap("", 5), [""]);
    }

    #[test]
    fn what_goes_on_stands_below_its_text() {
        assert_eq!(hang("name   one two three\n", 16), "name   one two\n       three\n");
        assert_eq!(hang("ok  cpu   one two three", 20), "ok  cpu   one two\n          three");
        assert_eq!(hang("one two three", 8), "one two\n  three");
        assert_eq!(hang("  one two three", 10), "  one two\n    three");
        // A label that takes more than half of the width has nothing beside it.
        assert_eq!(hang("a long label   text", 16), "a long label\n  text");
        assert_eq!(hang("  a  b\n\nc", 20), "  a  b\n\nc");
        assert_eq!(hang("脳   腫瘍 腫瘍", 10), "脳   腫瘍\n     腫瘍");
    }

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(hang("  lmsc train a.ron --out b", 20), "  lmsc train a.ron \\\n      --out b");
        assert_eq!(hang("  lmsc train a --set 'b=(1, 2)'", 24), "  lmsc train a --set \\\n      'b=(1, 2)'");
        assert_eq!(hang("next: lmsc report a b", 20), "next: lmsc report \\\n    a b");
        assert_eq!(hang("  lmsc check a   names, ports", 20), "  lmsc check a\n      names, ports");
        assert_eq!(hang("  lmsc a   one two", 14), "  lmsc a\n      one two");
        assert_eq!(hang("  lmsc a   one two three", 22), "  lmsc a   one two\n           three");
        assert_eq!(hang("  lmsc a b", 10), "  lmsc a b");
        // Whatever the width, the words are the same.
        let long = "  lmsc view a/images/b.nii.gz --labels 'c d.nii.gz' --model e --out f.html";
        for width in 4..90 {
            let joined: Vec<String> = hang(long, width).split(" \\\n").map(|l| l.trim().to_owned()).collect();
            assert_eq!(joined.join(" "), long.trim(), "{width}");
        }
    }

    #[test]
    fn numbers_stay_beside_their_units() {
        assert_eq!(wrap("about 3 min left", 7), ["about", "3 min", "left"]);
        assert_eq!(wrap("takes 1,024 MiB, all", 11), ["takes", "1,024 MiB,", "all"]);
        assert_eq!(wrap("of 3 patches", 4), ["of 3", "patches"]);
    }

    #[test]
    fn cells_break_where_they_can() {
        assert_eq!(squeeze("one two", 5), ["one", "two"]);
        assert_eq!(squeeze("a_long_name", 7), ["a_long_", "name"]);
        assert_eq!(squeeze("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(squeeze("  abcdefgh", 6), ["  abcd", "  efgh"]);
        assert_eq!(squeeze("脳腫瘍", 4), ["脳腫", "瘍"]);
        assert_eq!(squeeze("脳腫", 1), ["脳", "腫"]);
        assert_eq!(squeeze("", 4), [""]);
        assert_eq!(squeeze("          a bc", 4), ["  a", "  bc"]);
        let long = "x".repeat(1000);
        assert!(squeeze(&long, 7).iter().all(|l| columns(l) <= 7) && squeeze(&long, 7).concat() == long);
    }
}
