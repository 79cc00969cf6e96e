//! Functions of one number.

use super::{
    Examples,
    arity::{elementwise, exactly},
};
use crate::ir::{Access, Cost, Fact, Fault, OnnxBuilder, OnnxValue, Operator, SavedForBackward, Volume64, Weights64};
use serde::{Deserialize, Serialize};

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// `x * sigmoid(x)`
    Silu,
    Relu,
    /// `x` above 0, `slope * x` below; the slope is 0.01 where none is given.
    LeakyRelu,
    /// `x` above 0, `alpha * (exp(x) - 1)` below; alpha is 1 where none is given.
    Elu,
    /// The exact form, by the error function.
    Gelu,
    /// The form by the hyperbolic tangent.
    GeluTanh,
    Sigmoid,
    Tanh,
    Abs,
    /// `log(1 + exp(x))`
    Softplus,
    /// `x * tanh(softplus(x))`
    Mish,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `x * hard_sigmoid(x)`
    HardSwish,
    /// `1 / sqrt(x)`
    Rsqrt,
    /// The square root.
    Sqrt,
}

impl Function {
    pub const ALL: [Self; 16] = {
        use Function::*;
        [Silu, Relu, LeakyRelu, Elu, Gelu, GeluTanh, Sigmoid, Tanh, Abs, Softplus, Mish, Relu6, HardSigmoid, HardSwish, Rsqrt, Sqrt]
    };

    /// As it is called in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Function::Silu => "silu",
            Function::Relu => "relu",
            Function::LeakyRelu => "leaky_relu",
            Function::Elu => "elu",
            Function::Gelu => "gelu",
            Function::GeluTanh => "gelu_tanh",
            Function::Sigmoid => "sigmoid",
            Function::Tanh => "tanh",
            Function::Abs => "abs",
            Function::Softplus => "softplus",
            Function::Mish => "mish",
            Function::Relu6 => "relu6",
            Function::HardSigmoid => "hard_sigmoid",
            Function::HardSwish => "hard_swish",
            Function::Rsqrt => "rsqrt",
            Function::Sqrt => "sqrt",
        }
    }

    /// The value of its parameter where none is given: the slope of `leaky_relu`, the alpha of `elu`.
    pub fn default_parameter(self) -> Option<f64> {
        match self {
            Function::LeakyRelu => Some(0.01),
            Function::Elu => Some(1.0),
            _ => None,
        }
    }
}

/// The function of every number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    pub function: Function,
    /// The slope of `leaky_relu` or the alpha of `elu`, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<f64>,
}

impl From<Function> for Activation {
    fn from(function: Function) -> Self {
        Self { function, parameter: None }
    }
}

impl Activation {
    pub const SILU: Self = Self { function: Function::Silu, parameter: None };
    pub const SIGMOID: Self = Self { function: Function::Sigmoid, parameter: None };
    pub const ABS: Self = Self { function: Function::Abs, parameter: None };

    /// With the slope or the alpha.
    pub fn with(function: Function, parameter: f64) -> Self {
        Self { function, parameter: Some(parameter).filter(|p| function.default_parameter().is_some_and(|d| d != *p)) }
    }

    /// The slope of `leaky_relu` or the alpha of `elu`; 0 of the others, which have none.
    pub fn parameter(&self) -> f64 {
        self.parameter.or(self.function.default_parameter()).unwrap_or(0.0)
    }

    /// The function in double precision.
    pub fn of(&self, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let hard_sigmoid = |x: f64| (x + 3.0).clamp(0.0, 6.0) / 6.0;
        // `log(1 + exp(x))` without an overflow.
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        match self.function {
            Function::Silu if x < -700.0 => -0.0,
            Function::Silu => x * sigmoid(x),
            Function::Relu if x < 0.0 => 0.0,
            Function::Relu => x,
            Function::LeakyRelu if x < 0.0 => self.parameter() * x,
            Function::LeakyRelu => x,
            Function::Elu if x < 0.0 => self.parameter() * x.exp_m1(),
            Function::Elu => x,
            Function::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Function::GeluTanh => 0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()),
            Function::Sigmoid => sigmoid(x),
            Function::Tanh => x.tanh(),
            Function::Abs => x.abs(),
            Function::Softplus => softplus(x),
            Function::Mish => x * softplus(x).tanh(),
            Function::Relu6 => x.clamp(0.0, 6.0),
            Function::HardSigmoid => hard_sigmoid(x),
            Function::HardSwish => x * hard_sigmoid(x),
            Function::Rsqrt => 1.0 / x.sqrt(),
            Function::Sqrt => x.sqrt(),
        }
    }

    /// `x / 2 (1 + f)` for the operator sets without a node of its own, `f` the error function or the hyperbolic tangent.
    fn gelu(&self, n: &mut OnnxBuilder<'_>, x: OnnxValue) -> OnnxValue {
        let times = |n: &mut OnnxBuilder<'_>, a: &OnnxValue, factor: f64| {
            let factor = n.scalar(factor);
            n.node("Mul", &[a.clone(), factor], vec![])
        };
        let f = if self.function == Function::Gelu {
            let scaled = times(n, &x, std::f64::consts::FRAC_1_SQRT_2);
            n.node("Erf", &[scaled], vec![])
        } else {
            let square = n.node("Mul", &[x.clone(), x.clone()], vec![]);
            let cube = n.node("Mul", &[square, x.clone()], vec![]);
            let small = times(n, &cube, 0.044715);
            let sum = n.node("Add", &[x.clone(), small], vec![]);
            let scaled = times(n, &sum, (2.0 / std::f64::consts::PI).sqrt());
            n.node("Tanh", &[scaled], vec![])
        };
        let one = n.scalar(1.0);
        let gate = n.node("Add", &[f, one], vec![]);
        let product = n.node("Mul", &[x, gate], vec![]);
        times(n, &product, 0.5)
    }
}

