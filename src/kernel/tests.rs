//! Every function against Burn's own composition, forward and all gradients.

use super::conv3d::Geometry;
use super::lanes::Isa;
use super::*;
use burn::tensor::{Device, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cell::Cell;

mod group_norm;
mod update;
mod vector;
mod whole;

fn device() -> Device {
    Device::flex().autodiff()
}

thread_local!(static CALLS: Cell<u64> = const { Cell::new(0) });

/// Begins the draws anew: a test sees the same numbers whatever ran before it in its thread.
fn afresh() {
    CALLS.set(0);
}

/// Uniform in [-1, 1), from a seed that is the number of earlier calls since [`afresh`].
fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let mut rng = ChaCha8Rng::seed_from_u64(CALLS.replace(CALLS.get() + 1));
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(values, shape), &device())
}

/// A GPU that computes the same, where the tests are built for one and the machine has it.
#[cfg(feature = "gpu")]
pub(crate) fn gpu() -> Option<Device> {
    use burn::tensor::DeviceType;
    static SAID: std::sync::Once = std::sync::Once::new();
    #[cfg(feature = "cuda")]
    let found = (cards() > 0).then(|| Device::cuda(0));
    #[cfg(not(feature = "cuda"))]
    let found = Device::enumerate(DeviceType::Wgpu).into_iter().next();
    assert!(found.is_some() || std::env::var_os("LMSC_REQUIRE_GPU").is_none(), "there is no GPU for the tests");
    SAID.call_once(|| match &found {
        Some(device) => println!("compared on {:?}", device.identity().map(|i| i.name)),
        // Past the tests' own output, which nobody sees of tests that pass.
        None => std::io::Write::write_all(&mut std::io::stderr(), b"NOT RUN: there is no GPU for its kernels\n").expect("stderr"),
    });
    found.map(|device| device.autodiff())
}

/// The CPU, and a GPU where there is one, without gradients.
fn devices() -> Vec<Device> {
    #[cfg(feature = "gpu")]
    return [Some(Device::flex()), gpu().map(Device::inner)].into_iter().flatten().collect();
    #[cfg(not(feature = "gpu"))]
    vec![Device::flex()]
}

fn on<const D: usize>(x: &Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(x.clone().inner().to_data(), device)
}

/// |a - b| <= tolerance * |b| (norms), and no NaN.
#[track_caller]
fn close(what: &str, a: TensorData, b: TensorData, tolerance: f64) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    let (a, b) = (a.try_to_vec::<f32>().unwrap(), b.try_to_vec::<f32>().unwrap());
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let off = norm(&mut a.iter().zip(&b).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    let size = norm(&mut b.iter().map(|b| f64::from(*b)));
    assert!(off <= tolerance * size + 1e-12, "{what}: off by {off:e} of {size:e}");
}

/// Compares two functions of the same leaves, forward and every gradient, under a random weighting of the output.
#[track_caller]
fn same(
    what: &str,
    inputs: &[Tensor<5>],
    vectors: &[Tensor<1>],
    ours: impl Fn(&[Tensor<5>], &[Tensor<1>]) -> Tensor<5>,
    theirs: impl Fn(&[Tensor<5>], &[Tensor<1>]) -> Tensor<5>,
) {
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        same_there(what, inputs, vectors, &ours, &gpu);
    }
    let inputs: Vec<_> = inputs.iter().map(|x| x.clone().require_grad()).collect();
    let vectors: Vec<_> = vectors.iter().map(|x| x.clone().require_grad()).collect();
    let (y, z) = (ours(&inputs, &vectors), theirs(&inputs, &vectors));
    close(what, y.to_data(), z.to_data(), 1e-5);
    // Mostly positive weights: sums of gradients that cancel would compare rounding errors.
    let g = random(y.dims()) + 0.5;
    let (gy, gz) = ((y * g.clone()).sum().backward(), (z * g).sum().backward());
    for (i, x) in inputs.iter().enumerate() {
        close(&format!("{what}: gradient of input {i}"), x.grad(&gy).unwrap().to_data(), x.grad(&gz).unwrap().to_data(), 1e-5);
    }
    for (i, x) in vectors.iter().enumerate() {
        close(&format!("{what}: gradient of vector {i}"), x.grad(&gy).unwrap().to_data(), x.grad(&gz).unwrap().to_data(), 1e-5);
    }
}

