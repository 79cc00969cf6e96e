//! Dilated convolutions without holes: a stage whose convolutions look at every second (fourth, sixteenth) plane and row falls into as many
//! grids of every second plane and row, none of which looks at another. Each is gone over by itself, as if nothing were dilated, so that what is
//! looked at again lies near, and Winograd's form fits. Along the width taps stay apart: there are no more than columns between them.

use super::lanes::Isa;
use super::stage::{ConvWindow, Operand, Stage, StageOp};
use super::tiled::size_of;

/// Along D and H, how many grids lie within each other; 1 for a stage that is one.
pub fn grids(stage: &Stage) -> [usize; 2] {
    let alike = stage.locals.iter().all(|l| l.size == stage.size && l.phases == 1) && stage.volumes.iter().all(|v| v.size == stage.size);
    let by_place = |kind: &StageOp| match kind {
        StageOp::Up { .. } | StageOp::Resize { .. } | StageOp::Pool { .. } => true,
        StageOp::Point { terms, .. } => terms.iter().any(|t| matches!(t.x, Operand::Separable(_))),
        _ => false,
    };
    let strided = |kind: &StageOp| kind.window().is_some_and(|w| w.stride != [1; 3]);
    if !alike || stage.nodes.iter().any(|n| by_place(&n.kind) || strided(&n.kind) || size_of(stage, n.to).0 != stage.size) {
        return [1; 2];
    }
    [0, 1].map(|axis| {
        // The step that all steps between taps, and all first taps, are multiples of; 0 where no window has two taps.
        let steps = stage.nodes.iter().filter_map(|n| n.kind.window()).map(|w| match w.kernel[axis] {
            1 => w.padding[axis],
            _ => gcd(w.dilation[axis], w.padding[axis]),
        });
        let step = steps.fold(0, gcd);
        // Grids of less than two planes or rows have nothing to look at again.
        if stage.size[axis] >= 2 * step { step.max(1) } else { 1 }
    })
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The stage of the largest of the grids. Convolutions in Winograd's form that are still dilated become direct ones.
pub fn one_of(mut stage: Stage, [planes, rows]: [usize; 2], isa: Isa) -> Stage {
    let size = |[d, h, w]: [usize; 3]| [d.div_ceil(planes), h.div_ceil(rows), w];
    if [planes, rows] != [1; 2] {
        stage.size = size(stage.size);
        stage.locals.iter_mut().for_each(|l| l.size = size(l.size));
        stage.volumes.iter_mut().for_each(|v| v.size = size(v.size));
    }
    for n in &mut stage.nodes {
        if let Some(w) = n.kind.window_mut() {
            let by = [planes, rows, 1];
            *w = ConvWindow {
                padding: [0, 1, 2].map(|a| w.padding[a] / by[a]),
                // A window of one tap has a dilation that says nothing.
                dilation: [0, 1, 2].map(|a| (w.dilation[a] / by[a]).max(1)),
                ..*w
            };
        }
        let dense = match &mut n.kind {
            StageOp::Winograd { x, window, kernel } if window.dilation[..2] != [1; 2] => {
                StageOp::Dense { x: *x, window: *window, matrices: vec![kernel.packed(isa)] }
            }
            _ => continue,
        };
        n.kind = dense;
    }
    stage
}

/// Planes or rows that the grid `at` of `count` has less than the first one, of so many voxels.
pub fn less(size: usize, count: usize, at: usize) -> usize {
    size.div_ceil(count) - size.saturating_sub(at).div_ceil(count)
}

impl StageOp {
    fn window_mut(&mut self) -> Option<&mut ConvWindow> {
        match self {
            StageOp::Dense { window, .. } | StageOp::Winograd { window, .. } | StageOp::Depthwise { window, .. } => Some(window),
            _ => None,
        }
    }
}
