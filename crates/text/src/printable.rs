//! Characters that a terminal must not get from a user's text, and how wide the others are.

use unicode_width::UnicodeWidthChar;

/// The most characters of a name in a message.
const MOST: usize = 60;
/// Of a longer one, so many at its end: paths and names of weights differ there.
const END: usize = 28;

/// A user's name made safe for a message: hidden characters are escaped, long ones lose their middle.
pub fn printable(name: &str) -> String {
    let mut out = String::new();
    // No more is looked at than is shown: a name may be a whole file by mistake.
    let start: Vec<char> = name.chars().take(MOST + 1).collect();
    if start.len() <= MOST {
        start.into_iter().for_each(|c| show(c, &mut out));
        return out;
    }
    let mut end: Vec<char> = name.chars().rev().take(END).collect();
    end.reverse();
    start[..MOST - END].iter().for_each(|c| show(*c, &mut out));
    out.push('…');
    end.into_iter().for_each(|c| show(c, &mut out));
    out
}

/// Adds a character, or its escape (`\u{202e}`) where it would move the cursor, turn the direction of writing or not be seen.
pub(super) fn show(c: char, out: &mut String) {
    if hidden(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
}

/// A whole text with its hidden characters escaped; line breaks stay.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| if c == '\n' { out.push(c) } else { show(c, &mut out) });
    out
}

fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns that a text takes on a terminal.
pub fn columns(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(width).sum() }
}

/// Columns of a character: 0 for marks that are put on the one before, 2 for East Asian and emoji characters.
pub(super) fn width(c: char) -> usize {
    // What controls a terminal is escaped before it is printed.
    c.width().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::{columns, printable, shown};

    #[test]
    fn hidden_characters_are_escaped_and_others_stay() {
        assert_eq!(printable("a\u{202e}b\u{1b}[31m\u{200b}é日🧠"), "a\\u{202e}b\\u{1b}[31m\\u{200b}é日🧠");
        assert_eq!(shown("a\tb\r\nc\u{7f}"), "a\\u{9}b\\u{d}\nc\\u{7f}");
        assert_eq!(printable(&"x".repeat(1_000_000)).chars().count(), 61);
    }

    #[test]
    fn wide_characters_count_twice_and_marks_not_at_all() {
        assert_eq!(columns("ab"), 2);
        assert_eq!(columns("脳腫瘍"), 6);
        assert_eq!(columns("🧠"), 2);
        assert_eq!(columns("e\u{301}"), 1);
    }
}
