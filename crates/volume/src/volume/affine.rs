//! Where voxels lie: the affine of a header, in mm.
//!
//! May use `text` only (through `refusal`). The rules are nibabel's: the sform when its code is set, else the qform, else the steps
//! with the origin in the middle and x running to the left. Unlike nibabel, metres and micrometres are brought to mm.

use super::header::Header;
use super::refusal::{HEADER, Refusal};

/// Voxel (i, j, k, 1) to mm (x, y, z, 1).
pub type Affine = [[f64; 4]; 4];

/// b² + c² + d² of a quaternion may be above 1 by this much: float32 is no better, and version 2 headers are made from those of version 1.
const QUATERNION_SLACK: f64 = 3.0 * f32::EPSILON as f64;

impl Header {
    /// The affine in mm.
    pub(super) fn affine(&self) -> Result<Affine, Refusal> {
        let rows = if self.sform_code > 0 {
            self.sform
        } else if self.qform_code > 0 {
            self.qform()?
        } else {
            self.base()?
        };
        let scale = self.unit();
        let [x, y, z] = rows.map(|r| r.map(|v| v * scale));
        let affine = [x, y, z, [0.0, 0.0, 0.0, 1.0]];
        if affine.iter().flatten().any(|v| !v.is_finite()) {
            return Err(Refusal::new("its affine has numbers that are not finite", HEADER));
        }
        let volume: f64 = steps(&affine).iter().product();
        if !(volume > 0.0 && determinant(&affine).abs() > 1e-6 * volume) {
            return Err(Refusal::new("its affine is singular: two axes point the same way, or one has no length", HEADER));
        }
        Ok(affine)
    }

    /// The steps along i, j, k, positive. An axis of one voxel may say nothing.
    fn steps(&self) -> Result<[f64; 3], Refusal> {
        let mut steps = [1.0; 3];
        for (axis, step) in steps.iter_mut().enumerate() {
            let said = self.pixdim[axis + 1].abs();
            if said.is_finite() && said > 0.0 {
                *step = said;
            } else if self.dim[axis] > 1 {
                return Err(Refusal::new(format!("pixdim[{}] is {said}, and it must be a positive length", axis + 1), HEADER));
            }
        }
        Ok(steps)
    }

    fn qform(&self) -> Result<[[f64; 4]; 3], Refusal> {
        let [b, c, d, x, y, z] = self.quaternion;
        let rest = 1.0 - (b * b + c * c + d * d);
        if rest.is_nan() || rest < -QUATERNION_SLACK {
            return Err(Refusal::new(format!("its qform is no rotation: b² + c² + d² is {}", b * b + c * c + d * d), HEADER));
        }
        // So near to half a turn the rest is rounding, and its root would be a turn of up to 0.07 degrees: nibabel takes it for 0, by the
        // precision of the header's numbers.
        let noise = if self.version == 2 { 3.0 * f64::EPSILON } else { QUATERNION_SLACK };
        let a = if rest < noise { 0.0 } else { rest.sqrt() };
        let [si, sj, sk] = self.steps()?;
        // Only -1 turns: nibabel takes any other qfac for 1.
        let sk = if self.pixdim[0] == -1.0 { -sk } else { sk };
        let row = |r: [f64; 3], t: f64| [r[0] * si, r[1] * sj, r[2] * sk, t];
        // With b² + c² + d² just above 1 the rotation is scaled to unit length, as nibabel does.
        let n = (a * a + b * b + c * c + d * d).max(f64::MIN_POSITIVE);
        let s = 2.0 / n;
        Ok([
            row([1.0 - s * (c * c + d * d), s * (b * c - a * d), s * (b * d + a * c)], x),
            row([s * (b * c + a * d), 1.0 - s * (b * b + d * d), s * (c * d - a * b)], y),
            row([s * (b * d - a * c), s * (c * d + a * b), 1.0 - s * (b * b + c * c)], z),
        ])
    }

    fn base(&self) -> Result<[[f64; 4]; 3], Refusal> {
        let [si, sj, sk] = self.steps()?;
        let middle = |axis: usize, step: f64| -step * (self.dim[axis] as f64 - 1.0) / 2.0;
        Ok([[-si, 0.0, 0.0, middle(0, -si)], [0.0, sj, 0.0, middle(1, sj)], [0.0, 0.0, sk, middle(2, sk)]])
    }
}

/// The lengths of one voxel step along i, j, k.
pub(super) fn steps(a: &Affine) -> [f64; 3] {
    [0, 1, 2].map(|c| (a[0][c].powi(2) + a[1][c].powi(2) + a[2][c].powi(2)).sqrt())
}

/// `b` after `a`: the affine of `a(b(v))`.
pub(super) fn after(a: &Affine, b: &Affine) -> Affine {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..4).map(|n| a[r][n] * b[n][c]).sum()))
}

