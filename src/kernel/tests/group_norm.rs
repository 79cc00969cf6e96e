//! Norms of groups of channels.

use super::*;

#[test]
pub fn group_norms() {
    afresh();
    for silu in [false, true] {
        for [d, h, w] in VOLUMES {
            for (c, groups) in [(1, 1), (4, 2), (6, 3), (8, 8), (5, 1)] {
                if c / groups * d * h * w < 4 {
                    continue; // One value or two have no gradient to speak of: both sides give rounding errors.
                }
                same(
                    &format!("group norm {c} in {groups} of {:?}, silu: {silu}", [d, h, w]),
                    &[random([2, c, d, h, w]) * 3.0 + 1.0],
                    &[random([c]), random([c])],
                    |t, v| group_norm(t[0].clone(), v[0].clone(), v[1].clone(), groups, 1e-5, silu),
                    |t, v| crate::kernel::group_norm::portable(t[0].clone(), v[0].clone(), v[1].clone(), groups, 1e-5, silu),
                );
            }
        }
    }
}

#[test]
fn group_norm_of_a_far_mean_keeps_its_digits() {
    let x = random([1, 2, 20, 30, 40]);
    let (one, zero) = (Tensor::ones([2], &device()), Tensor::zeros([2], &device()));
    // 1024 + x rounds x to 2^-14: the two differ by that, not by what sums of large squares would lose.
    let near = group_norm(x.clone(), one.clone(), zero.clone(), 1, 1e-5, false);
    let far = group_norm(x + 1024.0, one, zero, 1, 1e-5, false);
    close("far mean", far.to_data(), near.to_data(), 1e-4);
}
