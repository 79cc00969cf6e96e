//! A volume on its way to the network, and the way back of what the network says.
//!
//! Part of `infer::pipeline`; may use `data` and `volume`. Arrays are `[D, H, W]` = z, y, x of the volume as it lies at the time.

use ndarray::{Array3, Array4, ArrayView3, Axis, CowArray, Ix4};

use super::resize::{nearest, resize};
use super::scale::scale;
use super::step::{BoxRule, PipelineStep, ResizeRule};
use crate::data::Extent;
use crate::volume::{Grid, LabelInterpolation, Orientation, conform, reorient, resample, resample_labels};

/// A volume after some of the steps.
#[derive(Clone, Debug)]
pub struct Work<'a> {
    /// `[C, D, H, W]`.
    pub image: CowArray<'a, f32, Ix4>,
    /// Where it lies, as long as no step has cut or resized it.
    grid: Grid,
    /// What leads back, in the order of the steps.
    back: Vec<Back>,
}

/// A change of grid, with what undoes it.
#[derive(Clone, Debug)]
enum Back {
    /// From the first grid onto the second one.
    Conformed(Box<[Grid; 2]>),
    /// From the first order to the second one.
    Turned(Orientation, Orientation),
    /// The part that was kept of so many voxels.
    Cut(Extent, [usize; 3]),
    /// From so many voxels to so many.
    Resized([usize; 3], [usize; 3], ResizeRule),
}

impl<'a> Work<'a> {
    /// With an image `[C, D, H, W]` as it was read.
    pub fn new(image: CowArray<'a, f32, Ix4>, grid: Grid) -> Self {
        Self { image, grid, back: vec![] }
    }

