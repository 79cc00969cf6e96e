//! A grid of voxels in space, and volumes moved onto another one.
//!
//! May use `text`, and `affine`, `orientation`, `resample`, `nifti` beside it.

use ndarray::{Array4, Axis};

use super::affine::{Affine, corner_distance, determinant, steps};
use super::header::Header;
use super::nifti::{BUDGET, Volume};
use super::orientation::{Orientation, Turn};
use super::resample::fill;
use crate::text::{Code, Diagnostic};

/// How many voxels there are and where they lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// D, H, W: the voxels along k, j, i.
    pub size: [usize; 3],
    /// Voxel (i, j, k) to mm.
    pub affine: Affine,
}

impl Grid {
    /// Distance between voxels in mm, along D, H, W.
    pub fn spacing(&self) -> [f64; 3] {
        let [i, j, k] = steps(&self.affine);
        [k, j, i]
    }

    /// The nearest axis order.
    pub fn orientation(&self) -> Orientation {
        Orientation::of(&self.affine)
    }

    /// Where the voxel d, h, w (its centre, perhaps between centres) lies: x, y, z in mm.
    pub fn world(&self, voxel: [f64; 3]) -> [f64; 3] {
        let [k, j, i] = voxel;
        [0, 1, 2].map(|r| self.affine[r][0] * i + self.affine[r][1] * j + self.affine[r][2] * k + self.affine[r][3])
    }

    /// The same voxels in another axis order.
    pub fn reoriented(&self, to: Orientation) -> Self {
        Turn::new(self.orientation(), to).grid(self)
    }

    /// A grid along the same axes around the same centre, with voxels of `spacing` (mm, along D, H, W), and as many as cover the old grid:
    /// its edge lies at most half a new voxel beyond the old one, so that every voxel of either grid has its centre within the other.
    pub fn resampled(&self, spacing: [f64; 3]) -> Self {
        let old = self.spacing();
        // Rounding of spacings in float32 adds no voxel.
        let size = [0, 1, 2].map(|a| ((self.size[a] as f64 * old[a] / spacing[a] * (1.0 - 1e-6)).ceil() as usize).max(1));
        let ratio = [0, 1, 2].map(|a| spacing[a] / old[a]);
        // Voxel 0 of the new grid, in voxels of the old one.
        let first = [0, 1, 2].map(|a| (self.size[a] as f64 - 1.0 - (size[a] as f64 - 1.0) * ratio[a]) / 2.0);
        let origin = self.world(first);
        let mut affine = self.affine;
        for (r, row) in affine.iter_mut().enumerate().take(3) {
            (0..3).for_each(|c| row[c] *= ratio[2 - c]);
            row[3] = origin[r];
        }
        Self { size, affine }
    }

    /// Whether both have as many voxels, and no corner lies more than `tolerance` mm from its like.
    pub fn is_near(&self, other: &Self, tolerance: f64) -> bool {
        self.size == other.size && corner_distance(&self.affine, &other.affine, self.size) <= tolerance
    }

