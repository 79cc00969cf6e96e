//! How numbers are printed.

/// `482778` as `482,778`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// So many of something: `1 epoch`, `2 epochs`, `2 labels of cases`.
pub fn several(n: usize, what: &str) -> String {
    let (noun, rest) = what.split_once(' ').map_or((what, String::new()), |(noun, rest)| (noun, format!(" {rest}")));
    format!("{n} {noun}{}{rest}", if n == 1 { "" } else { "s" })
}
