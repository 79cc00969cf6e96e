//! What each kind of node does for planes and rows of its value: the places it touches were checked when the kernel was made.

use super::combine::Combine;
use super::depthwise::Depthwise;
use super::forms::WinogradKernel as Kernel;
use super::lanes;
use super::rows::TermRow;
use super::run::{AxisRange, RowView, TileRun};
use super::simd::{Blocked, Softmax, Split, Terms};
use super::stage::{AffineTerm, BufferRef, ChannelSources, ConvWindow, Matrix, Operand, StageNode, StageOp, UnaryFunction};
use super::tiled::node_size;
use super::winograd;

impl TileRun<'_> {
    /// Makes planes and rows of a node's value.
    pub(super) fn make(&mut self, i: usize, node: &StageNode, to: RowView, planes: AxisRange, rows: AxisRange) {
        let tiled = self.tiled;
        let width = node_size(tiled.stage(), node)[2];
        match &node.kind {
            StageOp::Point { terms, post } => self.point(node, terms, *post, to, planes, rows, width),
            StageOp::Softmax { x } => {
                for d in planes.0..planes.1 {
                    let views: Vec<RowView> = x.iter().map(|p| self.view(p.0)).collect();
                    let whole = to.row == width && views.iter().all(|v| v.row == width);
                    let (step, width) = if whole { (rows.1 - rows.0, width * (rows.1 - rows.0) as usize) } else { (1, width) };
                    let mut h = rows.0;
                    while h < rows.1 {
                        let from: Vec<*const f32> = x.iter().zip(&views).map(|(p, v)| v.at(p.1, d, h).cast_const()).collect();
                        let dst: Vec<*mut f32> = (0..node.channels).map(|c| to.at(c, d, h)).collect();
                        // SAFETY: rows of the inputs and of the output.
                        unsafe { lanes::run(tiled.isa, Softmax { dst: &dst, x: &from, width }) };
                        h += step;
                    }
                }
            }
            StageOp::Pointwise { x, matrix, .. } => {
                let matrix = self.folded[i].take().map_or(Held::Of(matrix), Held::Own);
                self.pointwise(x, matrix.get(), to, planes, rows, width);
                if let Held::Own(m) = matrix {
                    self.folded[i] = Some(m);
                }
            }
            StageOp::Dense { x, window, matrices } => {
                for d in planes.0..planes.1 {
                    let (inputs, outputs) = (tiled.stage().locals[*x].channels / matrices.len(), node.channels / matrices.len());
                    for (g, m) in matrices.iter().enumerate() {
                        self.dense(*x, g * inputs, inputs, window, m, to, g * outputs, d, rows, width);
                    }
                }
            }
            StageOp::Winograd { x, window, kernel } => {
                let (view, inputs) = (self.locals[*x], kernel.inputs);
                let Kernel { four, two, direct, bias, .. } = kernel;
                let direct = || direct.as_ref().unwrap_or_else(|| unreachable!("the form of single rows was made where tiles have some"));
                let p = window.padding.map(|p| p as isize);
                // The margin before the first column is whole vectors.
                let start = winograd::start(window, tiled.isa.lanes());
                let mut d = planes.0;
                while d + 1 < planes.1 {
                    let mut h = rows.0;
                    while h + 1 < rows.1 {
                        let (count, matrices) = if h + 3 < rows.1 { (4, four) } else { (2, two) };
                        let block = winograd::WinogradBlock {
                            planes: std::array::from_fn(|k| view.at(0, d - p[0] + k as isize, h - p[1]).wrapping_sub(start).cast_const()),
                            lead: start - window.padding[2],
                            dilation: window.dilation[2],
                            src_channel: view.channel,
                            src_row: view.row,
                            channels: inputs,
                            matrices,
                            bias,
                            dst: [to.at(0, d, h), to.at(0, d + 1, h)],
                            dst_channel: to.channel,
                            dst_row: to.row,
                            width,
                            room: self.room,
                            isa: tiled.isa,
                        };
                        // SAFETY: the local has the planes and rows around these outputs; the room is as long as `room` says.
                        unsafe { lanes::run(tiled.isa, Blocked(block, &mut self.offsets)) };
                        h += count;
                    }
                    if h < rows.1 {
                        for d in [d, d + 1] {
                            self.dense(*x, 0, inputs, window, direct(), to, 0, d, (h, rows.1), width);
                        }
                    }
                    d += 2;
                }
                if d < planes.1 {
                    self.dense(*x, 0, inputs, window, direct(), to, 0, d, rows, width);
                }
            }
            StageOp::Depthwise { x, window, weights, bias } => {
                let view = self.locals[*x];
                let p = window.padding.map(|p| p as isize);
                let mut from: Vec<*const f32> = vec![];
                for c in 0..node.channels {
                    for d in planes.0..planes.1 {
                        from.clear();
                        from.extend(
                            (0..window.kernel[0] as isize)
                                .map(|k| view.at(c, d - p[0] + k, rows.0 - p[1]).wrapping_offset(-p[2]).cast_const()),
                        );
                        let depthwise = Depthwise {
                            planes: &from,
                            src_row: view.row,
                            weights: weights[c * window.taps()..].as_ptr(),
                            kernel: window.kernel,
                            bias: bias.get(c).copied().unwrap_or(0.0),
                            dst: to.at(c, d, rows.0),
                            dst_row: to.row,
                            rows: (rows.1 - rows.0) as usize,
                            width,
                        };
                        // SAFETY: the local has the planes, rows and columns around these outputs.
                        unsafe { lanes::run(tiled.isa, depthwise) };
                    }
                }
            }
            StageOp::Up { x, stride, matrix, .. } => {
                let matrix = self.folded[i].take().map_or(Held::Of(matrix), Held::Own);
                self.up(x, *stride, matrix.get(), node.channels, to, planes, rows, width);
                if let Held::Own(m) = matrix {
                    self.folded[i] = Some(m);
                }
            }
            StageOp::Resize { x } => self.resize(i, x, to, planes, rows, width),
            StageOp::Pool { x, kernel } => self.pool(x, *kernel, to, planes, rows, width),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn point(
        &mut self,
        node: &StageNode,
        terms: &[AffineTerm],
        post: UnaryFunction,
        to: RowView,
        planes: AxisRange,
        rows: AxisRange,
        width: usize,
    ) {
        let phases = match node.to {
            BufferRef::Local(l) => self.tiled.stage().locals[l].phases,
            BufferRef::Volume(_) => 1,
        };
        let size = node_size(self.tiled.stage(), node);
        for c in 0..node.channels {
            for d in planes.0..planes.1 {
                if phases == 1 {
                    let all = (rows.1 - rows.0) as usize;
                    for i in 0..terms.len() {
                        self.term(terms, i, post, c, (d, rows.0), size, (to.at(c, d, rows.0), to.row), all);
                    }
                    continue;
                }
                for h in rows.0..rows.1 {
                    // A copy needs no row between.
                    let x = match terms {
                        [AffineTerm { x: Operand::Rows(s), affine: None, function: UnaryFunction::Identity, gain: 1.0, times: None }]
                            if post == UnaryFunction::Identity && (s.len() > 1 || node.channels == 1) =>
                        {
                            self.view(s[c].0).at(s[c].1, d, h).cast_const()
                        }
                        _ => {
                            for i in 0..terms.len() {
                                self.term(terms, i, post, c, (d, h), size, (self.room, 0), 1);
                            }
                            self.room.cast_const()
                        }
                    };
                    let out = to.at(c, d, h);
                    // SAFETY: a row of the input, or of the room, which has just been written; a phase has room for its columns.
                    unsafe {
                        if phases == 2 {
                            lanes::run(self.tiled.isa, Split { even: out, odd: out.wrapping_add(to.phase), x, width });
                        } else {
                            for j in 0..width {
                                *out.add(j % phases * to.phase + j / phases) = *x.add(j);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Rows of one term, from a plane and a row on.
    #[allow(clippy::too_many_arguments)]
    fn term(
        &self,
        terms: &[AffineTerm],
        i: usize,
        post: UnaryFunction,
        c: usize,
        (d, h): (isize, isize),
        size: [usize; 3],
        (dst, dst_row): (*mut f32, usize),
        count: usize,
    ) {
        let t = &terms[i];
        let width = size[2];
        let own = |s: &ChannelSources| if s.len() == 1 { s[0] } else { s[c] };
        let (scale, mut shift) = match &t.affine {
            Some(a) => (self.column(&a.scale)[c], self.column(&a.shift)[c]),
            None => (1.0, 0.0),
        };
        // What is added to the shift of each row.
        let mut along: *const f32 = std::ptr::null();
        let mut ahead = 0;
        let (x, x_row) = match &t.x {
            Operand::Rows(s) => {
                let (p, ch) = own(s);
                let v = self.view(p);
                if let BufferRef::Volume(k) = p
                    && (d as usize) + 1 < self.tiled.stage().volumes[k].size[0] - self.less[0]
                {
                    ahead = v.plane;
                }
                (v.at(ch, d, h).cast_const(), v.row)
            }
            Operand::Vector(v) => {
                shift += scale * self.column(v)[c];
                (std::ptr::null(), 0)
            }
            Operand::Separable(v) => {
                let s = &self.column(v)[c * size.iter().sum::<usize>()..];
                shift += scale * s[d as usize];
                along = s[size[0] + h as usize..].as_ptr();
                (s[size[0] + size[1]..].as_ptr(), 0)
            }
        };
        let (times, times_row, times_scale, times_shift) = match &t.times {
            Some(m) => {
                let (p, ch) = own(&m.source);
                let v = self.view(p);
                (v.at(ch, d, h).cast_const(), v.row, m.scale, m.shift)
            }
            None => (std::ptr::null(), 0, 1.0, 0.0),
        };
        let post = if i + 1 == terms.len() { post } else { UnaryFunction::Identity };
        let (function, gain, more) = (t.function, t.gain, i > 0);
        let free = |row: usize, p: *const f32| p.is_null() || row == width;
        let whole = along.is_null() && dst_row == width && free(x_row, x) && free(times_row, times);
        let (count, width) = if whole { (1, width * count) } else { (count, width) };
        let term = TermRow { dst, x, scale, shift, function, gain, times, times_scale, times_shift, more, post, width, ahead };
        // SAFETY: rows of the inputs and of the output, which in a local are this tile's, in a volume its own.
        unsafe { lanes::run(self.tiled.isa, Terms { term, count, dst_row, x_row, times_row, along }) };
    }

    fn pointwise(&mut self, x: &ChannelSources, m: &Matrix, to: RowView, planes: AxisRange, rows: AxisRange, width: usize) {
        let views: Vec<RowView> = x.iter().map(|p| self.view(p.0)).collect();
        let step = views.first().map_or(0, |v| v.row);
        let uniform = views.iter().all(|v| v.row == step);
        for d in planes.0..planes.1 {
            let mut h = rows.0;
            while h < rows.1 {
                let count = if uniform { (rows.1 - h) as usize } else { 1 };
                let src = views[0].at(x[0].1, d, h).cast_const();
                self.offsets.clear();
                // Between allocations; only ever added back to `src`.
                self.offsets.extend(x.iter().zip(&views).map(|(p, v)| (v.at(p.1, d, h) as isize).wrapping_sub(src as isize) / 4));
                let whole = uniform && step == width && to.row == width;
                let (n, w) = if whole { (1, width * count) } else { (count, width) };
                let combine = Combine {
                    src,
                    src_row: step,
                    offsets: self.offsets.as_ptr(),
                    inputs: m.inputs,
                    packed: m.packed.as_ptr(),
                    bias: if m.bias.is_empty() { std::ptr::null() } else { m.bias.as_ptr() },
                    outputs: m.outputs,
                    dst: to.at(0, d, h),
                    dst_channel: to.channel,
                    dst_row: to.row,
                    rows: n,
                    width: w,
                    isa: self.tiled.isa,
                };
                // SAFETY: rows of the inputs, rows of the output.
                unsafe { lanes::run(self.tiled.isa, combine) };
                h += count as isize;
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn dense(
        &mut self,
        x: usize,
        first: usize,
        inputs: usize,
        w: &ConvWindow,
        m: &Matrix,
        to: RowView,
        output: usize,
        d: isize,
        rows: AxisRange,
        width: usize,
    ) {
        let view = self.locals[x];
        let (k, s, p, l) = (w.kernel, w.stride.map(|v| v as isize), w.padding.map(|v| v as isize), w.dilation.map(|v| v as isize));
        let src = view.at(first, d * s[0] - p[0], rows.0 * s[1] - p[1]);
        self.offsets.clear();
        for c in 0..inputs {
            for kd in 0..k[0] as isize {
                let plane = view.at(first + c, d * s[0] - p[0] + kd * l[0], rows.0 * s[1] - p[1]);
                let plane = (plane as isize - src as isize) / 4;
                for kh in 0..k[1] as isize {
                    for kw in 0..k[2] as isize {
                        let q = kw * l[2] - p[2];
                        let column = q.rem_euclid(s[2]) * view.phase as isize + q.div_euclid(s[2]);
                        self.offsets.push(plane + kh * l[1] * view.row as isize + column);
                    }
                }
            }
        }
        let combine = Combine {
            src: src.cast_const(),
            src_row: view.row * w.stride[1],
            offsets: self.offsets.as_ptr(),
            inputs: m.inputs,
            packed: m.packed.as_ptr(),
            bias: if m.bias.is_empty() { std::ptr::null() } else { m.bias.as_ptr() },
            outputs: m.outputs,
            dst: to.at(output, d, rows.0),
            dst_channel: to.channel,
            dst_row: to.row,
            rows: (rows.1 - rows.0) as usize,
            width,
            isa: self.tiled.isa,
        };
        // SAFETY: the local has the planes, rows and columns around these outputs.
        unsafe { lanes::run(self.tiled.isa, combine) };
    }
}

enum Held<'a> {
    Of(&'a Matrix),
    Own(Matrix),
}

impl Held<'_> {
    fn get(&self) -> &Matrix {
        match self {
            Held::Of(m) => m,
            Held::Own(m) => m,
        }
    }
}