    /// In what another grid differs, in words: number of voxels, spacing, axes, origin; empty where they are the same within rounding.
    pub fn differences(&self, other: &Self) -> String {
        // i, j, k.
        let turned = |[d, h, w]: [f64; 3]| [w, h, d];
        let far = |a: [f64; 3], b: [f64; 3], slack: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > slack);
        let shown = |v: [f64; 3], between: &str| v.map(round).join(between);
        let mut all = vec![];
        if self.size != other.size {
            let size = |[d, h, w]: [usize; 3]| format!("{w}x{h}x{d}");
            all.push(format!("voxels {} and {}", size(self.size), size(other.size)));
        }
        let (a, b) = (turned(self.spacing()), turned(other.spacing()));
        let finest = a.iter().chain(&b).copied().fold(f64::INFINITY, f64::min);
        if far(a, b, 1e-3 * finest) {
            all.push(format!("spacings {} and {} mm", shown(a, " x "), shown(b, " x ")));
        }
        let (a, b) = (self.orientation(), other.orientation());
        let angle = self.angle(other);
        if a != b {
            all.push(format!("axes {a} and {b}"));
        } else if angle > 0.05 {
            all.push(format!("axes that are turned by {angle:.1} degrees"));
        }
        let (a, b) = (self.world([0.0; 3]), other.world([0.0; 3]));
        if far(a, b, 1e-2 * finest) {
            all.push(format!("origins ({}) and ({}) mm", shown(a, ", "), shown(b, ", ")));
        }
        all.join("; ")
    }

    /// The largest angle between an axis of this grid and the same one of another, in degrees.
    fn angle(&self, other: &Self) -> f64 {
        let (p, q) = (steps(&self.affine), steps(&other.affine));
        let cosine = |c: usize| (0..3).map(|r| self.affine[r][c] * other.affine[r][c]).sum::<f64>() / (p[c] * q[c]);
        (0..3).map(|c| cosine(c).clamp(-1.0, 1.0).acos().to_degrees()).fold(0.0, f64::max)
    }

    /// How far the axes are from right angles, in degrees: 0 for a box, up to 90. A scan with a tilted gantry has some.
    pub fn shear(&self) -> f64 {
        let steps = steps(&self.affine);
        let cosine = |p: usize, q: usize| (0..3).map(|r| self.affine[r][p] * self.affine[r][q]).sum::<f64>() / (steps[p] * steps[q]);
        let most = cosine(0, 1).abs().max(cosine(0, 2).abs()).max(cosine(1, 2).abs());
        most.min(1.0).asin().to_degrees()
    }

    /// Voxels, or `None` beyond 64 bits.
    fn voxels(&self) -> Option<u64> {
        self.size.iter().try_fold(1u64, |n, d| n.checked_mul(u64::try_from(*d).ok()?))
    }
}

impl Volume {
    /// Where its voxels lie.
    pub fn grid(&self) -> Grid {
        Grid { size: self.size(), affine: self.affine }
    }

    /// The same voxels in another axis order. Exact; there and back is the identity.
    pub fn reoriented(&self, to: Orientation) -> Self {
        let turn = Turn::new(self.grid().orientation(), to);
        let grid = turn.grid(&self.grid());
        let [d, h, w] = grid.size;
        let mut data = Array4::zeros((self.data.dim().0, d, h, w));
        for (mut to, from) in data.axis_iter_mut(Axis(0)).zip(self.data.axis_iter(Axis(0))) {
            to.assign(&turn.view(from));
        }
        self.on(data, &grid)
    }

    /// The image on a grid with voxels of `spacing` (mm, along D, H, W) around the same centre, linear between voxels.
    ///
    /// # Errors
    /// E0702 when a spacing is no positive length, or the result needs more than [`BUDGET`] bytes.
    pub fn resampled(&self, spacing: [f64; 3]) -> Result<Self, Diagnostic> {
        let shown = spacing.map(|s| s.to_string()).join(" x ");
        if spacing.iter().any(|s| !(s.is_finite() && *s > 0.0)) {
            return Err(Diagnostic::error(Code::E0702, format!("cannot resample to a spacing of {shown} mm"))
                .help("give three positive lengths in mm, along D, H, W"));
        }
        self.onto(&self.grid().resampled(spacing)).map_err(|d| {
            d.help(format!("the spacing asked for is {shown} mm, and the volume's is {} mm", self.spacing.map(round).join(" x ")))
        })
    }

