//! Exported networks run by tract, beside the executor of lmsc: `cargo test -p lmsc-engines --release -- --nocapture`.

pub mod given;
