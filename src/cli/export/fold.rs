//! One fold of a model that has several.
//!
//! May use `infer`, `store`, `text`.

use std::path::Path;

use crate::infer::Card;
use crate::store::{Trained, attach, save};
use crate::text::{Code, Diagnostic, Result, list, printable};

/// What the name of a fold begins with, in nnU-Net's folders and in a model file.
const PREFIX: &str = "fold_";
/// The most folds that are named in a line.
const NAMED: usize = 12;

/// The model with the fold of that name alone, `0`, `all` or as the file has it, `fold_0`; its card and metadata then speak of no other.
///
/// # Errors
/// E0805 where there is no such fold.
pub fn one(path: &Path, trained: Trained, mut card: Card, fold: &str) -> Result<(Trained, Card)> {
    let folds = names(&trained, &card);
    let Some(set) = folds.iter().position(|name| name == fold || name.strip_prefix(PREFIX) == Some(fold)) else {
        let file = path.display();
        if folds.is_empty() {
            let message =
                format!("`{file}` has no fold `{}`: it is one set of weights, not the folds of a cross-validation", printable(fold));
            return Err(Diagnostic::error(Code::E0805, message).help("leave out --fold").into());
        }
        let known = list(folds.iter().map(|name| printable(name)), NAMED);
        let message = format!("`{file}` has no fold `{}`; it has {known}", printable(fold));
        return Err(Diagnostic::error(Code::E0805, message).help("choose one of them, or leave out --fold for all of them").into());
    };
    if let (Some(rules), Some(own)) = (&mut card.nnunet, folds[set].strip_prefix(PREFIX)) {
        let folder = format!("{PREFIX}{own}/");
        rules.source.folds.retain(|name| name == own);
        rules.source.files.retain(|(file, _)| !file.starts_with(PREFIX) || file.starts_with(&folder));
    }
    let mut trained = trained.only(set);
    trained.metadata.extend(card.entries());
    Ok((trained, card))
}

/// The folds of a model: its sets of weights, or the one that it was imported with.
fn names(trained: &Trained, card: &Card) -> Vec<String> {
    let sets: Vec<String> = trained.sets().into_iter().map(|(name, _)| name).filter(|name| !name.is_empty()).collect();
    match &card.nnunet {
        Some(rules) if sets.is_empty() => rules.source.folds.iter().map(|name| format!("{PREFIX}{name}")).collect(),
        _ => sets,
    }
}

/// Writes a model with one set of weights and all that it says of itself.
///
/// # Errors
/// E0603 where it cannot be written.
pub fn write(path: &Path, trained: &Trained) -> Result<()> {
    let (mut weights, mut metadata) = (trained.weights.clone(), trained.metadata.clone());
    attach(trained.attached.clone(), &mut weights, &mut metadata)?;
    save(path, &trained.program, weights, &metadata)
}
