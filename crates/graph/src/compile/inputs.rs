//! The inputs of a graph: their channels, their sizes, and whether they have three axes or two.
//!
//! May use `block`, `ir`, `lower` beside it, `op`, `read`, `text`.

use super::lower::Lowering;
use crate::block::Axes;
use crate::ir::{self, Fact};
use crate::op::Input;
use crate::read::{self, GraphText, InputText, Scope, Tree};
use crate::text::{Code, Diagnostic, Diagnostics, Result};

/// What a graph says of the size of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Whether it is in two dimensions: the depth is 1.
    pub flat: bool,
    /// `[D, H, W]` of the first input, or the default.
    pub size: [usize; 3],
}

/// The size that the inputs state, and in how many dimensions.
///
/// # Errors
/// E0104 for a size that is none, or for inputs with other numbers of axes; E0105 for what its expressions get wrong.
pub fn stated(text: &GraphText, params: &Scope) -> Result<Stated> {
    let mut found = Diagnostics::default();
    // The first input that says how many axes there are.
    let mut axes: Option<(bool, &InputText)> = None;
    let mut first = None;
    for i in &text.inputs {
        let dims = i.dims.as_ref().and_then(|t| Some((found.keep(dims(t, params))?, t)));
        let size = i.size.as_ref().and_then(|t| Some((found.keep(read::typed::<Axes>(t, params))?, t)));
        let own = match (dims, size) {
            (Some((flat, t)), Some((size, _))) if !flat && size.is_plane() => {
                let message = "`dims` is 3, and the size has height and width alone";
                found.push(Diagnostic::error(Code::E0104, message).at(t.place.clone(), "here").help("leave `dims` out: the size says it"));
                continue;
            }
            (Some((flat, _)), _) => Some(flat),
            (None, Some((size, _))) if size.is_plane() => Some(true),
            (None, Some((size, _))) if size.is_volume() => Some(false),
            _ => None,
        };
        if let (Some(own), Some((other, named))) = (own, axes)
            && own != other
        {
            let shown = |flat: bool| if flat { "2D" } else { "3D" };
            let message = format!("`{}` is {} and `{}` is {}", named.name, shown(other), i.name, shown(own));
            let d = Diagnostic::error(Code::E0104, message).at(i.place.clone(), "here").also(named.place.clone(), "and here");
            found.push(d.help("all inputs of a graph have as many axes"));
        }
        axes = axes.or_else(|| own.map(|own| (own, i)));
        first = first.or(size);
    }
    let flat = axes.is_some_and(|(flat, _)| flat);
    let mut size = super::DEFAULT_SIZE;
    if flat {
        size[0] = 1;
    }
    if let Some((axes, tree)) = first {
        size = found.keep(sized(axes, tree, flat)).unwrap_or(size);
    }
    found.or(Stated { flat, size })
}

/// Whether `dims` says two dimensions.
fn dims(tree: &Tree, params: &Scope) -> Result<bool> {
    match read::typed::<usize>(tree, params)? {
        2 => Ok(true),
        3 => Ok(false),
        n => {
            let d = Diagnostic::error(Code::E0104, format!("`dims` is {n}: a graph has two or three dimensions"));
            Err(d.at(tree.place.clone(), "here").help("write `dims: 2`, or leave it out").into())
        }
    }
}

/// `[D, H, W]` of a size.
fn sized(axes: Axes, tree: &Tree, flat: bool) -> std::result::Result<[usize; 3], Diagnostic> {
    let size = axes.over(flat, 1).map_err(|f| {
        let d = Diagnostic::error(f.code, f.message).at(tree.place.clone(), "here");
        d.help(f.help.unwrap_or_default())
    })?;
    deep(size.0, flat).map_err(|d| d.at(tree.place.clone(), "here"))?;
    Ok(size.0)
}

/// Refuses a depth of a graph in two dimensions.
///
/// # Errors
/// E0303.
pub fn deep(size: [usize; 3], flat: bool) -> std::result::Result<(), Diagnostic> {
    if !flat || size[0] <= 1 {
        return Ok(());
    }
    let message = format!("the graph is in two dimensions, but a depth of {} is asked for", size[0]);
    Err(Diagnostic::error(Code::E0303, message).help(format!("give height and width: {}x{}", size[1], size[2])))
}

/// An input as an operation, if its channels and its size are known. `size`: what is asked for, for the first input.
pub fn input(i: &InputText, params: &Scope, size: Option<[usize; 3]>, first: bool, l: &mut Lowering) -> Option<ir::Value> {
    let channels = i.channels.as_ref().and_then(|c| Some((c, l.found.keep(read::typed::<usize>(c, params))?)));
    // The size asked for is the first input's; others that state their own keep it.
    let size = match i.size.as_ref().filter(|_| !first) {
        Some(own) => l.found.keep(read::typed::<Axes>(own, params)).and_then(|axes| l.found.keep(sized(axes, own, l.flat))),
        None => size,
    };
    let ((tree, n), size) = (channels?, size?);
    if n == 0 || size.contains(&0) {
        l.found.push(
            Diagnostic::error(Code::E0301, format!("the input is {n}x{}x{}x{}: nothing", size[0], size[1], size[2]))
                .at(tree.place.clone(), "here")
                .help("use 1 or more channels, and 1 or more voxels in each direction"),
        );
        return None;
    }
    Some(l.graph.input(i.name.clone(), Input.into(), Fact::new(1, n, size)))
}