/// The affine from mm to voxels. The determinant of an affine that was read is not 0.
pub(super) fn inverse(a: &Affine) -> Affine {
    let d = determinant(a);
    let mut back = [[0.0; 4]; 4];
    for (r, row) in back.iter_mut().enumerate().take(3) {
        for (c, v) in row.iter_mut().enumerate().take(3) {
            let (p, q, s, t) = ((c + 1) % 3, (c + 2) % 3, (r + 1) % 3, (r + 2) % 3);
            *v = (a[p][s] * a[q][t] - a[p][t] * a[q][s]) / d;
        }
        row[3] = -(0..3).map(|c| row[c] * a[c][3]).sum::<f64>();
    }
    back[3][3] = 1.0;
    back
}

pub(super) fn determinant(a: &Affine) -> f64 {
    let minor = |r: usize, s: usize, p: usize, q: usize| a[r][p] * a[s][q] - a[r][q] * a[s][p];
    a[0][0] * minor(1, 2, 1, 2) - a[0][1] * minor(1, 2, 0, 2) + a[0][2] * minor(1, 2, 0, 1)
}

/// The largest distance in mm between where two affines put a corner of a grid of `size` D, H, W.
pub fn corner_distance(a: &Affine, b: &Affine, size: [usize; 3]) -> f64 {
    let [d, h, w] = size.map(|n| n.saturating_sub(1) as f64);
    let mut far: f64 = 0.0;
    for corner in 0..8 {
        let at = |bit: usize, n: f64| if corner >> bit & 1 == 1 { n } else { 0.0 };
        let v = [at(0, w), at(1, h), at(2, d), 1.0];
        let apart: f64 = (0..3).map(|r| (0..4).map(|c| (a[r][c] - b[r][c]) * v[c]).sum::<f64>().powi(2)).sum();
        far = far.max(apart.sqrt());
    }
    far
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &Affine, b: &Affine) {
        assert!(corner_distance(a, b, [9, 9, 9]) < 1e-6, "{a:?} {b:?}");
    }

    fn plain() -> Header {
        Header { sform_code: 0, qform_code: 0, ..Header::plain([3, 4, 5], 1, [2.5, 2.0, 1.5]) }
    }

    #[test]
    fn each_form_has_its_turn() {
        let base = plain();
        // Origin in the middle, x to the left: computed by hand for 5x4x3 at 1.5, 2, 2.5.
        close(&base.affine().unwrap(), &[[-1.5, 0., 0., 3.], [0., 2., 0., -3.], [0., 0., 2.5, -2.5], [0., 0., 0., 1.]]);
        // Half a turn about z with qfac -1: x, y and z all flip.
        let q = Header { qform_code: 1, pixdim: [-1.0, 1.5, 2.0, 2.5], quaternion: [0., 0., 1., 7., 8., 9.], ..base.clone() };
        close(&q.affine().unwrap(), &[[-1.5, 0., 0., 7.], [0., -2., 0., 8.], [0., 0., -2.5, 9.], [0., 0., 0., 1.]]);
        // A quarter turn about x takes j to z and k to -y.
        let half = std::f64::consts::FRAC_1_SQRT_2;
        let q = Header { qform_code: 1, quaternion: [half, 0., 0., 0., 0., 0.], ..base };
        close(&q.affine().unwrap(), &[[1.5, 0., 0., 0.], [0., 0., -2.5, 0.], [0., 2., 0., 0.], [0., 0., 0., 1.]]);
        let s = Header { sform_code: 1, ..q };
        assert_eq!(steps(&s.affine().unwrap()), [1.5, 2.0, 2.5]);
    }

    #[test]
    fn metres_become_mm() {
        let h = Header { units: 1, sform_code: 1, sform: [[0.0015, 0., 0., -0.01], [0., 0.002, 0., 0.], [0., 0., 0.0025, 0.]], ..plain() };
        close(&h.affine().unwrap(), &[[1.5, 0., 0., -10.], [0., 2., 0., 0.], [0., 0., 2.5, 0.], [0., 0., 0., 1.]]);
    }

    #[test]
    fn what_is_no_grid_is_refused() {
        let base = plain();
        for bad in [
            Header { pixdim: [1.0, f64::NAN, 2.0, 2.5], ..base.clone() },
            Header { pixdim: [1.0, 1.5, 0.0, 2.5], ..base.clone() },
            Header { qform_code: 1, quaternion: [1., 1., 1., 0., 0., 0.], ..base.clone() },
            Header { sform_code: 1, sform: [[1., 1., 0., 0.], [1., 1., 0., 0.], [0., 0., 1., 0.]], ..base.clone() },
            Header { sform_code: 1, sform: [[f64::NAN, 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.]], ..base.clone() },
        ] {
            assert!(bad.affine().is_err(), "{bad:?}");
        }
        assert!(Header { dim: [5, 4, 1, 1], pixdim: [1.0, 1.5, 2.0, 0.0], ..base }.affine().is_ok());
    }
}
