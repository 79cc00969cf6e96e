//! What leads from volumes to one number a channel and back, products and sums with such, and captured graphs.

use super::*;

#[test]
fn means_of_volumes() {
    afresh();
    // The last has more voxels than one block takes.
    for [d, h, w] in VOLUMES.into_iter().chain([[3, 70, 90]]) {
        let theirs = |t: &[Tensor<5>], _: &[Tensor<1>]| t[0].clone().mean_dim(2).mean_dim(3).mean_dim(4);
        same(&format!("mean of {:?}", [d, h, w]), &[random([2, 3, d, h, w]) + 0.5], &[], |t, _| mean_volume(t[0].clone()), theirs);
    }
}

#[test]
fn maps_of_places() {
    afresh();
    for to in VOLUMES {
        let theirs = |t: &[Tensor<5>], _: &[Tensor<1>]| {
            let anchor = |axis: usize| t[0].clone().reshape([2, 3, 3, 1, 1]).narrow(2, axis, 1);
            let place = |axis: usize| {
                let mut shape = [1; 5];
                shape[2 + axis] = to[axis];
                let shares: Vec<f32> = (0..to[axis]).map(|i| i as f32 / to[axis] as f32).collect();
                Tensor::<5>::from_data(TensorData::new(shares, shape), &t[0].device()) - anchor(axis)
            };
            place(0) + place(1) + place(2)
        };
        same(&format!("places of {to:?}"), &[random([2, 9, 1, 1, 1])], &[], |t, _| position_map(t[0].clone(), to), theirs);
    }
}

#[test]
fn products_and_sums_with_what_lacks_channels_or_voxels() {
    afresh();
    for [d, h, w] in VOLUMES {
        for shape in [[2, 1, d, h, w], [2, 3, 1, 1, 1]] {
            let leaves = [random([2, 3, d, h, w]) + 1.5, random(shape) + 1.5];
            let what = format!("{:?} and {shape:?}", [d, h, w]);
            same(&what, &leaves, &[], |t, _| mul(t[0].clone(), t[1].clone()), |t, _| t[0].clone() * t[1].clone());
            same(&what, &leaves, &[], |t, _| add(t[1].clone(), t[0].clone()), |t, _| t[0].clone() + t[1].clone());
        }
    }
}

#[test]
fn gates_of_some_branches() {
    afresh();
    for (number, [d, h, w]) in VOLUMES.into_iter().enumerate() {
        for count in 1..=5 {
            // Every choice of where a SiLU stands comes up, with one more branch than one pass takes as well.
            let silu = |k: usize| (number + count + k * k).is_multiple_of(2);
            let mut leaves = vec![random([2, count, d, h, w]) + 0.5];
            leaves.extend((0..count).map(|_| random([2, 3, d, h, w])));
            let ours = |t: &[Tensor<5>], _: &[Tensor<1>]| {
                let branches = t[1..].iter().enumerate().map(|(k, x)| Branch { x: x.clone(), silu: silu(k) });
                gate(branches.collect(), t[0].clone())
            };
            let theirs = |t: &[Tensor<5>], _: &[Tensor<1>]| {
                let bent = |k: usize| if silu(k) { burn::tensor::activation::silu(t[1 + k].clone()) } else { t[1 + k].clone() };
                let products = (0..count).map(|k| bent(k) * t[0].clone().narrow(1, k, 1));
                products.reduce(|a, b| a + b).unwrap()
            };
            same(&format!("{count} branches of {:?}", [d, h, w]), &leaves, &[], ours, theirs);
        }
    }
}

#[test]
fn a_volume_may_be_two_branches() {
    afresh();
    let leaves = [random([2, 2, 3, 4, 5]), random([2, 3, 3, 4, 5])];
    let ours = |t: &[Tensor<5>], _: &[Tensor<1>]| gate([false, true].map(|silu| Branch { x: t[1].clone(), silu }).to_vec(), t[0].clone());
    let theirs = |t: &[Tensor<5>], _: &[Tensor<1>]| {
        let x = t[1].clone();
        x.clone() * t[0].clone().narrow(1, 0, 1) + burn::tensor::activation::silu(x) * t[0].clone().narrow(1, 1, 1)
    };
    same("twice the same", &leaves, &[], ours, theirs);
}

