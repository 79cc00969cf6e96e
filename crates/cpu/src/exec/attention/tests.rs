use super::*;
use crate::ir::{Fact, Operator, Triple, Volume64};
use crate::op::AttentionBias;

/// Numbers between -1 and 1 that follow from their places.
fn wave(n: usize, step: f64) -> Vec<f32> {
    (0..n).map(|i| ((i as f64 * step).sin() * 0.9) as f32).collect()
}

fn fact(batch: usize, channels: usize, size: [usize; 3]) -> Fact {
    Fact { batch, channels, size }
}

struct Given {
    a: Attention,
    facts: [Fact; 3],
    y: Fact,
    /// Queries, keys, values, the table, the temperature.
    numbers: [Vec<f32>; 5],
    probe: Vec<f32>,
}

impl Given {
    fn new(a: Attention, facts: [Fact; 3]) -> Self {
        let y = a.infer(&facts).expect("it fits");
        let len = |f: Fact| f.dims().iter().product::<usize>();
        let weights = a.weights(&facts);
        let of = |name: &str| weights.iter().find(|w| w.name == name).map_or(0, |w| w.dims.iter().product::<usize>());
        let [q, k, v] = facts.map(len);
        let temperature = wave(of("temperature"), 1.3).iter().map(|t| 1.0 + 0.3 * t).collect();
        let numbers = [wave(q, 0.7), wave(k, 1.1), wave(v, 0.37), wave(of("table"), 2.3), temperature];
        Self { a, facts, y, numbers, probe: wave(len(y), 0.53) }
    }

    fn views(&self) -> ([TensorView<'_>; 3], Learned<'_>) {
        let [q, k, v, table, temperature] = &self.numbers;
        let view = |i: usize, data| TensorView { fact: self.facts[i], data };
        ([view(0, q.as_slice()), view(1, k), view(2, v)], Learned { table, temperature })
    }

    /// The sum of what the definition gives times the probe, with numbers moved along a direction.
    fn defined(&self, which: usize, direction: &[f64], by: f64) -> (f64, Volume64) {
        let wide = |i: usize| -> Vec<f64> {
            let moved = |(at, v): (usize, &f32)| f64::from(*v) + if i == which { by * direction[at] } else { 0.0 };
            self.numbers[i].iter().enumerate().map(moved).collect()
        };
        let x: Vec<Volume64> = (0..3).map(|i| Volume64 { fact: self.facts[i], values: wide(i) }).collect();
        let weights = |name: &str| match name {
            "table" => wide(3),
            _ => wide(4),
        };
        let y = self.a.reference(&weights, &x.iter().collect::<Vec<_>>(), self.y).expect("it has a definition");
        (y.values.iter().zip(&self.probe).map(|(y, p)| y * f64::from(*p)).sum(), y)
    }

    fn check(&self, what: &str) {
        let (x, learned) = self.views();
        let found = forward(&self.a, learned, x, true);
        let (_, want) = self.defined(9, &[], 0.0);
        let off = found.out.iter().zip(&want.values).map(|(g, w)| (f64::from(*g) - w).abs()).fold(0.0, f64::max);
        assert!(off < 2e-6 && found.out.len() == want.values.len(), "{what}: {off}");
        assert_eq!(forward(&self.a, learned, x, false).out, found.out);
        let gradients = backward(&self.a, learned, x, (&found.out, &found.log_sum_exp), &self.probe);
        for (i, gradient) in [&gradients.q, &gradients.k, &gradients.v, &gradients.table, &gradients.temperature].into_iter().enumerate() {
            assert_eq!(gradient.len(), self.numbers[i].len(), "{what}: {i}");
            for step in [0.91, 0.173] {
                let direction: Vec<f64> = wave(gradient.len(), step).iter().map(|v| f64::from(*v)).collect();
                let h = 1e-5;
                let rise = (self.defined(i, &direction, h).0 - self.defined(i, &direction, -h).0) / (2.0 * h);
                let got: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum();
                let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt()
                    * direction.iter().map(|d| d * d).sum::<f64>().sqrt();
                assert!((got - rise).abs() <= 2e-5 * norm.max(1e-3), "{what}, gradient {i}: {got} for {rise}");
            }
        }
        // Whatever the threads.
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        let alone = one.install(|| backward(&self.a, learned, x, (&found.out, &found.log_sum_exp), &self.probe));
        assert!(alone.q == gradients.q && alone.k == gradients.k && alone.v == gradients.v && alone.table == gradients.table);
    }
}

#[test]
fn all_voxels_see_all_keys() {
    // More keys than a block, more blocks of queries than cuts; other grids of queries and keys, other channels of values.
    let a = Attention { temperature: true, ..Attention::new(2) };
    Given::new(a, [fact(2, 6, [5, 11, 13]), fact(2, 6, [3, 14, 13]), fact(2, 10, [3, 14, 13])]).check("unequal grids");
    Given::new(Attention { scale: Some(0.8), ..Attention::new(3) }, [fact(1, 3, [1, 1, 1]); 3]).check("one voxel");
    let bias = AttentionBias::Offsets { grid: Triple([1, 12, 10]), stride: Triple([1, 2, 2]) };
    let a = Attention { bias, ..Attention::new(2) };
    Given::new(a, [fact(2, 8, [1, 6, 5]), fact(2, 8, [1, 12, 10]), fact(2, 4, [1, 12, 10])]).check("a bias by distances");
}

#[test]
fn windows_see_themselves() {
    // Windows of more tokens than a block of queries, and more of them than cuts.
    let full = Triple([4, 5, 4]);
    let a = Attention {
        window: Some(full),
        shift: Triple([2, 0, 2]),
        mask: true,
        temperature: true,
        bias: AttentionBias::Relative { full, steps: Triple([63, 7, 1]) },
        ..Attention::new(2)
    };
    Given::new(a, [fact(2, 6, [8, 10, 12]); 3]).check("shifted windows");
    let a = Attention { window: Some(Triple([7, 7, 7])), clamp: true, ..Attention::new(1) };
    Given::new(a, [fact(1, 4, [3, 7, 14]); 3]).check("clamped windows");
}
