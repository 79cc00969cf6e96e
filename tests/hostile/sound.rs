//! What holds for every text, however broken: it becomes a program, or is refused with places inside its files. The fuzz target and the
//! tests share it.

use lmsc::compile::compile;
use lmsc::text::{Diagnostics, Source, render};

/// Compiles a text under a file's name; whether it became a program.
///
/// # Panics
/// When the promise is broken.
pub fn sound(name: &str, text: &str) -> bool {
    match compile(&Source::new(name, text), &[], None) {
        Ok(program) => {
            placed(&program.warnings);
            let again = compile(&Source::new("resolved.ron", program.resolved()), &[], None);
            let again = again.unwrap_or_else(|found| panic!("the resolved text does not compile: {found:?}\n{}", program.resolved()));
            assert_eq!(again.hash(), program.hash(), "the resolved text is another program:\n{}", program.resolved());
            true
        }
        Err(found) => {
            assert!(found.has_errors(), "refused without an error");
            placed(&found);
            false
        }
    }
}

fn placed(found: &Diagnostics) {
    for d in &found.0 {
        assert!(!d.message.is_empty() && d.message.len() < 5000, "{d:?}");
        assert!(d.labels.iter().any(|l| l.primary), "no place: {d:?}");
        for l in &d.labels {
            let (text, span) = (&l.place.source.text, l.place.span);
            assert!(span.start <= span.end && text.get(span.start..span.end).is_some(), "{span:?} of {}: {d:?}", text.len());
        }
    }
    for d in found.0.iter().take(3) {
        let shown = [render::concise(d), render::full(d, false, 100)].concat();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{}", shown.escape_debug());
    }
}