/// Compares a function with itself on another device.
#[cfg(feature = "gpu")]
#[track_caller]
fn same_there(
    what: &str,
    inputs: &[Tensor<5>],
    vectors: &[Tensor<1>],
    f: impl Fn(&[Tensor<5>], &[Tensor<1>]) -> Tensor<5>,
    device: &Device,
) {
    // Positive, as in `same`, and drawn from nothing: these calls must not change what the others draw.
    let shape = f(inputs, vectors).dims();
    let g = TensorData::new((0..shape.iter().product()).map(|i: usize| 0.5 + (i % 13) as f32 / 13.0).collect(), shape);
    // Read at once: on some devices the data is a view, which a later operation in place would change.
    let read = |x: TensorData| TensorData::new(x.try_to_vec::<f32>().unwrap(), x.shape());
    let run = |device: &Device| {
        let inputs: Vec<_> = inputs.iter().map(|x| Tensor::<5>::from_data(x.to_data(), device).require_grad()).collect();
        let vectors: Vec<_> = vectors.iter().map(|x| Tensor::<1>::from_data(x.to_data(), device).require_grad()).collect();
        let y = f(&inputs, &vectors);
        let mut all = vec![read(y.to_data())];
        let grads = (y * Tensor::from_data(g.clone(), device)).sum().backward();
        all.extend(inputs.iter().map(|x| read(x.grad(&grads).unwrap().to_data())));
        all.extend(vectors.iter().map(|x| read(x.grad(&grads).unwrap().to_data())));
        all
    };
    for (i, (here, there)) in run(&self::device()).into_iter().zip(run(device)).enumerate() {
        close(&format!("{what}: result {i} on {device:?}"), there, here, 2e-5);
    }
}

fn check_conv(x: [usize; 5], outputs: usize, geometry: Geometry, groups: usize) {
    let Geometry { kernel: [kd, kh, kw], stride, padding, dilation } = geometry;
    let what = format!("{x:?} -> {outputs}, {geometry:?}, groups {groups}");
    let leaves = [random(x), random([outputs, x[1] / groups, kd, kh, kw])];
    same(
        &what,
        &leaves,
        &[random([outputs])],
        |t, v| conv3d(t[0].clone(), t[1].clone(), Some(v[0].clone()), stride, padding, dilation, groups),
        |t, v| super::conv3d::portable(t[0].clone(), t[1].clone(), Some(v[0].clone()), geometry, groups),
    );
    same(
        &what,
        &leaves,
        &[],
        |t, _| conv3d(t[0].clone(), t[1].clone(), None, stride, padding, dilation, groups),
        |t, _| super::conv3d::portable(t[0].clone(), t[1].clone(), None, geometry, groups),
    );
}

fn cube(k: usize, s: usize, p: usize) -> Geometry {
    Geometry { kernel: [k; 3], stride: [s; 3], padding: [p; 3], dilation: [1; 3] }
}

const VOLUMES: [[usize; 3]; 7] = [[1, 1, 1], [3, 5, 7], [2, 3, 1], [9, 4, 8], [1, 6, 17], [4, 4, 33], [10, 9, 24]];

#[test]
fn depthwise_convolutions() {
    afresh();
    for [d, h, w] in VOLUMES {
        for k in [1, 3, 5, 7] {
            check_conv([2, 3, d, h, w], 3, cube(k, 1, k / 2), 3);
        }
    }
    let flat = Geometry { kernel: [1, 3, 3], stride: [1; 3], padding: [0, 1, 1], dilation: [1; 3] };
    check_conv([1, 5, 3, 5, 7], 5, flat, 5);
    check_conv([2, 4, 7, 6, 9], 4, cube(3, 2, 1), 4);
    check_conv([1, 3, 7, 6, 9], 3, Geometry { dilation: [2, 1, 3], ..cube(3, 1, 2) }, 3);
}

