//! Cases are begun while there is memory for them.
//!
//! Depends on nothing of this crate.

use std::sync::{Condvar, Mutex, PoisonError};

/// Cases are begun while their need, together, is below this. One that needs more is scored alone.
const MEMORY: u64 = 4 << 30;

/// Lets cases in while there is memory for them.
#[derive(Default)]
pub(super) struct Gate {
    taken: Mutex<u64>,
    left: Condvar,
}

/// Memory that is given back when it is dropped.
pub(super) struct Held<'a> {
    gate: &'a Gate,
    need: u64,
}

impl Gate {
    pub(super) fn pass(&self, need: u64) -> Held<'_> {
        let need = need.min(MEMORY);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.left.wait_while(taken, |t| *t + need > MEMORY).unwrap_or_else(PoisonError::into_inner);
        *taken += need;
        Held { gate: self, need }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.gate.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.need;
        self.gate.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_lets_in_what_fits() {
        let gate = Gate::default();
        let big = gate.pass(u64::MAX);
        assert_eq!(*gate.taken.lock().unwrap(), MEMORY);
        drop(big);
        let (_a, _b) = (gate.pass(MEMORY / 2), gate.pass(MEMORY / 2));
        assert_eq!(*gate.taken.lock().unwrap(), MEMORY / 2 * 2);
    }
}
