//! CUDA graph capture: a computation's launches are captured once and replayed in one call, where launching them costs the processor one
//! call for each operation.

use std::thread::ThreadId;

use burn::backend::{Backend, BackendGraph, Dispatch};
use burn::tensor::{Device, Tensor};

use super::overwrite;

type Run = Box<dyn Fn(Vec<Tensor<5>>) -> Vec<Tensor<5>> + Send>;

/// A captured computation, with the tensors it reads and writes.
pub struct CapturedGraph {
    device: Device,
    run: Run,
    inputs: Vec<Tensor<5>>,
    outputs: Vec<Tensor<5>>,
    /// What the device replays, or why it does not.
    graph: Result<BackendGraph<Dispatch>, String>,
    thread: ThreadId,
}

impl std::fmt::Debug for CapturedGraph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CapturedGraph").field("inputs", &self.inputs).field("how", &self.how()).finish()
    }
}

/// Warm-up runs before the capture: the first compiles and tunes, the second is the first to take the usual path, and nothing may be
/// allocated for the first time during the capture.
const WARMUP_RUNS: usize = 3;

impl CapturedGraph {
    /// Runs the computation a few times on these inputs, so that everything it needs is there, and captures it. It must own all else
    /// that it reads. `largest` are the bytes of the largest tensor on its way: the device's memory is taken in pages of the largest so far, so
    /// that smaller ones would be taken and left behind until it comes.
    pub fn new(
        device: &Device,
        inputs: Vec<Tensor<5>>,
        largest: usize,
        run: impl Fn(Vec<Tensor<5>>) -> Vec<Tensor<5>> + Send + 'static,
    ) -> Self {
        let dispatch = device.as_dispatch();
        let inputs: Vec<Tensor<5>> = inputs.into_iter().map(crate::kernel::in_order).collect();
        // Prepared before the warm-up: from now on memory is kept, so that the capture finds it.
        let begun = Dispatch::graph_prepare(dispatch).and_then(|()| {
            let page = Tensor::<1>::empty([largest.div_ceil(4).max(1)], device);
            Dispatch::sync(dispatch)?;
            drop(page);
            for _ in 0..WARMUP_RUNS {
                // An operation whose result is dropped before it is queued would not run.
                let outputs = run(inputs.clone());
                Dispatch::sync(dispatch)?;
                drop(outputs);
            }
            Dispatch::graph_start_capture(dispatch)
        });
        let outputs = run(inputs.clone());
        let graph = begun.and_then(|()| Dispatch::graph_stop_capture(dispatch)).map_err(|e| e.to_string());
        Self { device: device.clone(), run: Box::new(run), inputs, outputs, graph, thread: std::thread::current().id() }
    }

    /// Whether it can be run here: on inputs of these shapes, and in the thread that has captured it, since each thread has a queue of its own.
    pub fn fits(&self, inputs: &[Tensor<5>]) -> bool {
        self.thread == std::thread::current().id() && self.inputs.iter().map(Tensor::dims).eq(inputs.iter().map(Tensor::dims))
    }

    /// How the device runs it: as one graph, or operation by operation and why.
    pub fn how(&self) -> String {
        self.graph.as_ref().err().map_or("captured, replayed as one graph".into(), |why| format!("operation by operation: {why}"))
    }

    /// Replays it on what the inputs hold. The results are overwritten by the next replay.
    pub fn replay(&mut self) -> &[Tensor<5>] {
        if let Ok(graph) = &self.graph {
            // SAFETY: `run` owns what is read and `self` what is written, so all of it is alive; both are reached only through `self`, which
            // is borrowed as long as the results are looked at; `fits` keeps it to the queue of its thread.
            let done = unsafe { Dispatch::graph_replay(self.device.as_dispatch(), graph) };
            match done {
                Ok(()) => return &self.outputs,
                Err(e) => self.graph = Err(e.to_string()),
            }
        }
        self.outputs = (self.run)(self.inputs.clone());
        &self.outputs
    }

    /// Replays it on other inputs, which it [`fits`](Self::fits).
    pub fn replay_on(&mut self, inputs: Vec<Tensor<5>>) -> &[Tensor<5>] {
        let written: Vec<Tensor<5>> = self.inputs.iter().zip(inputs).map(|(to, from)| overwrite(to.clone(), from)).collect();
        // An operation whose result is dropped before it is queued would not run.
        let _ = self.device.flush();
        drop(written);
        self.replay()
    }
}
