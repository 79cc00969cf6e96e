//! Nodes whose input and output have different grids: transposed convolutions, resizes, pools.

use super::combine::Combine;
use super::lanes;
use super::run::{AxisRange, RowView, TileRun};
use super::simd::{Blend, Interleave, Largest, MixRows, Pairs, Stretch, StretchMixed};
use super::stage::{ChannelSources, Matrix};
use super::tiled::{TiledKernel, resize_row, size_of, up_row, up_rows};

impl TileRun<'_> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn up(
        &mut self,
        x: &ChannelSources,
        stride: [usize; 3],
        m: &Matrix,
        channels: usize,
        to: RowView,
        planes: AxisRange,
        rows: AxisRange,
        width: usize,
    ) {
        let s = stride.map(|v| v as isize);
        let narrow = width / stride[2];
        let (most, step) = (up_rows(narrow) as isize, up_row(narrow));
        let room = self.room;
        for d in planes.0.div_euclid(s[0])..(planes.1 - 1).div_euclid(s[0]) + 1 {
            let last = (rows.1 - 1).div_euclid(s[1]) + 1;
            let mut h = rows.0.div_euclid(s[1]);
            while h < last {
                let count = most.min(last - h);
                let views: Vec<RowView> = x.iter().map(|p| self.view(p.0)).collect();
                for r in 0..count {
                    let src = views[0].at(x[0].1, d, h + r).cast_const();
                    self.offsets.clear();
                    self.offsets.extend(x.iter().zip(&views).map(|(p, v)| (v.at(p.1, d, h + r) as isize).wrapping_sub(src as isize) / 4));
                    // Rows of one step go together.
                    let together = views.iter().all(|v| v.row == views[0].row);
                    if together && r > 0 {
                        break;
                    }
                    let combine = Combine {
                        src,
                        src_row: views[0].row,
                        offsets: self.offsets.as_ptr(),
                        inputs: m.inputs,
                        packed: m.packed.as_ptr(),
                        bias: if m.bias.is_empty() { std::ptr::null() } else { m.bias.as_ptr() },
                        outputs: m.outputs,
                        dst: room.wrapping_add(r as usize * step),
                        dst_channel: step * most as usize,
                        dst_row: step,
                        rows: if together { count as usize } else { 1 },
                        width: narrow,
                        isa: self.tiled.isa,
                    };
                    // SAFETY: rows of the inputs; the room has `most` rows of `step` floats for each output.
                    unsafe { lanes::run(self.tiled.isa, combine) };
                }
                let mut pairs: Vec<(*mut f32, [*const f32; 2])> = vec![];
                for c in 0..channels {
                    for (pd, ph) in (0..stride[0]).flat_map(|a| (0..stride[1]).map(move |b| (a, b))) {
                        let plane = d * s[0] + pd as isize;
                        if !(planes.0..planes.1).contains(&plane) {
                            continue;
                        }
                        for r in 0..count {
                            let row = (h + r) * s[1] + ph as isize;
                            if !(rows.0..rows.1).contains(&row) {
                                continue;
                            }
                            let from = |pw: usize| {
                                let o = ((c * stride[0] + pd) * stride[1] + ph) * stride[2] + pw;
                                room.wrapping_add((o * most as usize + r as usize) * step).cast_const()
                            };
                            let dst = to.at(c, plane, row);
                            // SAFETY: a row of the output, and rows of the room that have just been written.
                            unsafe {
                                match stride[2] {
                                    1 => std::ptr::copy_nonoverlapping(from(0), dst, width),
                                    2 => pairs.push((dst, [from(0), from(1)])),
                                    s => {
                                        for j in 0..width {
                                            *dst.add(j) = *from(j % s).add(j / s);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                // SAFETY: rows of the output, and rows of the room that have been written.
                unsafe { lanes::run(self.tiled.isa, Interleave { rows: &pairs, width: narrow }) };
                h += count;
            }
        }
    }

    pub(super) fn resize(&mut self, i: usize, x: &ChannelSources, to: RowView, planes: AxisRange, rows: AxisRange, width: usize) {
        let [deep, high, wide] = &self.tiled.mixes[i];
        let from = source_width(self.tiled, x);
        let isa = self.tiled.isa;
        // The row of the room has a column before it; behind it are stretched rows.
        let row = self.room.wrapping_add(16);
        let stretched = row.wrapping_add((from + 32).next_multiple_of(16));
        let step = resize_row(width);
        let (first, last) = (high[rows.0 as usize].0, high[rows.1 as usize - 1].1);
        // Each row of the input is stretched once where there are not more of them than rows to make.
        let once = last + 1 - first <= (rows.1 - rows.0) as usize;
        for (c, (p, ch)) in x.iter().enumerate() {
            let v = self.view(*p);
            for d in planes.0..planes.1 {
                let (d0, d1, b) = deep[d as usize];
                let at = |d: usize, h: usize| v.at(*ch, d as isize, h as isize).cast_const();
                // SAFETY: rows of the input, rows of the room with their margins, rows of the output.
                unsafe {
                    if once {
                        let (x, x_row) = ([at(d0, first), at(d1, first)], v.row);
                        let all = last + 1 - first;
                        lanes::run(isa, StretchMixed { dst: stretched, dst_row: step, x, x_row, share: b, rows: all, row, from, wide });
                        let high = &high[rows.0 as usize..rows.1 as usize];
                        let dst = to.at(c, d, rows.0);
                        lanes::run(isa, MixRows { dst, dst_row: to.row, x: stretched, x_row: step, first, high, width });
                        continue;
                    }
                    for h in rows.0..rows.1 {
                        let (h0, h1, a) = high[h as usize];
                        let dst = to.at(c, d, h);
                        let src = [at(d0, h0), at(d0, h1), at(d1, h0), at(d1, h1)];
                        let shares = [(1.0 - b) * (1.0 - a), (1.0 - b) * a, b * (1.0 - a), b * a];
                        let to = if from == width { dst } else { row };
                        lanes::run(isa, Blend { dst: to, x: src, shares, width: from });
                        if from != width {
                            lanes::run(isa, Stretch { dst, row, from, wide });
                        }
                    }
                }
            }
        }
    }

    pub(super) fn pool(&mut self, x: &ChannelSources, kernel: [usize; 3], to: RowView, planes: AxisRange, rows: AxisRange, width: usize) {
        let k = kernel.map(|v| v as isize);
        let room = self.room;
        for (c, (p, ch)) in x.iter().enumerate() {
            let v = self.view(*p);
            for d in planes.0..planes.1 {
                for h in rows.0..rows.1 {
                    let dst = to.at(c, d, h);
                    let row = if kernel[2] == 1 { dst } else { room };
                    for t in 0..k[0] * k[1] {
                        let x = v.at(*ch, d * k[0] + t / k[1], h * k[1] + t % k[1]).cast_const();
                        // SAFETY: a row of the input of which `width * kW` floats are looked at; the room has as many.
                        unsafe { lanes::run(self.tiled.isa, Largest { dst: row, x, first: t == 0, width: width * kernel[2] }) };
                    }
                    // SAFETY: as above.
                    unsafe {
                        match kernel[2] {
                            1 => {}
                            2 => lanes::run(self.tiled.isa, Pairs { dst, x: room, width }),
                            n => {
                                for j in 0..width {
                                    let mut m = *room.add(j * n);
                                    for i in 1..n {
                                        let b = *room.add(j * n + i);
                                        m = if m > b || m.is_nan() { m } else { b };
                                    }
                                    *dst.add(j) = m;
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn source_width(tiled: &TiledKernel, x: &ChannelSources) -> usize {
    x.first().map_or(1, |p| size_of(tiled.stage(), p.0).0[2])
}