    /// The image on another grid, linear between voxels; 0 where it does not reach.
    ///
    /// # Errors
    /// E0702 when the result needs more than [`BUDGET`] bytes.
    pub fn onto(&self, grid: &Grid) -> Result<Self, Diagnostic> {
        let channels = self.data.dim().0;
        let bytes = grid.voxels().and_then(|n| n.checked_mul(4 * channels as u64)).filter(|n| *n <= BUDGET);
        if bytes.is_none() {
            let [d, h, w] = grid.size;
            let message = format!("cannot resample to {d}x{h}x{w} voxels: they need more than {} MiB", BUDGET >> 20);
            return Err(Diagnostic::error(Code::E0702, message).help("choose a coarser spacing, or crop the volume"));
        }
        let [d, h, w] = grid.size;
        let mut data = Array4::zeros((channels, d, h, w));
        for (to, from) in data.axis_iter_mut(Axis(0)).zip(self.data.axis_iter(Axis(0))) {
            fill(from, &self.grid(), grid, to);
        }
        Ok(self.on(data, grid))
    }

    fn on(&self, data: Array4<f32>, grid: &Grid) -> Self {
        let header = self.header.placed(grid, data.dim().0);
        Self { data, spacing: grid.spacing(), affine: grid.affine, header }
    }
}

fn round(v: f64) -> String {
    format!("{}", (v * 1e4).round() / 1e4)
}

/// Corners that lie this part of the diagonal apart are one: beyond what float32 can tell, and far below a voxel.
const SAME: f64 = 2e-6;

impl Header {
    /// This header on another grid, in mm. The form that was in force keeps its code; the qform is left out where it would be read as
    /// something else: no rotation says axes that are not at right angles, and near half a turn a quaternion in float32 is too coarse.
    fn placed(&self, grid: &Grid, channels: usize) -> Self {
        let [d, h, w] = grid.size;
        let [sk, sj, si] = grid.spacing();
        let a = &grid.affine;
        let code = [self.sform_code, self.qform_code].into_iter().find(|c| *c != 0).unwrap_or(1);
        let qfac = if determinant(a) < 0.0 { -1.0 } else { 1.0 };
        let turned: [[f64; 3]; 3] = std::array::from_fn(|r| [a[r][0] / si, a[r][1] / sj, a[r][2] / sk * qfac]);
        let [b, c, q] = quaternion(&turned);
        let by_qform = Self {
            dim: [w, h, d, channels],
            pixdim: [qfac, si, sj, sk],
            units: self.units & !7 | 2,
            sform_code: 0,
            qform_code: code,
            quaternion: [b, c, q, a[0][3], a[1][3], a[2][3]],
            sform: [a[0], a[1], a[2]],
            ..self.clone()
        };
        let across = (si * w as f64).hypot(sj * h as f64).hypot(sk * d as f64);
        let same = by_qform.affine().is_ok_and(|read| corner_distance(&read, a, grid.size) <= SAME * across);
        Self { sform_code: code, qform_code: if same { code } else { 0 }, ..by_qform }
    }
}

/// b, c, d of a rotation's quaternion (a is not negative): the largest part first, so that nothing is divided by a small number.
fn quaternion(m: &[[f64; 3]; 3]) -> [f64; 3] {
    let trace = m[0][0] + m[1][1] + m[2][2];
    let parts = [trace, m[0][0], m[1][1], m[2][2]];
    let largest = (0..4).max_by(|p, q| parts[*p].total_cmp(&parts[*q])).unwrap_or(0);
    let (sums, differences) =
        ([m[2][1] + m[1][2], m[0][2] + m[2][0], m[1][0] + m[0][1]], [m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]]);
    let [a, b, c, d] = match largest {
        0 => [trace + 1.0, differences[0], differences[1], differences[2]],
        1 => [differences[0], 1.0 + m[0][0] - m[1][1] - m[2][2], sums[2], sums[1]],
        2 => [differences[1], sums[2], 1.0 + m[1][1] - m[0][0] - m[2][2], sums[0]],
        _ => [differences[2], sums[1], sums[0], 1.0 + m[2][2] - m[0][0] - m[1][1]],
    };
    let length = (a * a + b * b + c * c + d * d).sqrt();
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    [b, c, d].map(|v| sign * v / length)
}

#[cfg(test)]
mod tests;
