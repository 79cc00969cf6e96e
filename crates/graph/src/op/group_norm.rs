//! Group normalisation.

use super::{Examples, arity::exactly};
use crate::ir::{Cost, Fact, Fault, Init, Kept, Operator, Reach, Weight};
use crate::text::{Code, several};
use serde::{Deserialize, Serialize};

/// Each group of channels is brought to mean 0 and variance 1 over its voxels, then scaled and shifted per channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupNorm {
    pub groups: usize,
    pub eps: f64,
}

impl GroupNorm {
    /// With PyTorch's epsilon, 1e-5.
    pub fn new(groups: usize) -> Self {
        Self { groups, eps: 1e-5 }
    }
}

impl Operator for GroupNorm {
    fn kind(&self) -> &'static str {
        "group_norm"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        let [x] = exactly::<1>(self.kind(), x)?;
        if self.groups == 0 || x.channels % self.groups != 0 {
            let message = format!("{} cannot be split into {}", several(x.channels, "channel"), several(self.groups, "group"));
            return Err(Fault::new(Code::E0302, message)
                .on("groups")
                .help("use a width that is a multiple of the groups, or fewer groups"));
        }
        if !(self.eps.is_finite() && self.eps > 0.0) {
            return Err(Fault::field("eps", format!("`eps` is {}: it must be above 0", self.eps)).help("use 1e-5"));
        }
        Ok(x)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let c = x.first().map_or(0, |f| f.channels);
        vec![Weight::new("weight", [c], Init::Ones), Weight::new("bias", [c], Init::Zeros)]
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let e = y.elements()?;
        // Mean and variance (3), normalisation (2), affine (2).
        Ok(Cost { other: e.saturating_mul(7), normed: e, ..Cost::default() })
    }

    /// The mean and the deviation of each group beside the input.
    fn kept(&self, x: &[Fact], _: &[bool]) -> Kept {
        let groups = x.first().map_or(0, |f| (f.batch as u64).saturating_mul(self.groups as u64));
        Kept { bytes: groups.saturating_mul(8), ..Kept::INPUT }
    }

    fn absorbs(&self, next: &str) -> bool {
        next == "silu"
    }

    fn reach(&self) -> Reach {
        Reach::Own
    }
}

impl Examples for GroupNorm {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(GroupNorm::new(4), vec![Fact::new(2, 8, [3, 5, 2])]), (GroupNorm::new(1), vec![Fact::new(1, 3, [2, 2, 9])])]
    }
}