#[test]
fn dense_convolutions() {
    afresh();
    for [d, h, w] in VOLUMES {
        for (c, o) in [(1, 1), (2, 3), (3, 4), (4, 9)] {
            check_conv([2, c, d, h, w], o, cube(3, 1, 1), 1);
            check_conv([1, c, d, h, w], o, cube(3, 2, 1), 1);
        }
    }
    check_conv([1, 2, 5, 6, 7], 3, cube(2, 2, 0), 1);
    check_conv([1, 2, 8, 9, 10], 3, cube(3, 3, 0), 1);
    check_conv([1, 2, 8, 9, 10], 3, cube(1, 2, 0), 1);
    check_conv([1, 2, 8, 9, 10], 3, cube(5, 2, 2), 1);
    check_conv([1, 4, 5, 6, 7], 6, cube(3, 1, 1), 2);
    check_conv([1, 3, 3, 4, 6], 19, cube(3, 1, 1), 1);
    let odd = Geometry { kernel: [1, 2, 3], stride: [1, 3, 2], padding: [0, 1, 2], dilation: [1, 2, 2] };
    check_conv([2, 3, 4, 9, 11], 2, odd, 1);
}

#[test]
fn convolutions_of_many_channels() {
    afresh();
    for [d, h, w] in VOLUMES {
        check_conv([2, 9, d, h, w], 17, cube(3, 1, 1), 1);
        check_conv([1, 16, d, h, w], 8, cube(3, 2, 1), 1);
    }
    check_conv([1, 17, 8, 15, 16], 33, cube(3, 1, 1), 1);
    check_conv([1, 8, 9, 12, 16], 12, Geometry { dilation: [2; 3], ..cube(3, 1, 2) }, 1);
    check_conv([1, 260, 2, 3, 2], 264, cube(3, 1, 1), 1);
    check_conv([1, 64, 2, 2, 2], 96, cube(1, 1, 0), 1);
    check_conv([1, 32, 3, 4, 5], 24, cube(2, 2, 0), 2);
    check_conv([1, 10, 7, 8, 9], 12, cube(5, 1, 2), 1);
}

#[test]
fn pointwise_convolutions() {
    afresh();
    for [d, h, w] in VOLUMES {
        for (c, o) in [(1, 1), (3, 5), (8, 4), (16, 33)] {
            check_conv([2, c, d, h, w], o, cube(1, 1, 0), 1);
        }
    }
}

/// Runs a test on threads of its own that use an instruction set, or narrower ones.
fn on_threads(threads: usize, isa: Isa, test: impl FnOnce() + Send) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).start_handler(move |_| Isa::limit(Some(isa)));
    pool.build().unwrap().install(test);
}

#[test]
fn lanes_of_every_form_compute_the_same() {
    for isa in Isa::all() {
        on_threads(2, isa, || {
            assert_eq!(Isa::widest(), isa);
            depthwise_convolutions();
            dense_convolutions();
            convolutions_of_many_channels();
            pointwise_convolutions();
            transposed_convolutions();
            group_norm::group_norms();
            activations();
            the_logistic_function_is_right_at_its_ends();
            softmax_over_channels();
            trilinear_resizing();
            max_pooling();
            a_nan_wins_the_pool();
        });
    }
}

#[test]
fn views_that_are_not_in_order() {
    let x = random([4, 2, 9, 5, 7]);
    let view = |x: &Tensor<5>| x.clone().permute([1, 0, 2, 4, 3]).slice([0..2, 1..4, 2..9, 0..7, 1..4]);
    for (k, groups) in [(3, 3), (3, 1), (1, 1)] {
        same(
            &format!("view, kernel {k}, groups {groups}"),
            &[x.clone(), random([3, 3 / groups, k, k, k])],
            &[],
            |t, _| conv3d(view(&t[0]), t[1].clone(), None, [1; 3], [k / 2; 3], [1; 3], groups),
            |t, _| super::conv3d::portable(view(&t[0]), t[1].clone(), None, cube(k, 1, k / 2), groups),
        );
    }
}