#[test]
fn sums_and_volumes_one_after_the_other() {
    afresh();
    for [d, h, w] in VOLUMES {
        let leaves = [random([2, 3, d, h, w]), random([2, 5, d, h, w]), random([2, 5, d, h, w])];
        let what = format!("{:?}", [d, h, w]);
        // Their backward pass needs the inputs.
        let bent = |y: Tensor<5>| y.clone() * y;
        let ours = |t: &[Tensor<5>], _: &[Tensor<1>]| bent(concat(vec![t[0].clone(), add(t[1].clone(), t[2].clone())]));
        let theirs = |t: &[Tensor<5>], _: &[Tensor<1>]| bent(Tensor::cat(vec![t[0].clone(), t[1].clone() + t[2].clone()], 1));
        same(&what, &leaves, &[], ours, theirs);
        let ours = |t: &[Tensor<5>], _: &[Tensor<1>]| bent(concat(t.to_vec()));
        same(&what, &leaves, &[], ours, |t, _| bent(Tensor::cat(t.to_vec(), 1)));
    }
}

#[test]
fn ones_and_zeros_come_out_of_their_bits() {
    // More channels than a volume takes.
    let (n, channels, size) = (2, 50, [3, 4, 5]);
    let volume = size.iter().product::<usize>();
    let one = |n: usize, c: usize, place: usize| (n + c * c + place * 7).is_multiple_of(3);
    let mut packed = Packed::new(n, channels, volume);
    for (n, c, place) in (0..n).flat_map(|n| (0..channels).flat_map(move |c| (0..volume).map(move |p| (n, c, p)))) {
        if one(n, c, place) {
            packed.set(n, c, place);
        }
    }
    let (values, parts) = packed.into_values();
    assert_eq!(parts, 3);
    for device in devices() {
        let bits = Tensor::<5>::from_data(TensorData::new(values.clone(), [n, parts, size[0], size[1], size[2]]), &device);
        for (first, count) in [(0, 50), (0, 3), (22, 5), (49, 1)] {
            let got = unpack(bits.clone(), first, count).to_data();
            let at = |i: usize| f32::from(u8::from(one(i / volume / count, first + i / volume % count, i % volume)));
            let wanted: Vec<f32> = (0..n * count * volume).map(at).collect();
            close(&format!("{first} and {count} more"), got, TensorData::new(wanted, [n, count, size[0], size[1], size[2]]), 0.0);
        }
    }
}

#[test]
fn linear_maps_of_vectors() {
    afresh();
    for (inputs, outputs) in [(1, 1), (3, 5), (24, 128), (130, 7)] {
        let leaves = [random([2, inputs, 1, 1, 1]), random([outputs, inputs, 1, 1, 1])];
        let ours = |t: &[Tensor<5>], v: &[Tensor<1>]| linear(t[0].clone(), t[1].clone().reshape([outputs, inputs]), Some(v[0].clone()));
        let theirs = |t: &[Tensor<5>], v: &[Tensor<1>]| {
            let products = t[0].clone().reshape([2, 1, inputs]) * t[1].clone().reshape([1, outputs, inputs]);
            products.sum_dim(2).reshape([2, outputs, 1, 1, 1]) + v[0].clone().reshape([1, outputs, 1, 1, 1])
        };
        same(&format!("linear {inputs} to {outputs}"), &leaves, &[random([outputs])], ours, theirs);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_captured_graph_computes_what_was_captured() {
    let Some(device) = gpu().map(|device| device.inner()) else { return };
    let there = |x: &Tensor<5>| Tensor::<5>::from_data(x.clone().inner().to_data(), &device);
    let (x, y) = (random([2, 3, 5, 6, 7]), random([2, 3, 5, 6, 7]));
    let w = there(&random([4, 3, 3, 3, 3]));
    let run = move |x: Vec<Tensor<5>>| vec![silu(conv3d(x[0].clone(), w.clone(), None, [1; 3], [1; 3], [1; 3], 1)) * 2.0];
    let plain = run.clone();
    let mut captured = CapturedGraph::new(&device, vec![there(&x)], 0, run);
    for x in [&x, &y, &x] {
        let replayed = captured.replay_on(vec![there(x)]).to_vec();
        close("a captured graph", replayed[0].to_data(), plain(vec![there(x)])[0].to_data(), 1e-6);
    }
    assert!(captured.fits(&[there(&x)]) && !captured.fits(&[there(&random([1, 3, 5, 6, 7]))]));
    let inputs = vec![there(&x)];
    assert!(!std::thread::spawn(move || captured.fits(&inputs)).join().unwrap_or(true), "each thread has a queue of its own");
}

#[test]
fn sums_of_volumes_and_of_all() {
    afresh();
    for [d, h, w] in VOLUMES {
        let x = [random([3, 2, d, h, w])];
        same("sums", &x, &[], |t, _| sum_volume(t[0].clone()), |t, _| t[0].clone().sum_dims(&[2, 3, 4]));
        let all = |t: &[Tensor<5>], _: &[Tensor<1>]| t[0].clone().sum().reshape([1; 5]);
        same("the sum", &x, &[], |t, _| sum(t[0].clone()).reshape([1; 5]), all);
    }
}
