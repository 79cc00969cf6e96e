//! Attention between voxels: the kernel of `lmsc_cpu` on Burn's tensors, without the matrix of all pairs. The backward pass keeps its inputs, its
//! output and the log-sum-exp of each query.

use super::buffer::{InputBuffer, tensor};
use super::on_cpu;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use lmsc_cpu::exec::TensorView;
use lmsc_cpu::exec::attention::{Attended, Learned, backward, forward};
use lmsc_cpu::ir::Fact;
use lmsc_cpu::op::Attention;

/// `softmax(scale q k + bias + mask) v` of `q`, `k` and `v` `[N, C, D, H, W]` that the operation accepts, with its learned tensors. `None` where the CPU's
/// kernel does not take them.
pub fn attention(a: &Attention, [q, k, v]: [Tensor<5>; 3], table: Option<Tensor<2>>, temperature: Option<Tensor<1>>) -> Option<Tensor<5>> {
    let learned = table.as_ref().is_none_or(on_cpu) && temperature.as_ref().is_none_or(on_cpu);
    if !(learned && on_cpu(&q) && on_cpu(&k) && on_cpu(&v)) {
        return None;
    }
    // What is not there is a number that nobody learns.
    let none = || Tensor::<1>::zeros([1], &q.device());
    let table = table.map_or_else(|| none().into_dispatch(), Tensor::into_dispatch);
    let temperature = temperature.map_or_else(|| none().into_dispatch(), Tensor::into_dispatch);
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Some(Tensor::from_dispatch(Dispatch::attend(q, k, v, table, temperature, a.clone())))
}

#[backend_extension(Flex, Autodiff)]
pub trait AttentionExt: Backend {
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        table: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
        a: Attention,
    ) -> FloatTensor<Self>;
}

/// The inputs as the kernel reads them.
struct Given([InputBuffer; 5]);

impl Given {
    fn new(all: [FlexTensor; 5]) -> Self {
        Self(all.map(InputBuffer::new))
    }

    fn views(&self) -> ([TensorView<'_>; 3], Learned<'_>) {
        let [q, k, v, table, temperature] = &self.0;
        let view = |x| TensorView { fact: fact(x), data: InputBuffer::data(x) };
        ([view(q), view(k), view(v)], Learned { table: table.data(), temperature: temperature.data() })
    }

    /// Dimensions of the output.
    fn dims(&self) -> [usize; 5] {
        let ([q, _, v], _) = self.views();
        Fact { channels: v.fact.channels, ..q.fact }.dims()
    }
}

fn fact(x: &InputBuffer) -> Fact {
    let [n, c, size @ ..] = x.dims();
    Fact::new(n, c, size)
}

impl AttentionExt for Flex {
    fn attend(q: FlexTensor, k: FlexTensor, v: FlexTensor, table: FlexTensor, temperature: FlexTensor, a: Attention) -> FlexTensor {
        let given = Given::new([q, k, v, table, temperature]);
        let (x, learned) = given.views();
        tensor(forward(&a, learned, x, false).out, &given.dims())
    }
}

impl<C: CheckpointStrategy> AttentionExt for Autodiff<Flex, C> {
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        table: FloatTensor<Self>,
        temperature: FloatTensor<Self>,
        a: Attention,
    ) -> FloatTensor<Self> {
        let all = [q, k, v, table, temperature];
        match AttentionBackward.prepare::<C>(all.each_ref().map(|x| x.node())).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let ids = all.each_ref().map(|x| prep.checkpoint(x));
                let given = Given::new(all.map(|x| x.into_primitive()));
                let (x, learned) = given.views();
                let Attended { out, log_sum_exp } = forward(&a, learned, x, true);
                let out = tensor(out, &given.dims());
                prep.finish((ids, a, out.clone(), log_sum_exp), out)
            }
            OpsKind::UnTracked(prep) => {
                let [q, k, v, table, temperature] = all.map(|x| x.into_primitive());
                prep.finish(Flex::attend(q, k, v, table, temperature, a))
            }
        }
    }
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 5> for AttentionBackward {
    type State = ([NodeId; 5], Attention, FlexTensor, Vec<f32>);

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (ids, a, out, log_sum_exp) = ops.state;
        let gy = InputBuffer::new(grads.consume::<Flex>(&ops.node));
        let given = Given::new(ids.map(|id| checkpointer.retrieve_node_output(id)));
        let (x, learned) = given.views();
        let out = InputBuffer::new(out);
        let gradients = backward(&a, learned, x, (out.data(), &log_sum_exp), gy.data());
        let shapes = [x[0].fact, x[1].fact, x[2].fact].map(|f| f.dims());
        let parents = ops.parents.into_iter();
        for (i, (parent, gradient)) in
            parents.zip([gradients.q, gradients.k, gradients.v, gradients.table, gradients.temperature]).enumerate()
        {
            let Some(node) = parent else { continue };
            let gradient = match i {
                0..3 => tensor(gradient, &shapes[i]),
                _ => tensor(gradient, &given.0[i].shape()),
            };
            grads.register::<Flex>(node.id, gradient);
        }
    }
}
