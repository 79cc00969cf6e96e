//! lmsc
pub mod block;
pub mod compile;
pub mod ir;
pub mod op;
pub mod read;
pub mod text;
