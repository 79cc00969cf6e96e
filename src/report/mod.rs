//! Reports of runs: one run as a page to send to a co-author, several as a table of settings and results.
//!
//! Level 9: may use `train` and everything below it, not `bench`. From the inside out: `run` reads a folder; `fields` and `group` say what
//! differs; `chart`, `html` and `pictures` are parts of pages; `page` and `compare` are the pages, `sheet` the table.

mod chart;
mod compare;
mod fields;
mod group;
mod html;
mod page;
mod pictures;
mod run;
mod sheet;

pub use compare::compare;
pub use group::{RunGroup, groups};
pub use page::page;
pub use pictures::{CasePicture, pictures};
pub use run::{CaseDice, Epoch, Run, folders};
pub use sheet::sheet;
