//! One network of every operation: nothing but the operations decides what it gives.

use super::*;

/// The shares of three branches that are made of one value: what is cheap is computed again in the backward pass, one after the other.
fn gated(x: Tensor<5>, wider: Tensor<5>) -> Tensor<5> {
    let [.., d, h, w] = x.dims();
    let branches = conv3d(x.clone(), wider, None, [1; 3], [0; 3], [1; 3], 1);
    let places = position_map(mean_volume(branches.clone()), [d, h, w]);
    let [a, b] = [0, 8].map(|at| branches.clone().narrow(1, at, 8));
    let shares = softmax_channels(concat(vec![places, x]));
    let share = |at: usize, channels: usize| shares.clone().narrow(1, at, channels);
    let branches = [(a.clone(), true), (b, true), (a.clone(), false)].map(|(x, silu)| Branch { x, silu });
    add(gate(branches.to_vec(), share(3, 3)), mul(share(7, 1), a))
}

/// The outputs and gradients of one network of every operation.
fn everything(leaves: &[Tensor<5>], vector: &Tensor<1>) -> Vec<Vec<f32>> {
    let leaves: Vec<_> = leaves.iter().map(|x| x.clone().require_grad()).collect();
    let v = vector.clone().require_grad();
    let [x, dense, depthwise, pointwise, transposed, wider] = [0, 1, 2, 3, 4, 5].map(|i| leaves[i].clone());
    let y = conv3d(x, dense, Some(v.clone()), [1; 3], [1; 3], [1; 3], 1);
    let y = group_norm(y, v.clone(), v.clone(), 2, 1e-5, true);
    let means = mean_volume(y.clone());
    let y = add(mul(y, sigmoid(means.clone())), means);
    let y = conv3d(y, depthwise, None, [1; 3], [2; 3], [1; 3], 8);
    let y = sigmoid(conv3d(max_pool3d(y, [2; 3]), pointwise, Some(v.clone()), [1; 3], [0; 3], [1; 3], 1));
    let y = gated(y, wider);
    let y = conv_transpose3d(y, transposed, Some(v.clone()), TransposeWindow::of([2; 3]));
    let y = softmax_channels(resize_trilinear(y * 5.0, [31, 20, 45]));
    let grads = (y.clone() * y.clone()).sum().backward();
    let mut all = vec![y.to_data().try_to_vec().unwrap(), v.grad(&grads).unwrap().to_data().try_to_vec().unwrap()];
    all.extend(leaves.iter().map(|x| x.grad(&grads).unwrap().to_data().try_to_vec().unwrap()));
    all
}

/// A volume and the weights of that network.
fn leaves(x: [usize; 5]) -> [Tensor<5>; 6] {
    let weights = [[8, 4, 3, 3, 3], [8, 1, 5, 5, 5], [8, 8, 1, 1, 1], [8, 8, 2, 2, 2], [18, 8, 1, 1, 1]];
    let [a, b, c, d, e] = weights.map(random);
    [random(x), a, b, c, d, e]
}

#[test]
fn gradient_checkpointing_changes_nothing() {
    let leaves = leaves([1, 4, 6, 8, 10]);
    let vector = random([8]) + 1.5;
    let on = |device: Device| {
        let leaves = leaves.each_ref().map(|x| Tensor::from_data(x.to_data(), &device));
        everything(&leaves, &Tensor::from_data(vector.to_data(), &device))
    };
    assert!(on(device()) == on(device().gradient_checkpointing()));
    #[cfg(feature = "gpu")]
    if let Some(gpu) = gpu() {
        let there = |values: &Vec<f32>| TensorData::new(values.clone(), [values.len()]);
        // What is recomputed may be fused with something else, which rounds otherwise.
        for (a, b) in on(gpu.clone().gradient_checkpointing()).iter().zip(&on(gpu)) {
            close("on a GPU", there(a), there(b), 1e-6);
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let leaves = leaves([2, 4, 34, 36, 38]);
    let vector = random([8]) + 1.5;
    let mut results = Vec::new();
    for threads in [1, 2, 5] {
        on_threads(threads, Isa::widest(), || results.push(everything(&leaves, &vector)));
    }
    assert!(results[0].iter().flatten().all(|v| v.is_finite()));
    assert!(results[0] == results[1] && results[0] == results[2]);
}
