//! What an op or a block finds wrong. It names a field or a port; the compiler finds the place.

use crate::text::Code;

/// A refusal without a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub code: Code,
    pub message: String,
    /// The field or port that the user wrote, if one is to blame.
    pub field: Option<&'static str>,
    pub help: Option<String>,
}

impl Fault {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, help: None }
    }

    /// A field has a value that makes no sense (E0401).
    pub fn field(name: &'static str, message: impl Into<String>) -> Self {
        Self { field: Some(name), ..Self::new(Code::E0401, message) }
    }

    pub fn on(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}
