//! Short words for a picture: numbers, shapes, and how wide a text will be.
//!
//! May use `ir`.

use crate::ir::Fact;

/// Three digits and a unit: `0`, `556`, `2.76k`, `583M`, `14.3G`.
pub fn short(n: u64) -> String {
    let units = ["", "k", "M", "G", "T", "P", "E"];
    let mut x = n as f64;
    let mut unit = 0;
    // 999,500 would print as 1000k.
    while x >= 999.5 && unit + 1 < units.len() {
        x /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || x >= 99.95 {
        0
    } else if x >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{x:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units[unit])
}

/// `8×64³`, `4×32×48×48`, `24` for a vector; a batch other than 1 stands in front.
pub fn shape(f: &Fact) -> String {
    let batch = if f.batch == 1 { String::new() } else { format!("{}×", f.batch) };
    let [d, h, w] = f.size;
    let space = match (f.is_vector(), d == h && h == w) {
        (true, _) => String::new(),
        (false, true) => format!("×{d}³"),
        (false, false) => format!("×{d}×{h}×{w}"),
    };
    format!("{batch}{}{space}", f.channels)
}

/// A share as a percentage: `39%`, `0.4%`, `<0.1%`.
pub fn share(part: u64, whole: u64) -> String {
    let p = 100.0 * part as f64 / whole.max(1) as f64;
    match p {
        _ if part == 0 => "0%".into(),
        p if p < 0.1 => "<0.1%".into(),
        p if p < 9.95 => format!("{p:.1}%"),
        p => format!("{p:.0}%"),
    }
}

/// About how wide a text is in a sans-serif face, in pixels.
pub fn width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.28,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | ' ' | '-' | '/' | '³' => 0.38,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.88,
        'A'..='Z' => 0.69,
        '0'..='9' | '_' | '×' => 0.59,
        c if c.is_ascii() || ('\u{a0}'..'\u{1100}').contains(&c) => 0.57,
        _ => 1.05,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// A text of at most so many characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most.saturating_sub(1)).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (n, text) in [
            (0, "0"),
            (556, "556"),
            (999, "999"),
            (1_000, "1k"),
            (2_764, "2.76k"),
            (999_499, "999k"),
            (999_500, "1M"),
            (14_301_610_000, "14.3G"),
        ] {
            assert_eq!(short(n), text);
        }
        assert_eq!(short(u64::MAX), "18.4E");
    }

    #[test]
    fn shapes() {
        assert_eq!(shape(&Fact::new(1, 8, [64; 3])), "8×64³");
        assert_eq!(shape(&Fact::new(2, 8, [4, 5, 5])), "2×8×4×5×5");
        assert_eq!(shape(&Fact::vector(1, 24)), "24");
    }
}
