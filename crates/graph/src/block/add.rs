//! The sum of several values.

use super::{Block, Builder, Connected, FunctionForm, Port};
use crate::ir::{Fault, Value};
use crate::op;
use crate::text::Code;
use serde::{Deserialize, Serialize};

/// The sum, then an activation if asked for; a dimension of 1 is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<FunctionForm>,
}

impl Block for Add {
    const NAME: &'static str = "Add";
    const INPUTS: &'static [Port] = &[Port::many("x", "two or more values of one shape")];
    const EXAMPLE: &'static str = "Add(x: [\"a\", \"b\"])";
    const SHAPES: &'static [(&'static str, usize, usize)] = &[("a", 8, 1), ("b", 8, 1)];

    fn lower(&self, b: &mut Builder, x: &Connected) -> Result<Vec<Value>, Fault> {
        let all = x.many("x");
        let [first, second, rest @ ..] = all.as_slice() else {
            return Err(Fault::new(Code::E0204, format!("a sum needs two values, and it has {}", all.len()))
                .on("x")
                .help("connect a second, or take the first as it is"));
        };
        let mut sum = b.op("sum1", op::Add, &[*first, *second]).map_err(|f| f.on("x"))?;
        for (i, v) in rest.iter().enumerate() {
            sum = b.op(&format!("sum{}", i + 2), op::Add, &[sum, *v]).map_err(|f| f.on("x"))?;
        }
        Ok(vec![self.activation.map_or(Ok(sum), |activation| activation.lower(b, "act", sum))?])
    }
}