    /// The same volume for another network: what changes its grid from here on leads back to it as it is now.
    pub fn as_it_is(&self) -> Work<'_> {
        Work { image: CowArray::from(self.image.view()), grid: self.grid, back: vec![] }
    }

    /// D, H, W.
    pub fn size(&self) -> [usize; 3] {
        let (_, d, h, w) = self.image.dim();
        [d, h, w]
    }

    /// Does a step; not one that cuts, for which [`Work::cut`] is.
    pub fn step(&mut self, step: &PipelineStep) {
        match step {
            PipelineStep::Conform if self.grid.is_conformed() => {}
            PipelineStep::Conform => {
                let (from, onto) = (self.grid, self.grid.conformed());
                self.each(|channel| conform(channel, &from));
                self.back.push(Back::Conformed(Box::new([from, onto])));
                self.grid = onto;
            }
            PipelineStep::Orient(to) => {
                let from = self.grid.orientation();
                self.each(|channel| reorient(channel, from, *to));
                self.back.push(Back::Turned(from, *to));
                self.grid = self.grid.reoriented(*to);
            }
            PipelineStep::Resize { size: [x, y, z], by } => {
                let onto = [*z, *y, *x];
                self.back.push(Back::Resized(self.size(), onto, *by));
                self.each(|channel| resize(channel, onto, *by));
            }
            PipelineStep::Box(_) => {}
            _ => self.image.axis_iter_mut(Axis(0)).for_each(|channel| scale(step, channel)),
        }
    }

    /// Keeps a part.
    pub fn cut(&mut self, kept: Extent) {
        self.back.push(Back::Cut(kept, self.size()));
        self.each(|channel| kept.seen(channel).to_owned());
    }

    fn each(&mut self, change: impl Fn(ArrayView3<'_, f32>) -> Array3<f32>) {
        let channels: Vec<Array3<f32>> = self.image.axis_iter(Axis(0)).map(change).collect();
        let (d, h, w) = channels.first().map_or((0, 0, 0), |c| c.dim());
        let mut image = Array4::zeros((channels.len(), d, h, w));
        image.axis_iter_mut(Axis(0)).zip(&channels).for_each(|(mut to, from)| to.assign(from));
        self.image = image.into();
    }

    /// The box by a rule of what is above a part of the greatest intensity.
    pub fn box_above(&self, part: f64, rule: &BoxRule) -> Option<Extent> {
        let first = self.image.axis_iter(Axis(0)).next()?;
        let most = first.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let least = part as f32 * most;
        self.boxed(first.mapv(|v| v > least).view(), rule)
    }

    /// The box by a rule of what another network labels on its own grid, to which `there` led.
    pub fn box_of(&self, labels: ArrayView3<'_, u8>, there: &Work<'_>, rule: &BoxRule) -> Option<Extent> {
        let mut spans = spans(labels.mapv(|l| l != 0).view(), rule.filled)?;
        for back in there.back.iter().rev() {
            match back {
                Back::Cut(kept, _) => spans.iter_mut().zip(kept.start).for_each(|(s, start)| *s = s.map(|v| v + start as f64)),
                Back::Resized(from, onto, _) => {
                    spans.iter_mut().enumerate().for_each(|(a, s)| *s = s.map(|v| v * from[a] as f64 / onto[a] as f64));
                }
                // A model that finds a box turns and conforms nothing (`fault_of_finder`).
                Back::Conformed(_) | Back::Turned(..) => {}
            }
        }
        self.grown(spans, rule)
    }

    fn boxed(&self, mask: ArrayView3<'_, bool>, rule: &BoxRule) -> Option<Extent> {
        self.grown(spans(mask, rule.filled)?, rule)
    }

    /// The box of voxels that spans cover, grown by a rule and cut at the volume.
    fn grown(&self, spans: [[f64; 2]; 3], rule: &BoxRule) -> Option<Extent> {
        let size = self.size();
        let mut kept = Extent::whole(size);
        for (axis, [from, to]) in spans.into_iter().enumerate() {
            let (from, to) = if rule.grow == 1.0 {
                (from.floor(), to.ceil())
            } else {
                // Whole numbers of voxels, halves to the even number; then towards 0.
                let middle = ((from + to) / 2.0).round_ties_even();
                let half = (rule.grow * (to - from)).round_ties_even() / 2.0;
                ((middle - half).trunc(), (middle + half).trunc())
            };
            let margin = rule.margin as f64;
            let (from, to) = ((from - margin).max(0.0) as usize, ((to + margin).max(0.0) as usize).min(size[axis]));
            if from >= to {
                return None;
            }
            (kept.start[axis], kept.size[axis]) = (from, to - from);
        }
        Some(kept)
    }

    /// Labels `[D, H, W]` on the grid as it is now, on the grid before the steps; before all but a first `Conform` when `conformed`.
    pub fn labels_back(&self, mut labels: Array3<u8>, conformed: bool) -> Array3<u8> {
        for back in self.ways(conformed) {
            labels = match back {
                Back::Conformed(grids) => nearest_labels(&labels, grids),
                Back::Turned(from, to) => reorient(labels.view(), *to, *from),
                Back::Cut(kept, size) => within(labels, kept, *size, 0),
                Back::Resized(size, ..) => nearest(labels.view(), *size),
            };
        }
        labels
    }

    /// The same of numbers; `outside` stands where nothing was looked at.
    pub fn numbers_back(&self, mut numbers: Array3<f32>, outside: f32, conformed: bool) -> Array3<f32> {
        for back in self.ways(conformed) {
            numbers = match back {
                Back::Conformed(grids) => {
                    let [from, onto] = **grids;
                    let mut all = resample((numbers - outside).view(), &onto, &from);
                    all.mapv_inplace(|v| v + outside);
                    all
                }
                Back::Turned(from, to) => reorient(numbers.view(), *to, *from),
                Back::Cut(kept, size) => within(numbers, kept, *size, outside),
                Back::Resized(size, _, by) => resize(numbers.view(), *size, *by),
            };
        }
        numbers
    }

    /// From the last step to the first.
    fn ways(&self, conformed: bool) -> impl Iterator<Item = &Back> {
        let stay = usize::from(conformed && self.is_conformed());
        self.back[stay..].iter().rev()
    }

    /// Whether the volume was conformed.
    pub fn is_conformed(&self) -> bool {
        matches!(self.back.first(), Some(Back::Conformed(..)))
    }

    /// Labels on the conformed grid, on the image's own.
    pub fn labels_home(&self, labels: Array3<u8>) -> Array3<u8> {
        match self.back.first() {
            Some(Back::Conformed(grids)) => nearest_labels(&labels, grids),
            _ => labels,
        }
    }
}

/// Labels on the second grid as they are on the first one.
fn nearest_labels(labels: &Array3<u8>, [from, onto]: &[Grid; 2]) -> Array3<u8> {
    resample_labels(labels.view(), onto, from, LabelInterpolation::Nearest)
}

fn within<T: Copy>(part: Array3<T>, kept: &Extent, size: [usize; 3], outside: T) -> Array3<T> {
    let mut whole = Array3::from_elem(size, outside);
    kept.of(whole.view_mut()).assign(&part);
    whole
}