#[test]
fn activations() {
    afresh();
    for [d, h, w] in VOLUMES {
        let x = [random([2, 3, d, h, w]) * 8.0];
        same("silu", &x, &[], |t, _| silu(t[0].clone()), |t, _| burn::tensor::activation::silu(t[0].clone()));
        same("relu", &x, &[], |t, _| leaky_relu(t[0].clone(), 0.0), |t, _| burn::tensor::activation::relu(t[0].clone()));
        let theirs = |t: &[Tensor<5>], _: &[Tensor<1>]| burn::tensor::activation::leaky_relu(t[0].clone(), 0.1);
        same("leaky relu", &x, &[], |t, _| leaky_relu(t[0].clone(), 0.1), theirs);
        same("sigmoid", &x, &[], |t, _| sigmoid(t[0].clone()), |t, _| burn::tensor::activation::sigmoid(t[0].clone()));
    }
}

#[test]
fn the_logistic_function_is_right_at_its_ends() {
    let mut x: Vec<f32> = (-1000..=1000).map(|i| i as f32 * 0.1).collect();
    x.extend([0.0, -0.0, 1e-30, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 88.7, -87.4, f32::MAX, f32::MIN]);
    let y = sigmoid(Tensor::<1>::from_data(TensorData::new(x.clone(), [x.len()]), &device())).to_data().try_to_vec::<f32>().unwrap();
    for (x, y) in x.into_iter().zip(y) {
        let want = 1.0 / (1.0 + (-f64::from(x)).exp());
        if x.is_nan() {
            assert!(y.is_nan());
        } else if want < f64::from(f32::MIN_POSITIVE) {
            assert!((f64::from(y) - want).abs() <= 1.5e-45, "sigmoid({x}) = {y:e}, not {want:e}");
        } else {
            assert!((f64::from(y) - want).abs() <= 3e-7 * want, "sigmoid({x}) = {y:e}, not {want:e}");
        }
    }
}

#[test]
fn softmax_over_channels() {
    afresh();
    for [d, h, w] in VOLUMES {
        for c in [1, 2, 4, 7] {
            let theirs = |t: &[Tensor<5>], _: &[Tensor<1>]| burn::tensor::activation::softmax(t[0].clone(), 1);
            let x = [random([2, c, d, h, w]) * 4.0];
            if c == 1 {
                close("softmax of one", softmax_channels(x[0].clone()).to_data(), x[0].clone().ones_like().to_data(), 1e-7);
            } else {
                same(&format!("softmax {c} of {:?}", [d, h, w]), &x, &[], |t, _| softmax_channels(t[0].clone()), theirs);
                let log = |t: &[Tensor<5>], _: &[Tensor<1>]| burn::tensor::activation::log_softmax(t[0].clone(), 1);
                same(&format!("its logarithm, {c} of {:?}", [d, h, w]), &x, &[], |t, _| log_softmax_channels(t[0].clone()), log);
            }
        }
    }
}

#[test]
fn trilinear_resizing() {
    afresh();
    for [d, h, w] in VOLUMES {
        for size in [[2 * d, 2 * h, 2 * w], [d, h + 1, 3 * w], [1, 1, 1], [4, 3, 5], [2 * d, 2 * h, w.div_ceil(2)], [7, h, 50]] {
            same(
                &format!("resize {:?} to {size:?}", [d, h, w]),
                &[random([2, 3, d, h, w])],
                &[],
                |t, _| resize_trilinear(t[0].clone(), size),
                |t, _| super::resize::portable(t[0].clone(), size),
            );
        }
    }
}

#[test]
fn resizing_weighs_as_the_formula_says() {
    let x = Tensor::<5>::from_data(TensorData::new(vec![0f32, 1.0, 4.0], [1, 1, 1, 1, 3]), &device());
    let values = |size| resize_trilinear(x.clone(), size).to_data().try_to_vec::<f32>().unwrap();
    assert_eq!(values([1, 1, 6]), [0.0, 0.25, 0.75, 1.75, 3.25, 4.0]);
    assert_eq!(values([1, 1, 1]), [1.0]);
    assert_eq!(values([1, 1, 2]), [0.25, 3.25]);
    assert_eq!(values([2, 1, 3]), [0.0, 1.0, 4.0, 0.0, 1.0, 4.0]);
}

