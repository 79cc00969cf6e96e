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

/// A number to six digits that matter: 0.333333 for a third.
pub fn rounded(v: f64) -> f64 {
    format!("{v:.5e}").parse().unwrap_or(v)
}

/// A size as `48x64x64`.
pub fn by(size: [usize; 3]) -> String {
    size.map(|n| n.to_string()).join("x")
}

/// So many of something: `1 epoch`, `2 training cases`, `2 predictions of --pred`.
pub fn several(n: usize, what: &str) -> String {
    let (thing, rest) = what.find(" of ").map_or((what, ""), |at| what.split_at(at));
    match n {
        1 => format!("1 {thing}{rest}"),
        n => format!("{n} {}{rest}", plural(thing)),
    }
}

/// The same with the number grouped by thousands: `14,301 nodes`.
pub fn many(n: u64, thing: &str) -> String {
    format!("{} {}", thousands(n), if n == 1 { thing.to_owned() } else { plural(thing) })
}

fn plural(thing: &str) -> String {
    match thing.strip_suffix('y').filter(|t| !t.ends_with(['a', 'e', 'o', 'u'])) {
        Some(stem) => format!("{stem}ies"),
        None if ["ss", "ch", "x", "sh"].iter().any(|end| thing.ends_with(end)) && !thing.ends_with("epoch") => format!("{thing}es"),
        None => format!("{thing}s"),
    }
}

/// The first names of many: `` `a`, `b`, `c` and 797 more``.
pub fn a_few<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|n| format!("`{}`", n.as_ref())).collect();
    let more = names.len().saturating_sub(most);
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// `a, b, c and 98 more`: at most so many of a list.
pub fn list(items: impl IntoIterator<Item = String>, most: usize) -> String {
    let items: Vec<String> = items.into_iter().collect();
    let shown = items.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_of_many_are_shown() {
        assert_eq!(a_few(&["a", "b"], 3), "`a`, `b`");
        assert_eq!(a_few(&["a", "b", "c"], 1), "`a` and 2 more");
    }

    #[test]
    fn the_thing_is_in_the_plural() {
        assert_eq!([several(1, "patch of 8x8x8"), several(3, "patch"), several(3, "epoch")], ["1 patch of 8x8x8", "3 patches", "3 epochs"]);
        assert_eq!([several(2, "class"), several(2, "modality"), several(1, "modality")], ["2 classes", "2 modalities", "1 modality"]);
        assert_eq!([many(1, "node"), many(14_301, "operation")], ["1 node", "14,301 operations"]);
        assert_eq!(several(1, "validation case"), "1 validation case");
        assert_eq!(several(2, "validation case"), "2 validation cases");
        assert_eq!(list((0..3).map(|n| n.to_string()), 3), "0, 1, 2");
        assert_eq!(list((0..9).map(|n| n.to_string()), 2), "0, 1 and 7 more");
        assert_eq!(several(0, "prediction of --pred"), "0 predictions of --pred");
    }
}
