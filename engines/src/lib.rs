//! Exported networks run by tract, beside the executor of lmsc.
