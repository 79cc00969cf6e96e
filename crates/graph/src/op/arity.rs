//! How many inputs an operation takes, and the cost of the ones that touch each element a few times.

use crate::ir::{Cost, Fact, Fault};
use crate::text::Code;

/// The inputs, when there are exactly `N`.
///
/// # Errors
/// E0204 with both numbers.
pub fn exactly<const N: usize>(kind: &str, x: &[Fact]) -> Result<[Fact; N], Fault> {
    x.try_into().map_err(|_| {
        Fault::new(Code::E0204, format!("`{kind}` takes {N} input(s) but {} are connected", x.len())).help(format!("connect {N}"))
    })
}

/// `n` operations an element of `y`.
///
/// # Errors
/// When a count is beyond 64 bits.
pub fn elementwise(y: &Fact, n: u64) -> Result<Cost, Fault> {
    Ok(Cost { other: y.elements()?.saturating_mul(n), ..Cost::default() })
}
