//! Convolutions of many channels: the kernels of `lmsc_cpu::kernel::conv` on Burn's tensors.

use super::buffer::{InputBuffer, tensor};
use super::conv3d::Geometry;
use burn::backend::flex::FlexTensor;
use lmsc_cpu::kernel::conv::ConvShape;
use lmsc_cpu::kernel::tile::ConvWindow;

/// Whether a group of so many inputs and outputs is better laid along its channels than along rows of so many columns.
pub fn fits(inputs: usize, outputs: usize, columns: usize) -> bool {
    let channels = inputs.min(outputs);
    channels >= 16 || (channels >= 8 && columns < 16)
}

/// Of an input, weights and an output of these dimensions.
fn shape(x: [usize; 5], w: [usize; 5], y: [usize; 5], geometry: &Geometry) -> ConvShape {
    let Geometry { kernel, stride, padding, dilation } = *geometry;
    let window = ConvWindow { kernel, stride, padding, dilation };
    let size = |[_, _, d, h, w]: [usize; 5]| [d, h, w];
    ConvShape { batch: x[0], inputs: x[1], outputs: w[0], groups: x[1] / w[1], size: size(x), output: size(y), window }
}

/// `x [N, C, D, H, W]`, `w [O, C / groups, kernel]`, `bias [O]`.
pub fn forward(x: FlexTensor, w: FlexTensor, bias: Option<FlexTensor>, geometry: &Geometry) -> FlexTensor {
    let (x, w, bias) = (InputBuffer::new(x), InputBuffer::new(w), bias.map(InputBuffer::new));
    let [n, _, d, h, wd] = x.dims();
    let [o, ..] = w.dims();
    let [od, oh, ow] = geometry.output([d, h, wd]);
    let dims = [n, o, od, oh, ow];
    let bias = bias.as_ref().map_or(&[][..], InputBuffer::data);
    tensor(shape(x.dims(), w.dims(), dims, geometry).forward(x.data(), w.data(), bias), &dims)
}

/// The gradient of `x` (whose dimensions are given); with a bias for each of its channels, a transposed convolution.
pub fn grad_input(x_dims: [usize; 5], w: FlexTensor, gy: FlexTensor, bias: Option<FlexTensor>, geometry: &Geometry) -> FlexTensor {
    let (w, gy, bias) = (InputBuffer::new(w), InputBuffer::new(gy), bias.map(InputBuffer::new));
    let bias = bias.as_ref().map_or(&[][..], InputBuffer::data);
    tensor(shape(x_dims, w.dims(), gy.dims(), geometry).grad_input(gy.data(), w.data(), bias), &x_dims)
}

/// The gradient of `w` (whose dimensions are given).
pub fn grad_weight(x: FlexTensor, w_dims: [usize; 5], gy: FlexTensor, geometry: &Geometry) -> FlexTensor {
    let (x, gy) = (InputBuffer::new(x), InputBuffer::new(gy));
    let mut dw = vec![0f32; w_dims.iter().product()];
    shape(x.dims(), w_dims, gy.dims(), geometry).grad_weight(x.data(), gy.data(), &mut dw);
    tensor(dw, &w_dims)
}
