use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn shape(batch: usize, channels: [usize; 2], groups: usize, size: [usize; 3], window: ConvWindow) -> ConvShape {
    let output =
        std::array::from_fn(|a| (size[a] + 2 * window.padding[a] - (window.kernel[a] - 1) * window.dilation[a] - 1) / window.stride[a] + 1);
    ConvShape { batch, inputs: channels[0], outputs: channels[1], groups, size, output, window }
}

fn cube(k: usize, stride: usize, padding: usize, dilation: usize) -> ConvWindow {
    ConvWindow { kernel: [k; 3], stride: [stride; 3], padding: [padding; 3], dilation: [dilation; 3] }
}

/// For every place of `y`, input channel of its group and tap that sees the input: `f(x, w, y)` of their indices.
fn each_product(s: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let (inputs, outputs) = s.group();
    let ConvWindow { kernel, stride, padding, dilation } = s.window;
    let index = |[d, h, w]: [usize; 3], size: [usize; 3]| (d * size[1] + h) * size[2] + w;
    let all = |size: [usize; 3]| (0..size.iter().product()).map(move |i| [i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]]);
    let (space, out_space) = (s.size.iter().product::<usize>(), s.output.iter().product::<usize>());
    for place in all(s.output) {
        for (t, tap) in all(kernel).enumerate() {
            let at: [isize; 3] = std::array::from_fn(|a| (place[a] * stride[a] + tap[a] * dilation[a]) as isize - padding[a] as isize);
            if (0..3).any(|a| at[a] < 0 || at[a] >= s.size[a] as isize) {
                continue;
            }
            let (from, to) = (index(at.map(|v| v as usize), s.size), index(place, s.output));
            for n in 0..s.batch {
                for o in 0..s.outputs {
                    for i in 0..inputs {
                        let x = (n * s.inputs + o / outputs * inputs + i) * space + from;
                        f(x, (o * inputs + i) * s.taps() + t, (n * s.outputs + o) * out_space + to);
                    }
                }
            }
        }
    }
}

#[track_caller]
fn close(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let off = norm(&mut got.iter().zip(want).map(|(g, w)| f64::from(*g) - w)) / norm(&mut want.iter().copied()).max(1e-30);
    assert!(off <= tolerance, "{what}: off by {off:e} of the norm");
}

/// Forward and both gradients against the definition in float64, by every instruction set.
#[track_caller]
fn check(s: ConvShape) {
    let (inputs, _) = s.group();
    let volume = |channels: usize, size: [usize; 3]| s.batch * channels * size.iter().product::<usize>();
    let x = numbers(volume(s.inputs, s.size), 1);
    let w = numbers(s.outputs * inputs * s.taps(), 2);
    let gy = numbers(volume(s.outputs, s.output), 3);
    let (bias, back) = (numbers(s.outputs, 4), numbers(s.inputs, 5));
    let space = |size: [usize; 3]| size.iter().product::<usize>();
    let mut y: Vec<f64> = (0..gy.len()).map(|i| f64::from(bias[i / space(s.output) % s.outputs])).collect();
    let mut dx: Vec<f64> = (0..x.len()).map(|i| f64::from(back[i / space(s.size) % s.inputs])).collect();
    let mut dw = vec![0f64; w.len()];
    each_product(&s, |i, j, k| {
        y[k] += f64::from(x[i]) * f64::from(w[j]);
        dx[i] += f64::from(gy[k]) * f64::from(w[j]);
        dw[j] += f64::from(gy[k]) * f64::from(x[i]);
    });
    for isa in Isa::all() {
        // One thread, whose limit counts.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            Isa::limit(Some(isa));
            let what = format!("{s:?}, {}", isa.name());
            let got = s.forward(&x, &w, &bias);
            close(&format!("{what}: forward"), &got, &y, 3e-6);
            let got = s.grad_input(&gy, &w, &back);
            close(&format!("{what}: gradient of the input"), &got, &dx, 3e-6);
            let mut got = vec![f32::NAN; w.len()];
            s.grad_weight(&x, &gy, &mut got);
            close(&format!("{what}: gradient of the weights"), &got, &dw, 5e-6);
            Isa::limit(None);
        });
    }
}

