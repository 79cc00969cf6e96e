//! Norms, functions, initialisations and blocks in parameters are checked where they are written, used or not.
//!
//! May use `block`, `read`, `text`.

use crate::block::{Entry, FunctionForm, InitForm, NormForm, Spec};
use crate::read::{self, Class, FormValue, GraphText, Kind, Scope, Tree, Value, Words};
use crate::text::{Code, Diagnostics};

/// What is wrong with the forms in the parameters of a graph.
pub fn check(text: &GraphText, params: &Scope) -> Diagnostics {
    let mut found = Diagnostics::default();
    for p in &text.params {
        let choices = match &p.value.kind {
            Kind::Tuple(Some(name), items) if name == "OneOf" => items.as_slice(),
            _ => std::slice::from_ref(&p.value),
        };
        for t in choices.iter().filter(|t| t.name().is_some()) {
            // What is wrong with an expression in it was told.
            if let Ok(Value::Form(form)) = read::value(t, params) {
                check_form(&form, &mut found);
            }
        }
    }
    found
}

fn check_form(form: &FormValue, found: &mut Diagnostics) {
    let scope = Scope::new();
    let told = match form.classes().first() {
        Some(Class::Norm) => read::typed::<NormForm>(&form.tree, &scope).map(|_| ()),
        Some(Class::Function) => read::typed::<FunctionForm>(&form.tree, &scope).map(|_| ()),
        Some(Class::Init) => read::typed::<InitForm>(&form.tree, &scope).map(|_| ()),
        Some(Class::Block) => block(&form.tree, &scope),
        None => Ok(()),
    };
    found.keep(told);
}

/// The fields of a block of the library; what is missing may be given where it is used.
fn block(tree: &Tree, scope: &Scope) -> Result<(), Diagnostics> {
    let (Some(name), Some(entries)) = (tree.name(), tree.entries()) else { return Ok(()) };
    if Entry::find(name).is_none() {
        return Ok(());
    }
    let read =
        read::fields(&entries.iter().collect::<Vec<_>>(), scope, |f| Spec::read(name, f).unwrap_or_else(|| Err(read::no_block(name))));
    let Err(refusals) = read else { return Ok(()) };
    let all = refusals.into_iter().map(|r| r.diagnostic(&tree.place, &Words::new())).filter(|d| d.code != Code::E0106);
    Diagnostics(all.collect()).or(())
}
