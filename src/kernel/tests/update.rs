//! Steps of optimisers against Burn's own, on the CPU and where there is one on a GPU.

use super::*;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, Optimizer, SgdConfig};

const RATE: f32 = 0.03;

/// The numbers of step `t`, counted from 1.
fn control(t: i32, betas: [f32; 2], scale: f32, apply: f32, device: &Device) -> Tensor<1> {
    let [first, second] = betas.map(|b| 1.0 / (1.0 - b.powi(t)));
    Tensor::from_data(TensorData::new(vec![RATE, first, second, scale, apply], [UpdateScalars::LEN]), device)
}

/// Three steps by a rule on every device against those of Burn's.
fn steps(rule: UpdateRule, betas: [f32; 2], theirs: &impl Optimizer) {
    afresh();
    let weight = random([3, 5, 41]);
    let gradients = [random([3, 5, 41]), random([3, 5, 41]), random([3, 5, 41])];
    let (mut own, mut state) = (on(&weight, &Device::flex()), None);
    let step = |g: &Tensor<3>| {
        (own, state) = theirs.step(f64::from(RATE), own.clone(), on(g, &Device::flex()), state.take());
        own.clone()
    };
    let wanted: Vec<Tensor<3>> = gradients.iter().map(step).collect();
    for device in devices() {
        let mut w = on(&weight, &device);
        let mut moments: Vec<Tensor<1>> = (0..rule.moments()).map(|_| Tensor::zeros([3 * 5 * 41], &device)).collect();
        for (t, (g, wanted)) in gradients.iter().zip(&wanted).enumerate() {
            // Half of a gradient that is twice as long; and a step that does not apply moves nothing.
            let g = on(g, &device) * 2.0;
            for apply in [0.0, 1.0] {
                let before = w.to_data();
                let numbers = control(t as i32 + 1, betas, 0.5, apply, &device);
                (w, moments) = update(w, g.clone(), moments, numbers, rule);
                if apply == 0.0 {
                    close("what does not apply", w.to_data(), before, 0.0);
                }
            }
            close(&format!("{rule:?}, step {t}, {device:?}"), w.to_data(), wanted.to_data(), 1e-6);
        }
    }
}

#[test]
fn adam_with_decoupled_decay_is_that_of_burn() {
    let (betas, decay) = ([0.9, 0.99], 0.1);
    let adam = AdamWConfig::new().with_beta_1(betas[0]).with_beta_2(betas[1]).with_epsilon(1e-8).with_weight_decay(decay).build();
    steps(UpdateRule::Adam { betas, epsilon: 1e-8, decay }, betas, &adam);
}

#[test]
fn descent_with_momentum_is_that_of_burn() {
    for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
        let own = MomentumConfig { momentum: f64::from(momentum), dampening: 0.0, nesterov };
        let decay = WeightDecayConfig::new(0.1);
        let descent = SgdConfig::new().with_momentum((momentum > 0.0).then_some(own)).with_weight_decay(Some(decay)).build();
        steps(UpdateRule::Momentum { momentum, nesterov, decay: 0.1 }, [0.9; 2], &descent);
    }
}

#[test]
fn means_over_time_and_lengths() {
    afresh();
    let (mean, weight, long) = (random([7, 3]), random([7, 3]), random([2, 1, 40, 50, 9]));
    let wanted = on(&mean, &Device::flex()) * 0.9 + on(&weight, &Device::flex()) * 0.1;
    let all = [long.clone().reshape([36000]), mean.clone().reshape([21])];
    let length: f64 = all.iter().flat_map(|x| x.to_data().try_to_vec::<f32>().unwrap()).map(|x| f64::from(x).powi(2)).sum();
    for device in devices() {
        let keep = Tensor::from_data(TensorData::new(vec![0.9f32], [1]), &device);
        let ours = blend(on(&mean, &device), on(&weight, &device), keep);
        close("a mean over time", ours.to_data(), wanted.to_data(), 1e-6);
        let mut squares = SquaredNorm::new([36000, 21].into_iter(), &device);
        squares.add(on(&long, &device));
        squares.add(on(&mean, &device));
        let sum = squares.sum().to_data().try_to_vec::<f32>().unwrap()[0];
        assert!((f64::from(sum) / length - 1.0).abs() < 1e-6, "{sum} for {length} on {device:?}");
    }
}

#[test]
fn gradients_of_batches_join() {
    afresh();
    let (a, b) = (random([3, 5, 41]), random([3, 5, 41]));
    for device in devices() {
        let mode = |how: Accumulate| Tensor::<1>::from_data(TensorData::new(vec![how.number() as f32], [1]), &device);
        let accumulate = |sum: Tensor<1>, g: &Tensor<3>, how| accumulate(sum, on(g, &device), mode(how));
        // What a failed step has left is not added to.
        let left = Tensor::<1>::full([3 * 5 * 41], f32::NAN, &device);
        let first = accumulate(left, &a, Accumulate::Overwrite);
        close("the first", first.to_data(), a.clone().flatten::<1>(0, 2).to_data(), 0.0);
        let kept = accumulate(first, &b, Accumulate::Skip);
        close("none", kept.to_data(), a.clone().flatten::<1>(0, 2).to_data(), 0.0);
        let both = accumulate(kept, &b, Accumulate::Add);
        close("the next", both.to_data(), (a.clone() + b.clone()).flatten::<1>(0, 2).to_data(), 1e-7);
    }
}
