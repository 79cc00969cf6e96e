//! What a run took, stage by stage.

/// One stage, one operation that runs plainly, or what is computed between stages.
#[derive(Clone, Debug, PartialEq)]
pub struct StageReport {
    /// The user's names for what it gives: `dec4.fuse, dec4.f2`.
    pub name: String,
    /// Multiply-accumulates of the operations in it, each counted once.
    pub macs: u64,
    /// Bytes of the volumes that it reads and writes, each once.
    pub bytes: u64,
    /// Wall seconds since the last report.
    pub seconds: f64,
    pub nodes: Vec<NodeReport>,
}

/// One node of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeReport {
    pub name: String,
    /// Seconds over all threads since the last report.
    pub seconds: f64,
}
