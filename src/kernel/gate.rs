//! Gated sums: volumes, each times a channel of one more, added up.

#[cfg(feature = "gpu")]
use super::gpu;
use burn::tensor::Tensor;

/// A volume `[N, C, D, H, W]` of a gate, or its SiLU.
#[derive(Clone, Debug)]
pub struct Branch {
    pub x: Tensor<5>,
    pub silu: bool,
}

/// Whether the tensor is better left to the sum of products that alone reads it ([`gate`]).
pub fn gates(x: &Tensor<5>) -> bool {
    #[cfg(feature = "gpu")]
    return gpu::takes(x);
    #[cfg(not(feature = "gpu"))]
    {
        let _ = x;
        false
    }
}

/// The sum over the branches of each one (or its SiLU) times its channel of `by`, which has one for each: `[N, branches, D, H, W]`.
///
/// # Panics
/// As Burn's `narrow` does if `by` has fewer channels than there are branches.
pub fn gate(branches: Vec<Branch>, by: Tensor<5>) -> Tensor<5> {
    // A plain product Burn brings together with what stands beside it.
    #[cfg(feature = "gpu")]
    if !matches!(branches.as_slice(), [one] if !one.silu) && gpu::gates(&branches, &by) {
        return gpu::gate(branches, by);
    }
    let branches = match <[Branch; 1]>::try_from(branches) {
        Ok([Branch { x, silu }]) => return super::mul(if silu { super::silu(x) } else { x }, by),
        Err(branches) => branches,
    };
    let products = branches.into_iter().enumerate().map(|(k, branch)| gate(vec![branch], by.clone().narrow(1, k, 1)));
    match products.reduce(super::add) {
        Some(y) => y,
        None => unreachable!("a gate has a branch"),
    }
}
