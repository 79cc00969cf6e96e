//! Amounts of memory as they are written on the command line.
//!
//! Depends on nothing of this crate.

/// Reads `2GiB`, `800 MB`, `1.5g`, `123456` as bytes: KB, MB, GB, TB are powers of 1000; KiB and the like, and single letters, of 1024.
///
/// # Errors
/// How a size is written.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let power = |letter: &str| match letter {
        "" => Some(0),
        _ => "kmgt".find(letter).map(|p| p as i32 + 1),
    };
    let factor = match unit.strip_suffix("ib").map(|l| (l, 1024f64)).or(unit.strip_suffix('b').map(|l| (l, 1000.0))) {
        Some((letter, base)) if letter.len() <= 1 => power(letter).map(|p| base.powi(p)),
        None if unit.len() <= 1 => power(&unit).map(|p| 1024f64.powi(p)),
        _ => None,
    };
    match (number.parse::<f64>(), factor) {
        (Ok(n), Some(factor)) if n > 0.0 && n * factor < u64::MAX as f64 => Ok((n * factor) as u64),
        _ => Err("write a size as 2GiB, 800MB or a number of bytes".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("2GiB", 2 << 30),
            ("2g", 2 << 30),
            ("800 MB", 800_000_000),
            ("1.5 kib", 1536),
            ("123456", 123_456),
            ("7b", 7),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "-1GB", "0", "1e400", "5 parsecs", "2GG", "1.2.3MB", "99999999999999TB", "nan"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
