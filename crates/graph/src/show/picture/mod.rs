//! Pictures of a program: its nodes as boxes that open, its values as lines between them, its costs as colour.
//!
//! Level 6: may use `text`, `ir`, `op`, `block`, `read`, `compile`. From the inside out: `written` and `build` make a `model`; `rank`,
//! `order` and `plan` lay it out without sizes; `place` gives sizes; one file a format draws.

mod build;
mod colour;
mod dock;
mod dot;
mod html;
mod label;
mod mermaid;
mod model;
mod order;
mod place;
mod plan;
mod rank;
mod svg;
mod text;
mod view;
mod written;

pub use dot::dot;
pub use html::html;
pub use label::{shape, share, short};
pub use mermaid::mermaid;
pub use model::{Item, Kind, Mark, Out, Picture, Sum, Wire};
pub use place::{Placed, place};
pub use plan::{Holds, PictureLink, Plan, Plans, Slot, plans};
pub use svg::svg;
pub use text::text;
pub use view::{Line, View};
pub use written::Field;

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Text,
    Mermaid,
    Dot,
    Svg,
    Html,
}

/// The width of [`Style::Text`], in columns of a terminal.
pub const WIDTH: usize = 80;

/// Draws a picture with some items open; as text 80 columns wide, see [`text`] for other widths.
pub fn draw(picture: &Picture, open: &[bool], style: Style) -> String {
    match style {
        Style::Svg => svg(picture, open),
        Style::Text => text(picture, open, WIDTH),
        Style::Mermaid => mermaid(picture, open),
        Style::Dot => dot(picture, open),
        Style::Html => html(picture, open, &[]),
    }
}