#[test]
fn max_pooling() {
    afresh();
    for [d, h, w] in VOLUMES {
        for kernel in [[2, 2, 2], [1, 2, 2], [3, 1, 2], [2, 3, 3], [1, 1, 5]] {
            if kernel.iter().zip([d, h, w]).all(|(k, n)| *k <= n) {
                same(
                    &format!("pool {kernel:?} of {:?}", [d, h, w]),
                    &[random([2, 3, d, h, w])],
                    &[],
                    |t, _| max_pool3d(t[0].clone(), kernel),
                    |t, _| super::max_pool::portable(t[0].clone(), kernel),
                );
            }
        }
    }
}

#[test]
fn among_equals_the_first_of_the_box_gets_the_gradient() {
    let x =
        Tensor::<5>::from_data(TensorData::new(vec![0f32, 7.0, 7.0, 0.0, 3.0, 3.0, 3.0, 3.0], [2, 1, 1, 2, 2]), &device()).require_grad();
    let grads = max_pool3d(x.clone(), [1, 2, 2]).sum().backward();
    assert_eq!(x.grad(&grads).unwrap().to_data().try_to_vec::<f32>().unwrap(), [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_nan_wins_the_pool() {
    let x = Tensor::<5>::from_data(TensorData::new(vec![1f32, f32::NAN, 2.0, 3.0], [1, 1, 1, 2, 2]), &device());
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        assert!(max_pool3d(Tensor::from_data(x.to_data(), &gpu), [1, 2, 2]).into_scalar::<f32>().is_nan());
    }
    assert!(max_pool3d(x, [1, 2, 2]).into_scalar::<f32>().is_nan());
}

fn check_transposed(x: [usize; 5], outputs: usize, kernel: [usize; 3], window: TransposeWindow) {
    let leaves = [random(x), random([x[1], outputs / window.groups, kernel[0], kernel[1], kernel[2]])];
    same(
        &format!("transposed {kernel:?} of {x:?} -> {outputs}, {window:?}"),
        &leaves,
        &[random([outputs])],
        |t, v| conv_transpose3d(t[0].clone(), t[1].clone(), Some(v[0].clone()), window),
        |t, v| super::conv_transpose::portable(t[0].clone(), t[1].clone(), Some(v[0].clone()), window),
    );
}

#[test]
fn transposed_convolutions() {
    afresh();
    for [d, h, w] in VOLUMES {
        for (kernel, stride) in [([2, 2, 2], [2, 2, 2]), ([2, 1, 3], [2, 1, 3]), ([3, 3, 3], [2, 2, 2]), ([1, 2, 2], [2, 3, 1])] {
            check_transposed([2, 3, d, h, w], 4, kernel, TransposeWindow::of(stride));
            check_transposed([1, 17, d, h, w], 18, kernel, TransposeWindow::of(stride));
        }
        let padded = TransposeWindow { padding: [1; 3], output_padding: [1; 3], ..TransposeWindow::of([2; 3]) };
        check_transposed([1, 3, d, h, w], 4, [3; 3], padded);
        check_transposed([1, 20, d, h, w], 16, [3; 3], padded);
        check_transposed([1, 6, d, h, w], 6, [3; 3], TransposeWindow { groups: 6, ..padded });
    }
}

#[test]
fn a_backward_pass_begins_from_a_given_gradient() {
    afresh();
    let (x, gradient) = (random([2, 3, 4, 5, 6]), random::<5>([2, 3, 4, 5, 6]).inner());
    let back = |device: &Device, start: fn(Tensor<5>, Tensor<5>) -> Tensor<1>| {
        let x = Tensor::from_data(x.to_data(), device).require_grad();
        let gradient = Tensor::from_inner(gradient.clone().to_device(&device.clone().inner()));
        let y = silu(x.clone());
        let grads = (start(y.clone(), gradient.clone()) + start(y * 2.0, gradient)).backward();
        x.grad(&grads).unwrap().to_data()
    };
    let expected = back(&device(), super::backward_from::portable);
    close("backward_from", back(&device(), super::backward_from::backward_from), expected.clone(), 1e-7);
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        close("backward_from on the GPU", back(&gpu, super::backward_from::backward_from), expected, 1e-5);
    }
}