/// From where to where along each axis there are planes of which more than a part is in the mask, any voxel for 0.
fn spans(mask: ArrayView3<'_, bool>, part: f64) -> Option<[[f64; 2]; 3]> {
    let mut all = [[0.0; 2]; 3];
    for (axis, span) in all.iter_mut().enumerate() {
        let counts = mask.axis_iter(Axis(axis)).map(|plane| plane.iter().filter(|m| **m).count() as f64 / plane.len().max(1) as f64);
        let mut found = counts.enumerate().filter(|(_, share)| *share > part).map(|(at, _)| at as f64);
        let first = found.next()?;
        *span = [first, found.last().unwrap_or(first) + 1.0];
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(size: [usize; 3]) -> Grid {
        Grid { size, affine: [[2.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 2.0], [0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 0.0, 1.0]] }
    }

    fn rule() -> BoxRule {
        BoxRule { above: None, model: None, filled: 0.0, grow: 1.0, margin: 0 }
    }

    #[test]
    fn boxes_lie_where_something_is() {
        let mut image = Array4::zeros((1, 6, 8, 10));
        image[[0, 2, 3, 4]] = 10.0;
        image[[0, 3, 5, 7]] = 6.0;
        image[[0, 5, 7, 0]] = 5.0;
        let work = Work::new(image.into(), grid([6, 8, 10]));
        let above = |part, rule: &BoxRule| work.box_above(part, rule).map(|e| (e.start, e.size));
        // Above 5, and not at it.
        assert_eq!(above(0.5, &rule()), Some(([2, 3, 4], [2, 3, 4])));
        assert_eq!(above(0.0, &rule()), Some(([2, 3, 0], [4, 5, 8])));
        assert_eq!(above(0.5, &BoxRule { margin: 3, ..rule() }), Some(([0, 0, 1], [6, 8, 9])));
        // 2..4, 3..6, 4..8 around 3, 4.5 and 6: the middle goes to 4, 3 voxels become 6, and 4 become 8.
        assert_eq!(above(0.5, &BoxRule { grow: 2.0, ..rule() }), Some(([1, 1, 2], [4, 6, 8])));
        assert_eq!(above(0.99, &BoxRule { filled: 0.5, ..rule() }), None);
        let empty = Work::new(Array4::zeros((1, 2, 2, 2)).into(), grid([2; 3]));
        assert!(empty.box_above(0.5, &rule()).is_none());
    }

    #[test]
    fn what_another_network_finds_is_brought_to_the_grid_before_it() {
        let work = Work::new(Array4::zeros((1, 12, 8, 20)).into(), grid([12, 8, 20]));
        let mut there = work.as_it_is();
        there.cut(Extent { start: [2, 0, 4], size: [8, 8, 16] });
        there.step(&PipelineStep::Resize { size: [4, 4, 4], by: ResizeRule::Nearest });
        let mut labels = Array3::zeros((4, 4, 4));
        labels[[1, 2, 3]] = 1u8;
        // A voxel there is 2, 2, 4 voxels here.
        let found = work.box_of(labels.view(), &there, &rule()).map(|e| (e.start, e.size));
        assert_eq!(found, Some(([4, 4, 16], [2, 2, 4])));
    }

    #[test]
    fn the_way_back_undoes_the_steps() {
        let own = grid([4, 6, 8]);
        let image = Array4::from_shape_fn((1, 4, 6, 8), |(_, z, y, x)| (100 * z + 10 * y + x) as f32);
        let mut work = Work::new(CowArray::from(image.view()), own);
        work.step(&PipelineStep::Orient("PSL".parse().unwrap()));
        assert_eq!(work.size(), [8, 4, 6]);
        work.cut(Extent { start: [2, 0, 1], size: [4, 4, 4] });
        work.step(&PipelineStep::Resize { size: [8, 8, 8], by: ResizeRule::Nearest });
        let there = work.image.index_axis(Axis(0), 0).to_owned();
        let back = work.numbers_back(there.clone(), -1.0, true);
        // x runs to the left there: 7 - x is from 2 to 5; y backwards: 5 - y is from 1 to 4.
        for ((z, y, x), v) in back.indexed_iter() {
            let kept = (2..6).contains(&(7 - x)) && (1..5).contains(&(5 - y));
            assert_eq!(*v, if kept { image[[0, z, y, x]] } else { -1.0 }, "{z} {y} {x}");
        }
        let labels = work.labels_back(there.mapv(|v| (v as usize % 251) as u8), false);
        assert_eq!(labels[[1, 2, 3]], (image[[0, 1, 2, 3]] as usize % 251) as u8);
        // A conformed volume: labels go back to the voxels whose places they are.
        let mut conformed = Work::new(CowArray::from(image.view()), own);
        conformed.step(&PipelineStep::Conform);
        assert_eq!((conformed.size(), conformed.is_conformed()), ([256; 3], true));
        let mut labels = Array3::zeros([256; 3]);
        let place = own.world([1.0, 2.0, 3.0]);
        let on = own.conformed();
        let at = |v: [usize; 3]| on.world(v.map(|n| n as f64)).iter().zip(place).all(|(a, b)| (a - b).abs() < 0.5);
        let voxels = (120..136).flat_map(|z| (120..136).flat_map(move |y| (120..136).map(move |x| [z, y, x])));
        let found: Vec<_> = voxels.filter(|v| at(*v)).collect();
        assert_eq!(found.len(), 1);
        labels[found[0]] = 7u8;
        assert_eq!(conformed.labels_back(labels.clone(), true).dim(), (256, 256, 256));
        let mut again = Work::new(CowArray::from(conformed.image.view()), on);
        again.step(&PipelineStep::Conform);
        assert!(again.image == conformed.image && !again.is_conformed(), "what is conformed stays as it is");
        let home = conformed.labels_home(labels);
        assert_eq!(home.indexed_iter().filter(|(_, l)| **l != 0).map(|(at, l)| (at, *l)).collect::<Vec<_>>(), [((1, 2, 3), 7)]);
    }
}
