//! What weights start as, before a network has learned.

use super::{Fault, Weight};

/// How a weight starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    Zeros,
    Ones,
    /// One number everywhere.
    Constant(f64),
    /// Uniform in `[-bound, bound]`; PyTorch's convolutions and linear layers use `1 / sqrt(fan in)`.
    Uniform(f64),
    Normal {
        mean: f64,
        deviation: f64,
    },
    /// Normal with mean 0 and this deviation, drawn again where it lies beyond 2 (`torch.nn.init.trunc_normal_`).
    TruncatedNormal(f64),
}

/// How the weights of one operation start where it is not as the operation says, which is PyTorch's default. Its `weight` starts so and its
/// `bias` as zeros. The deviations follow from the shape `[out, in / groups, ...]`, as PyTorch reckons them (of a transposed convolution the
/// first two dimensions are `[in, out / groups, ...]`, and taken as they stand).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initialisation {
    Constant(f64),
    Normal {
        mean: f64,
        deviation: f64,
    },
    TruncatedNormal(f64),
    /// Normal with variance `2 / (1 + slope^2) / fan` (He et al. 2015, `kaiming_normal_`); `fan_out` takes the outputs in place of the inputs.
    Kaiming {
        slope: f64,
        fan_out: bool,
    },
    /// Uniform with variance `2 gain^2 / (fan in + fan out)` (Glorot and Bengio 2010, `xavier_uniform_`).
    Xavier {
        gain: f64,
    },
}

impl Initialisation {
    /// A weight that starts so.
    pub(super) fn of(self, w: Weight) -> Weight {
        let init = match w.name {
            "weight" => self.drawn(&w.dims),
            "bias" => Init::Zeros,
            _ => w.init,
        };
        Weight { init, ..w }
    }

    fn drawn(self, dims: &[usize]) -> Init {
        let taps: f64 = dims.iter().skip(2).map(|n| *n as f64).product();
        let fan = |k: usize| dims.get(k).map_or(1.0, |n| *n as f64) * taps;
        match self {
            Initialisation::Constant(value) => Init::Constant(value),
            Initialisation::Normal { mean, deviation } => Init::Normal { mean, deviation },
            Initialisation::TruncatedNormal(deviation) => Init::TruncatedNormal(deviation),
            Initialisation::Kaiming { slope, fan_out } => {
                let fan = fan(if fan_out { 0 } else { 1 });
                Init::Normal { mean: 0.0, deviation: (2.0 / (1.0 + slope * slope) / fan).sqrt() }
            }
            Initialisation::Xavier { gain } => Init::Uniform(gain * (6.0 / (fan(0) + fan(1))).sqrt()),
        }
    }

    /// Refuses a number by which nothing can be drawn, or a fan where the weights have none.
    ///
    /// # Errors
    /// E0401.
    pub(super) fn check(self, weights: &[Weight]) -> Result<(), Fault> {
        let (name, number, least) = match self {
            Initialisation::Constant(value) => ("value", value, f64::MIN),
            Initialisation::Normal { mean, .. } if !mean.is_finite() => ("mean", mean, f64::MIN),
            Initialisation::Normal { deviation, .. } | Initialisation::TruncatedNormal(deviation) => ("std", deviation, 0.0),
            Initialisation::Kaiming { slope, .. } => ("slope", slope, f64::MIN),
            Initialisation::Xavier { gain } => ("gain", gain, 0.0),
        };
        if !number.is_finite() || number < least {
            let message = format!("`{name}` is {number}: no weight can be drawn by it");
            return Err(Fault::field("init", message).help("use a finite number, of deviations one of 0 or more"));
        }
        let fans = matches!(self, Initialisation::Kaiming { .. } | Initialisation::Xavier { .. });
        match weights.iter().find(|w| w.name == "weight" && w.dims.len() < 2).filter(|_| fans) {
            Some(_) => Err(Fault::field("init", "one number a channel has no fan in, from which this initialisation follows")
                .help("use `zeros`, `ones`, a number, or `normal(std: 0.02, mean: 1)`")),
            None => Ok(()),
        }
    }
}
