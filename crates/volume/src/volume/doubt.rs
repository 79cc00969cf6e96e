//! What is odd about where a volume lies, though it can be read.
//!
//! May use `affine`, `grid`, `header`, `nifti` beside it. Every verb that uses a volume tells them.

use super::affine::corner_distance;
use super::grid::Grid;
use super::header::Header;
use super::nifti::Volume;

/// Axes this far from right angles, in degrees, are worth a word; float32 headers are off by less.
const SQUARE: f64 = 0.05;
/// Half a voxel below this, and a voxel above that, are of another size than those of people, mm.
const SMALL: f64 = 0.05;
const LARGE: f64 = 50.0;
/// A spacing may differ by this part of itself.
const SAME_STEP: f64 = 1e-2;

impl Volume {
    /// Oddities a user should know of, each a sentence: a guessed position, forms that contradict each other, a sheared grid.
    pub fn doubts(&self) -> Vec<String> {
        doubts(&self.header, &self.grid())
    }
}

/// The same of a header and the grid that it states.
pub fn doubts(h: &Header, grid: &Grid) -> Vec<String> {
    let spacing = grid.spacing();
    let mut all = vec![];
    if h.sform_code == 0 && h.qform_code == 0 {
        all.push("it has neither sform nor qform: left and right are only a guess".into());
    }
    let half_step = spacing.iter().copied().fold(f64::INFINITY, f64::min) / 2.0;
    let other = Header { sform_code: 0, ..h.clone() };
    if h.sform_code != 0 && h.qform_code != 0 {
        match other.affine() {
            Ok(q) => {
                let apart = corner_distance(&grid.affine, &q, grid.size);
                if apart > half_step {
                    all.push(format!("its sform and its qform put a corner {} mm apart; the sform counts", short(apart)));
                }
            }
            Err(_) => all.push("its qform is not valid; the sform counts".into()),
        }
    }
    let said = [3, 2, 1].map(|n: usize| h.pixdim[n].abs() * h.unit());
    let differs = |a: usize| grid.size[a] > 1 && (said[a] - spacing[a]).abs() > SAME_STEP * spacing[a];
    if h.sform_code != 0 && (0..3).any(differs) {
        let by = |v: [f64; 3]| [2, 1, 0].map(|a| short(v[a])).join(" x ");
        all.push(format!("its pixdim says {} mm and its sform {} mm; the sform counts", by(said), by(spacing)));
    }
    let shear = grid.shear();
    if shear > SQUARE {
        all.push(format!("its axes miss right angles by {} degrees (a tilted gantry?)", short(shear)));
    }
    // A single voxel is as far from the next as its maker said: nnU-Net's tool for pictures says 999 mm.
    for (axis, name) in [(0, 'k'), (1, 'j'), (2, 'i')].into_iter().filter(|(a, _)| grid.size[*a] == 1 && spacing[*a] > LARGE) {
        all.push(format!("its axis {name} has one voxel, {} mm thick: it is not resampled along it", short(spacing[axis])));
    }
    if half_step < SMALL || (0..3).any(|a| grid.size[a] > 1 && spacing[a] > LARGE) {
        all.push("its voxels are very small or very large: is its unit of length right?".into());
    }
    all
}

/// A length or an angle with up to four digits after the point.
fn short(v: f64) -> String {
    format!("{}", (v * 1e4).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    fn doubts(header: Header) -> Vec<String> {
        let affine = header.affine().unwrap();
        let [si, sj, sk] = super::super::affine::steps(&affine);
        Volume { data: Array4::zeros((1, 3, 4, 5)), spacing: [sk, sj, si], affine, header }.doubts()
    }

    #[test]
    fn each_is_said_and_a_sound_volume_has_none() {
        let sound = Header::plain([3, 4, 5], 1, [2.5, 2.0, 1.5]);
        assert_eq!(doubts(sound.clone()), [""; 0]);
        let one = |header: Header, word: &str| {
            let all = doubts(header);
            assert!(all.len() == 1 && all[0].contains(word), "{all:?}");
        };
        one(Header { sform_code: 0, qform_code: 0, ..sound.clone() }, "only a guess");
        one(Header { quaternion: [0.0, 0.0, 0.0, 9.0, 0.0, 0.0], ..sound.clone() }, "9 mm apart");
        one(Header { quaternion: [1.0, 1.0, 1.0, 0.0, 0.0, 0.0], ..sound.clone() }, "not valid");
        one(Header { qform_code: 0, pixdim: [1.0; 4], ..sound.clone() }, "1 x 1 x 1 mm and its sform 1.5 x 2 x 2.5 mm");
        let mut sheared = Header { qform_code: 0, ..sound.clone() };
        (sheared.sform[1][2], sheared.sform[2][2]) = (2.5 * 0.5, 2.5 * 0.75f64.sqrt());
        one(sheared, "by 30 degrees");
        one(Header { units: 1, ..sound }, "unit of length");
        let slice = Header { dim: [5, 4, 1, 1], ..Header::plain([1, 4, 5], 1, [999.0, 2.0, 1.5]) };
        let said = super::doubts(&slice, &Grid { size: [1, 4, 5], affine: slice.affine().unwrap() });
        assert_eq!(said, ["its axis k has one voxel, 999 mm thick: it is not resampled along it"]);
    }
}
