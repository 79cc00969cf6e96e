//! What the figures were taken on: processor, threads, ceilings.

use burn::tensor::Device;
use serde::Serialize;

use lmsc_cpu::kernel::ceiling;

use crate::host::{cpu, with_threads};
use crate::net::on_cpu;

/// The machine and its measured ceilings.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub threads: usize,
    pub instructions: &'static str,
    /// Float32 operations a second, all threads together; infinite where it was not measured, as is the next.
    pub flops: f64,
    /// Bytes a second, read and written together, of copies between volumes that fit into no cache.
    pub bandwidth: f64,
}

impl Machine {
    /// Looks at the machine; takes about a second. The ceilings are the processor's: where another device computes, they are left out.
    pub fn measure(device: &Device) -> Self {
        let own = on_cpu(device);
        Self {
            cpu: cpu(),
            threads: rayon::current_num_threads(),
            instructions: ceiling::instructions(),
            flops: if own { ceiling::flops() } else { f64::INFINITY },
            bandwidth: if own { ceiling::bandwidth() } else { f64::INFINITY },
        }
    }

    /// Whether the ceilings are known.
    pub fn has_ceilings(&self) -> bool {
        self.flops.is_finite() && self.bandwidth.is_finite()
    }

    /// The seconds that this many multiply-accumulates and bytes take at the ceilings, whichever of the two takes longer.
    pub fn least(&self, macs: u64, bytes: u64) -> f64 {
        (2.0 * macs as f64 / self.flops).max(bytes as f64 / self.bandwidth)
    }

    /// In a line.
    pub fn line(&self) -> String {
        let (flops, bytes) = (self.flops / 1e9, self.bandwidth / 1e9);
        let ceilings = if self.has_ceilings() { format!("; ceilings {flops:.0} GFLOP/s and {bytes:.1} GB/s") } else { String::new() };
        format!("{}, {}{ceilings}", with_threads(&self.cpu, self.threads), self.instructions)
    }
}

/// Lets this process compute with so many threads. Must come before anything is computed; later it does nothing.
pub fn use_threads(count: usize) {
    // Refused only when the threads are there already.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(count).build_global();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_that_binds_is_the_slower_one() {
        let m = Machine { cpu: "x".into(), threads: 1, instructions: "portable", flops: 1e9, bandwidth: 1e9 };
        assert_eq!(m.least(1_000_000_000, 1_000_000_000), 2.0);
        assert_eq!(m.least(1_000_000, 1_000_000_000), 1.0);
        assert_eq!(m.line(), "x, 1 thread, portable; ceilings 1 GFLOP/s and 1.0 GB/s");
        let other = Machine { flops: f64::INFINITY, bandwidth: f64::INFINITY, ..m };
        assert_eq!((other.least(1, 1), other.line().as_str()), (0.0, "x, 1 thread, portable"));
    }
}