#[test]
fn winograd_agrees_with_the_definition() {
    check(shape(1, [8, 8], 1, [9, 13, 18], cube(3, 1, 1, 1)));
    check(shape(2, [19, 35], 1, [6, 8, 17], cube(3, 1, 1, 1)));
    check(shape(1, [33, 16], 1, [8, 16, 16], cube(3, 1, 0, 1)));
    check(shape(1, [9, 12], 1, [7, 11, 21], cube(3, 1, 2, 2)));
    check(shape(1, [8, 9], 1, [8, 16, 16], ConvWindow { padding: [3, 0, 4], ..cube(3, 1, 1, 1) }));
    check(shape(1, [40, 50], 1, [4, 4, 4], cube(3, 1, 1, 1)));
    check(shape(2, [17, 33], 1, [4, 6, 5], cube(3, 1, 1, 1)));
    check(shape(1, [33, 20], 1, [8, 8, 8], cube(3, 1, 1, 1)));
    check(shape(1, [16, 24], 2, [10, 12, 14], ConvWindow { dilation: [1, 3, 4], padding: [1, 3, 4], ..cube(3, 1, 1, 1) }));
}

#[test]
fn sums_over_taps_agree_with_the_definition() {
    for size in [[1, 1, 1], [3, 5, 7], [2, 3, 1], [4, 4, 33]] {
        for channels in [[1, 1], [3, 5], [17, 40]] {
            check(shape(2, channels, 1, size, cube(3, 1, 1, 1)));
            check(shape(1, channels, 1, size, cube(3, 2, 1, 1)));
            check(shape(2, channels, 1, size, cube(1, 1, 0, 1)));
        }
    }
    check(shape(1, [20, 12], 1, [8, 6, 4], cube(2, 2, 0, 1)));
    check(shape(1, [20, 12], 1, [9, 8, 10], cube(3, 3, 0, 1)));
    check(shape(1, [3, 12], 1, [9, 8, 10], cube(1, 2, 0, 1)));
    check(shape(1, [6, 10], 1, [9, 8, 10], cube(5, 2, 2, 1)));
    check(shape(1, [6, 10], 1, [9, 8, 20], cube(5, 1, 2, 1)));
    check(shape(1, [4, 6], 2, [5, 6, 7], cube(3, 1, 1, 1)));
    check(shape(1, [2, 3], 1, [4, 4, 4], cube(1, 1, 2, 1)));
    let odd = ConvWindow { kernel: [1, 2, 3], stride: [1, 3, 2], padding: [0, 1, 2], dilation: [1, 2, 2] };
    check(shape(2, [3, 2], 1, [4, 9, 11], odd));
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let wide = shape(1, [40, 70], 1, [6, 8, 8], cube(3, 1, 1, 1));
    let strided = ConvShape { output: [3, 4, 4], window: cube(3, 2, 1, 1), ..wide };
    for s in [shape(1, [16, 40], 1, [16, 16, 16], cube(3, 1, 1, 1)), wide, strided] {
        let volume = |channels: usize, size: [usize; 3]| channels * size.iter().product::<usize>();
        let (x, w) = (numbers(volume(s.inputs, s.size), 1), numbers(s.outputs * s.inputs * 27, 2));
        let gy = numbers(volume(s.outputs, s.output), 3);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut dw = w.clone();
                s.grad_weight(&x, &gy, &mut dw);
                [s.forward(&x, &w, &[]), s.grad_input(&gy, &w, &[]), dw]
            })
        };
        let one = with(1);
        assert!((2..6).all(|threads| with(threads) == one), "{s:?}");
    }
}
