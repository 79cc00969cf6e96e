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

/// So many of something: `1 epoch`, `2 training cases`, `2 predictions of --pred`.
pub fn several(n: usize, what: &str) -> String {
    let (thing, rest) = what.find(" of ").map_or((what, ""), |at| what.split_at(at));
    let plural = if thing.ends_with("tch") { "es" } else { "s" };
    format!("{n} {thing}{}{rest}", if n == 1 { "" } else { plural })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thing_is_in_the_plural() {
        assert_eq!([several(1, "patch of 8x8x8"), several(3, "patch"), several(3, "epoch")], ["1 patch of 8x8x8", "3 patches", "3 epochs"]);
        assert_eq!(several(1, "validation case"), "1 validation case");
        assert_eq!(several(2, "validation case"), "2 validation cases");
        assert_eq!(several(0, "prediction of --pred"), "0 predictions of --pred");
    }
}
