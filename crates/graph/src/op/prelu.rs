//! A rectifier whose slope below 0 is learned.

use super::{
    Activation, Add, ChannelAffine, Examples, Function, Sub,
    arity::{elementwise, exactly},
};
use crate::ir::{
    Cost, Expanded, Expansion, Fact, Fault, Init, Length, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weight, WeightView,
    Weights64,
};
use serde::{Deserialize, Serialize};

/// `x` above 0, `a x` below, with one learned `a` for all channels or one for each (He et al. 2015); it starts at 0.25.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PRelu {
    /// One slope for all channels.
    pub shared: bool,
}

impl Operator for PRelu {
    fn kind(&self) -> &'static str {
        "prelu"
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn weights(&self, x: &[Fact]) -> Vec<Weight> {
        let c = if self.shared { 1 } else { x.first().map_or(0, |f| f.channels) };
        vec![Weight::new("weight", [c], Init::Constant(0.25))]
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        elementwise(y, 2)
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        SavedForBackward::input()
    }

    fn length(&self, x: &[Length], _: usize) -> Option<Length> {
        x.first().copied()
    }

    fn ptflops(&self, _: &[Fact], y: &Fact) -> Result<u64, Fault> {
        y.elements()
    }

    fn reference(&self, weights: &Weights64, x: &[&Volume64], y: Fact) -> Option<Volume64> {
        let slope = weights("weight");
        Some(x.first()?.each_channel(y, |_, c, from, to| {
            let a = slope[if self.shared { 0 } else { c }];
            to.iter_mut().zip(from).for_each(|(y, v)| *y = if *v > 0.0 { *v } else { a * v });
        }))
    }

    /// `relu(x) + a (x - relu(x))`.
    fn expand(&self, x: &[Fact]) -> Option<Expansion> {
        let c = x.first()?.channels;
        let mut e = Expansion::default();
        let input = Expanded::Input(0);
        let above = e.add("above", Activation::from(Function::Relu), &[input]);
        let below = e.add("below", Sub, &[input, above]);
        let view = WeightView { of: "weight", start: 0, rows: if self.shared { 1 } else { c }, dims: vec![c] };
        let below = e.with("slope", ChannelAffine::SCALE, &[below], vec![("weight", view)]);
        e.add("sum", Add, &[above, below]);
        Some(e)
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let inputs = [n.x(0), n.weight_by_channel("weight")];
        Some(n.node("PRelu", &inputs, vec![]))
    }
}

impl Examples for PRelu {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        vec![(PRelu { shared: true }, vec![Fact::new(2, 3, [3, 2, 4])]), (PRelu { shared: false }, vec![Fact::new(1, 3, [2, 2, 5])])]
    }
}
