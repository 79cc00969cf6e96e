//! A window of a volume copied with zero padding, so that the convolution kernels need no bounds checks. Uses `lanes`.

use super::lanes::Isa;

/// A box of a volume `[C, D, H, W]` that may reach over its edges, and how it lies in scratch space:
/// `[C, D, H, phase, row]`, where column `j` of the box stands at phase `j % step`, place `j / step`.
#[derive(Clone, Copy, Debug)]
pub struct Halo {
    /// Channels and extent of the volume.
    pub channels: usize,
    pub volume: [usize; 3],
    /// First place of the box in the volume; may be negative.
    pub origin: [isize; 3],
    /// Extent of the box in depth and height, and of each phase in width (padded with what follows, zeros beyond the volume).
    pub extent: [usize; 3],
    /// Distance in the volume of neighbours in a scratch row: the width stride of a convolution.
    pub step: usize,
}

/// Room in a row for `width` outputs, read in whole vectors, and `reach` places beyond.
pub fn row_extent(isa: Isa, width: usize, reach: usize) -> usize {
    (width.next_multiple_of(isa.lanes()) + reach).next_multiple_of(isa.lanes())
}

impl Halo {
    pub fn row(&self) -> usize {
        self.extent[2] * self.step
    }
    pub fn plane(&self) -> usize {
        self.extent[1] * self.row()
    }
    pub fn channel(&self) -> usize {
        self.extent[0] * self.plane()
    }
    pub fn len(&self) -> usize {
        self.channels * self.channel()
    }

    /// Copies the box. `source` starts at the first channel.
    pub fn fill(&self, source: &[f32], out: &mut [f32]) {
        let [vd, vh, vw] = self.volume;
        let row_len = self.row();
        if row_len == 0 || self.extent[1] == 0 {
            return;
        }
        for (index, out) in out[..self.len()].chunks_exact_mut(row_len).enumerate() {
            let h = self.origin[1] + (index % self.extent[1]) as isize;
            let d = self.origin[0] + (index / self.extent[1] % self.extent[0]) as isize;
            let c = index / (self.extent[1] * self.extent[0]);
            if d < 0 || d >= vd as isize || h < 0 || h >= vh as isize {
                out.fill(0.0);
                continue;
            }
            let start = ((c * vd + d as usize) * vh + h as usize) * vw;
            self.fill_row(&source[start..start + vw], out);
        }
    }

    fn fill_row(&self, source: &[f32], out: &mut [f32]) {
        let (origin, step) = (self.origin[2], self.step as isize);
        for (phase, out) in out.chunks_exact_mut(self.extent[2]).enumerate() {
            // Place i of this phase is column origin + phase + i * step of the volume.
            let first = origin + phase as isize;
            let lo = (-first).div_euclid(step) + isize::from((-first).rem_euclid(step) != 0);
            let lo = lo.clamp(0, out.len() as isize) as usize;
            let hi = (source.len() as isize - first + step - 1).div_euclid(step).clamp(lo as isize, out.len() as isize) as usize;
            out[..lo].fill(0.0);
            out[hi..].fill(0.0);
            if lo < hi {
                let from = (first + lo as isize * step) as usize;
                if step == 1 {
                    out[lo..hi].copy_from_slice(&source[from..from + hi - lo]);
                } else {
                    out[lo..hi].iter_mut().zip(source[from..].iter().step_by(self.step)).for_each(|(o, s)| *o = *s);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_over_the_edges_has_zeros_outside_and_phases_apart() {
        let source: Vec<f32> = (1..=2 * 2 * 3 * 5).map(|v| v as f32).collect();
        for step in 1..4 {
            for origin in [-2, -1, 0, 1, 3] {
                let halo = Halo { channels: 2, volume: [2, 3, 5], origin: [-1, origin, origin], extent: [4, 3, 8], step };
                let mut out = vec![f32::NAN; halo.len()];
                halo.fill(&source, &mut out);
                for (i, got) in out.iter().enumerate() {
                    let (place, rest) = (i % 8, i / 8);
                    let (phase, rest) = (rest % step, rest / step);
                    let (h, d, c) = (rest % 3, rest / 3 % 4, rest / 12);
                    let at = [d as isize - 1, h as isize + origin, (place * step + phase) as isize + origin];
                    let inside = at.iter().zip([2, 3, 5]).all(|(a, n)| (0..n).contains(a));
                    let want = if inside { source[((c * 2 + at[0] as usize) * 3 + at[1] as usize) * 5 + at[2] as usize] } else { 0.0 };
                    assert_eq!(*got, want, "step {step} origin {origin} place {i}");
                }
            }
        }
    }
}
