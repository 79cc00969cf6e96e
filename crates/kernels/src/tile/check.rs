//! The checks that make running a stage safe: every place that a node can touch lies in what its volume or local holds, locals are made before they
//! are read, and what is written overlaps nothing else.

use super::depthwise::Depthwise;
use super::stage::{BufferRef, ConvWindow, Matrix, Operand, Space, Stage, StageOp, VolumeDesc};
use super::tiled::size_of;

/// Everything that running relies on.
pub(super) fn check(stage: &Stage) -> Result<(), String> {
    let ensure = |good: bool, what: &str, node: &str| if good { Ok(()) } else { Err(format!("`{node}`: {what}")) };
    let fine = |size: [usize; 3]| size.iter().all(|n| *n > 0) && size.iter().try_fold(1usize, |a, n| a.checked_mul(*n)).is_some();
    ensure(stage.batch > 0 && fine(stage.size), "an empty grid", "stage")?;
    for (size, channels, phases) in
        stage.volumes.iter().map(|v| (v.size, v.channels, 1)).chain(stage.locals.iter().map(|l| (l.size, l.channels, l.phases)))
    {
        ensure(fine(size) && channels > 0 && phases > 0, "an empty value", "stage")?;
    }
    let mut made = vec![false; stage.locals.len()];
    let mut written = vec![false; stage.volumes.len()];
    for n in &stage.nodes {
        let name = n.name.as_str();
        let known = |p: BufferRef| match p {
            BufferRef::Volume(i) => i < stage.volumes.len(),
            BufferRef::Local(i) => i < stage.locals.len(),
        };
        let places = n.kind.places();
        ensure(known(n.to) && places.iter().all(|p| known(*p)), "a place that is not there", name)?;
        let (size, channels) = size_of(stage, n.to);
        ensure(channels == n.channels, "channels of the place", name)?;
        for p in &places {
            match p {
                BufferRef::Local(i) => ensure(made[*i], "reads a local before it is made", name)?,
                // What is written in this stage is read where it has just been written, which only whole tiles of it are.
                BufferRef::Volume(i) => ensure(!written[*i], "reads a volume that the stage writes", name)?,
            }
        }
        let source = |s: &[(BufferRef, usize)], count: usize, from: Option<[usize; 3]>, plain: bool| -> Result<(), String> {
            ensure(s.len() == count, "channels of its input", name)?;
            for (p, c) in s {
                let (size, channels) = size_of(stage, *p);
                ensure(*c < channels && from.is_none_or(|f| f == size), "shape of its input", name)?;
                ensure(!plain || !matches!(p, BufferRef::Local(i) if stage.locals[*i].phases != 1), "an input in phases", name)?;
            }
            Ok(())
        };
        let same = |s: &[(BufferRef, usize)]| s.first().map(|p| size_of(stage, p.0).0);
        let window = |x: usize, w: &ConvWindow| -> Result<(), String> {
            let l = &stage.locals[x];
            ensure(w.kernel.iter().chain(&w.stride).chain(&w.dilation).all(|n| *n > 0), "an empty window", name)?;
            ensure(l.phases == w.stride[2], "phases of its input", name)?;
            ensure(
                (0..3).all(|a| {
                    (l.size[a] + 2 * w.padding[a])
                        .checked_sub((w.kernel[a] - 1) * w.dilation[a] + 1)
                        .is_some_and(|r| r / w.stride[a] + 1 == size[a])
                }),
                "size of a convolution",
                name,
            )
        };
        let matrix = |m: &Matrix, inputs: usize, outputs: usize| {
            let floor = inputs.saturating_mul(outputs);
            ensure(
                m.inputs == inputs && m.outputs == outputs && m.packed.len() >= floor && (m.bias.is_empty() || m.bias.len() == outputs),
                "a matrix",
                name,
            )
        };
        match &n.kind {
            StageOp::Point { terms, .. } => {
                ensure(!terms.is_empty(), "no terms", name)?;
                for t in terms {
                    if let Operand::Rows(s) = &t.x {
                        source(s, if s.len() == 1 { 1 } else { channels }, Some(size), true)?;
                    }
                    if let Some(m) = &t.times {
                        source(&m.source, if m.source.len() == 1 { 1 } else { channels }, Some(size), true)?;
                    }
                }
            }
            StageOp::Softmax { x } => source(x, channels, Some(size), true)?,
            StageOp::Pointwise { x, matrix: m, .. } => {
                source(x, x.len(), Some(size), true)?;
                matrix(m, x.len(), channels)?;
            }
            StageOp::Dense { x, window: w, matrices } => {
                window(*x, w)?;
                let groups = matrices.len().max(1);
                let inputs = stage.locals[*x].channels;
                ensure(inputs.is_multiple_of(groups) && channels % groups == 0, "groups", name)?;
                matrices.iter().try_for_each(|m| matrix(m, inputs / groups * w.taps(), channels / groups))?;
            }
            StageOp::Winograd { x, window: w, kernel } => {
                window(*x, w)?;
                let inputs = stage.locals[*x].channels;
                ensure(
                    w.kernel == [3; 3] && w.stride == [1; 3] && w.padding[2] <= w.dilation[2] * super::winograd::REACH,
                    "not for Winograd's form",
                    name,
                )?;
                let numbers = inputs.checked_mul(channels).and_then(|n| n.checked_mul(27));
                ensure(
                    kernel.inputs == inputs
                        && kernel.outputs == channels
                        && numbers == Some(kernel.weight.len())
                        && (kernel.bias.is_empty() || kernel.bias.len() == channels),
                    "weights",
                    name,
                )?;
            }
            StageOp::Depthwise { x, window: w, weights, bias } => {
                window(*x, w)?;
                ensure(w.stride == [1; 3] && w.dilation == [1; 3] && Depthwise::has(w.kernel[1]), "not for a depthwise form", name)?;
                ensure(
                    stage.locals[*x].channels == channels
                        && weights.len() == channels * w.taps()
                        && (bias.is_empty() || bias.len() == channels),
                    "weights",
                    name,
                )?;
            }
            StageOp::Up { x, stride, matrix: m, .. } => {
                let from = same(x);
                source(x, x.len(), from, true)?;
                let blocks: usize = stride.iter().product();
                ensure(
                    from.is_some_and(|f| (0..3).all(|a| f[a] * stride[a] == size[a])) && blocks > 0,
                    "size of a transposed convolution",
                    name,
                )?;
                matrix(m, x.len(), channels * blocks)?;
            }
            StageOp::Resize { x } => source(x, channels, same(x), true)?,
            StageOp::Pool { x, kernel } => {
                let from = same(x);
                source(x, channels, from, true)?;
                ensure(from.is_some_and(|f| (0..3).all(|a| kernel[a] > 0 && f[a] / kernel[a] == size[a])), "size of a pooling", name)?;
            }
        }
        match n.to {
            BufferRef::Local(i) => {
                ensure(!made[i], "makes a local twice", name)?;
                ensure((n.keep.is_none() && n.moments.is_none()) || size == stage.size, "keeps what is on another grid", name)?;
                ensure(
                    stage.locals[i].phases == 1 || (n.keep.is_none() && n.moments.is_none() && matches!(n.kind, StageOp::Point { .. })),
                    "phases of what it makes",
                    name,
                )?;
                made[i] = true;
            }
            BufferRef::Volume(i) => {
                ensure(!written[i] && size == stage.size && n.keep.is_none(), "the volume that it writes", name)?;
                written[i] = true;
            }
        }
        if let Some(v) = n.keep {
            let good = stage.volumes.get(v).is_some_and(|k| k.size == stage.size && k.channels == channels) && !written[v];
            ensure(good, "the volume that it keeps", name)?;
            written[v] = true;
        }
        ensure(n.moments.is_none_or(|m| m.checked_add(channels).is_some_and(|e| e <= stage.moments)), "moments", name)?;
    }
    for (i, v) in stage.volumes.iter().enumerate().filter(|(i, _)| written[*i]) {
        ensure(!matches!(v.space, Space::Input(_)), "writes an input", "stage")?;
        let floats = |v: &VolumeDesc| [stage.batch, v.channels].iter().chain(&v.size).fold(1usize, |a, n| a.saturating_mul(*n));
        let len = floats(v);
        for (_, o) in stage.volumes.iter().enumerate().filter(|(j, _)| *j != i) {
            let apart = match (v.space, o.space) {
                (Space::Arena(a), Space::Arena(b)) => a.saturating_add(len) <= b || b.saturating_add(floats(o)) <= a,
                (a, b) => a != b,
            };
            ensure(apart, "writes over what it reads or writes", "stage")?;
        }
    }
    Ok(())
}