impl Operator for Activation {
    fn kind(&self) -> &'static str {
        self.function.name()
    }

    fn infer(&self, x: &[Fact]) -> Result<Fact, Fault> {
        if self.parameter.is_some_and(|p| !p.is_finite()) {
            let field = if self.function == Function::Elu { "alpha" } else { "slope" };
            return Err(Fault::field(field, format!("`{field}` is not a finite number")).help("use a number such as 0.01"));
        }
        exactly::<1>(self.kind(), x).map(|[f]| f)
    }

    fn work(&self, _: &[Fact], y: &Fact) -> Result<Cost, Fault> {
        let operations = match self.function {
            Function::Relu | Function::Abs | Function::Sqrt => 1,
            Function::LeakyRelu | Function::Relu6 | Function::Rsqrt => 2,
            Function::Sigmoid | Function::Tanh | Function::Elu | Function::HardSigmoid => 3,
            Function::Silu | Function::Softplus | Function::HardSwish => 4,
            Function::Gelu => 5,
            Function::Mish => 6,
            Function::GeluTanh => 8,
        };
        elementwise(y, operations)
    }

    fn saved(&self, _: &[Fact], _: &[bool]) -> SavedForBackward {
        match self.function {
            Function::Relu | Function::Sigmoid | Function::Tanh | Function::Sqrt | Function::Rsqrt => SavedForBackward::output(),
            _ => SavedForBackward::input(),
        }
    }

    fn access(&self) -> Access {
        Access::Elementwise
    }

    /// As `torch.nn` modules are counted; functions as `torch.sigmoid` are not.
    fn ptflops(&self, _: &[Fact], y: &Fact) -> Result<u64, Fault> {
        match self.function {
            Function::Sigmoid | Function::Tanh | Function::Abs | Function::Rsqrt | Function::Sqrt => Ok(0),
            _ => y.elements(),
        }
    }

    fn reference(&self, _: &Weights64, x: &[&Volume64], _: Fact) -> Option<Volume64> {
        Some(x.first()?.map(|v| self.of(v)))
    }

    fn onnx(&self, n: &mut OnnxBuilder<'_>) -> Option<OnnxValue> {
        let x = n.x(0);
        let plain = |n: &mut OnnxBuilder<'_>, op_type| n.node(op_type, std::slice::from_ref(&x), vec![]);
        let tuned = |n: &mut OnnxBuilder<'_>, op_type| n.node(op_type, std::slice::from_ref(&x), vec![("alpha", self.parameter().into())]);
        let hard_sigmoid = |n: &mut OnnxBuilder<'_>| {
            n.node("HardSigmoid", std::slice::from_ref(&x), vec![("alpha", (1.0 / 6.0).into()), ("beta", 0.5.into())])
        };
        Some(match self.function {
            Function::Silu => {
                let gate = plain(n, "Sigmoid");
                n.node("Mul", &[x, gate], vec![])
            }
            Function::Relu => plain(n, "Relu"),
            Function::LeakyRelu => tuned(n, "LeakyRelu"),
            Function::Elu => tuned(n, "Elu"),
            Function::Gelu if n.opset() >= 20 => plain(n, "Gelu"),
            Function::GeluTanh if n.opset() >= 20 => n.node("Gelu", &[x], vec![("approximate", "tanh".into())]),
            Function::Gelu | Function::GeluTanh => self.gelu(n, x),
            Function::Sigmoid => plain(n, "Sigmoid"),
            Function::Tanh => plain(n, "Tanh"),
            Function::Abs => plain(n, "Abs"),
            Function::Softplus => plain(n, "Softplus"),
            Function::Mish if n.opset() >= 18 => plain(n, "Mish"),
            Function::Mish => {
                let softplus = plain(n, "Softplus");
                let gate = n.node("Tanh", &[softplus], vec![]);
                n.node("Mul", &[x, gate], vec![])
            }
            Function::Relu6 => {
                let (low, high) = (n.scalar(0.0), n.scalar(6.0));
                n.node("Clip", &[x, low, high], vec![])
            }
            Function::HardSigmoid => hard_sigmoid(n),
            Function::HardSwish if n.opset() >= 14 => plain(n, "HardSwish"),
            Function::HardSwish => {
                let gate = hard_sigmoid(n);
                n.node("Mul", &[x, gate], vec![])
            }
            Function::Rsqrt => {
                let root = plain(n, "Sqrt");
                n.node("Reciprocal", &[root], vec![])
            }
            Function::Sqrt => plain(n, "Sqrt"),
        })
    }
}

/// The error function: its series near 0, the continued fraction of its complement elsewhere.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return a;
    }
    let y = if a < 2.5 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term.abs() > 1e-17 * sum {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
            if n > 200.0 {
                break;
            }
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else if a < 6.0 {
        let f = (1..60).rev().fold(0.0, |f, k| f64::from(k) / 2.0 / (a + f));
        1.0 - (-a * a).exp() * std::f64::consts::FRAC_2_SQRT_PI / 2.0 / (a + f)
    } else {
        1.0
    };
    y.copysign(x)
}

impl Examples for Activation {
    fn examples() -> Vec<(Self, Vec<Fact>)> {
        let x = Fact::new(2, 3, [3, 1, 5]);
        // Roots are taken inside of norms, of numbers above 0: their tests are those of the norms.
        let all = Function::ALL.into_iter().filter(|f| !matches!(f, Function::Rsqrt | Function::Sqrt)).map(Self::from);
        let more = [Self::with(Function::LeakyRelu, 0.1), Self::with(Function::Elu, 0.5)];
        all.chain(more).map(|a| (a, vec![x])).collect()
    }
}
