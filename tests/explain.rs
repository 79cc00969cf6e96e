//! The pages of `lmsc explain`: every example fails as its page says, and what mends it does.

use assert_cmd::Command;
use lmsc::compile::{compile, verify};
use lmsc::show::reference::{WrittenType, config_fields};
use lmsc::text::{Code, Diagnostic, Diagnostics, Place, Result, Source, Topic, columns, render};

/// The width at which pages show messages.
const WIDTH: usize = 76;

/// Pages whose command asks for volumes or weights that a page cannot show.
const SAID_ONLY: &[Code] = &[Code::E0703, Code::E0704, Code::E0802, Code::E0803, Code::E0804, Code::E0805, Code::E0901, Code::E0902];

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    language: String,
    /// The file that it stands for.
    file: Option<String>,
    text: String,
}

/// The blocks of a page, before and after the heading that says how to mend it.
fn blocks(code: Code) -> (Vec<Block>, Vec<Block>) {
    let (before, after) = code.page().split_once("\n## How to mend it\n").unwrap_or_else(|| panic!("{code:?} says not how to mend it"));
    let read = |part: &'static str| -> Vec<Block> {
        let parts: Vec<&str> = part.split("```").collect();
        assert!(parts.len() % 2 == 1, "a fence of {code:?} is open");
        let inside = parts.into_iter().skip(1).step_by(2);
        let block = |b: &str| {
            let (head, text) = b.split_once('\n').expect("a block has lines");
            let (language, file) = head.split_once(' ').map_or((head, None), |(l, f)| (l, Some(f.to_owned())));
            Block { language: language.into(), file, text: text.into() }
        };
        inside.map(block).collect()
    };
    (read(before), read(after))
}

fn said(blocks: &[Block]) -> &str {
    let b = blocks.iter().find(|b| b.language == "text" && b.file.is_none()).expect("what lmsc says");
    b.text.trim_end()
}

/// A folder with the files of a page.
fn folder(all: &[&[Block]]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for b in all.iter().copied().flatten() {
        if let Some(name) = &b.file {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).and_then(|()| std::fs::write(&file, &b.text)).expect("written");
        }
    }
    folder
}

/// Everything that is said of a graph that stands in `folder` as `graph.ron`, as `lmsc check` does.
fn found(folder: &std::path::Path, text: &str) -> Diagnostics {
    let source = Source::new(folder.join("graph.ron").to_str().expect("a path"), text);
    let all = || -> Result<Diagnostics> {
        let program = compile(&source, &[], None)?;
        verify(&source, &program)?;
        Ok(program.warnings)
    };
    all().unwrap_or_else(|found| found)
}

/// The same with files named as if one stood in the folder.
fn without_folder(d: &Diagnostic, folder: &std::path::Path) -> Diagnostic {
    let folder = format!("{}/", folder.display());
    let mut d = d.clone();
    d.message = d.message.replace(&folder, "");
    d.help.iter_mut().for_each(|h| *h = h.replace(&folder, ""));
    for l in &mut d.labels {
        let s = &l.place.source;
        l.place = Place::new(&Source::new(s.name.replace(&folder, ""), s.text.as_str()), l.place.span);
    }
    d
}

fn of_graphs() -> impl Iterator<Item = Code> {
    Code::ALL.iter().copied().filter(|c| *c != Code::E0101 && !(Code::E0601..Code::W0101).contains(c))
}

#[test]
fn every_example_fails_as_its_page_says_and_its_remedy_works() {
    for code in of_graphs() {
        let (before, after) = blocks(code);
        let folder = folder(&[&before, &after]);
        let graph = |all: &[Block]| all.iter().rfind(|b| b.language == "ron" && b.file.is_none()).map(|b| b.text.clone());
        let found_before = found(folder.path(), &graph(&before).unwrap_or_else(|| panic!("{code:?} has no example")));
        let codes: Vec<Code> = found_before.0.iter().map(|d| d.code).collect();
        assert_eq!(codes, [code], "{found_before:?}");
        let text = render::full(&without_folder(&found_before.0[0], folder.path()), false, WIDTH);
        assert_eq!(said(&before), text, "{code:?}");
        let mended = found(folder.path(), &graph(&after).unwrap_or_else(|| panic!("{code:?} has no remedy")));
        assert!(!mended.has_errors() && mended.0.iter().all(|d| d.code != code), "{code:?}: {mended:?}");
    }
}

fn lmsc(folder: Option<&std::path::Path>, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("lmsc").expect("the program");
    command.args(args).env("COLUMNS", WIDTH.to_string()).env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let out = command.output().expect("it runs");
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().expect("an exit code"), text(&out.stdout), text(&out.stderr))
}

#[test]
fn every_command_fails_as_its_page_says() {
    for code in Code::ALL.iter().copied().filter(|c| of_graphs().all(|o| o != *c)) {
        let (before, _) = blocks(code);
        assert!(said(&before).starts_with(&format!("error[{}]: ", code.name())), "{code:?}");
        let command = before.iter().find(|b| b.language == "sh").unwrap_or_else(|| panic!("{code:?} has no command"));
        let words: Vec<&str> = command.text.split_whitespace().collect();
        assert_eq!(words.first(), Some(&"lmsc"), "{code:?}");
        let here = cfg!(feature = "train") || matches!(words[1], "check" | "new");
        if SAID_ONLY.contains(&code) || !here || cfg!(feature = "cuda") && code == Code::E0602 {
            continue;
        }
        let folder = folder(&[&before]);
        for name in ["small.ron", "run.ron"].into_iter().filter(|n| words.contains(&"train") && !folder.path().join(n).exists()) {
            let small = blocks(Code::E0108).1.into_iter().find(|b| b.file.as_deref() == Some("small.ron")).expect("a graph").text;
            let run = "(graph: \"small.ron\", data: Phantom(cases: 4, size: (32, 32, 32)), patch: (32, 32, 32), epochs: 1)".to_owned();
            std::fs::write(folder.path().join(name), if name == "run.ron" { run } else { small }).expect("written");
        }
        let (status, _, err) = lmsc(Some(folder.path()), &words[1..]);
        assert_eq!(status, 1, "{code:?}: {err}");
        assert_eq!(err.split("\n\n").next(), Some(said(&before)), "{code:?}");
    }
}

#[test]
fn a_page_is_printed_plain_and_wrapped() {
    for code in Code::ALL {
        let (status, out, err) = lmsc(None, &["explain", &code.name().to_lowercase()]);
        assert_eq!((status, err.as_str()), (0, ""), "{code:?}");
        assert!(out.starts_with(&format!("{}: {}\n\n", code.name(), code.summary())), "{out}");
        assert!(!out.contains('\x1b') && !out.contains("```") && out.contains("\nHow to mend it\n"), "{out}");
        // Code is set in and left as it is; the rest is wrapped.
        for line in out.lines().filter(|l| !l.starts_with("    ")) {
            assert!(columns(line) <= WIDTH, "{code:?}: {line}");
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots/errors");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!("explain-E0204", lmsc(None, &["explain", "204"]).1);
        // Some topics are of builds that train.
        #[cfg(feature = "train")]
        insta::assert_snapshot!("explain", lmsc(None, &["explain"]).1);
    });
}

#[test]
fn headings_are_bold_where_colours_are() {
    let (_, out, _) = lmsc(None, &["explain", "E0204", "--color", "always"]);
    assert!(out.starts_with("\x1b[1mE0204: ") && out.contains("\n\x1b[1mHow to mend it\x1b[0m\n"), "{out}");
}

#[test]
fn all_codes_are_listed_by_subject() {
    let (status, out, _) = lmsc(None, &["explain"]);
    assert_eq!(status, 0);
    for code in Code::ALL {
        assert!(out.contains(&format!("  {}  {}\n", code.name(), code.summary())), "{code:?}");
    }
    let at = |t: &str| out.find(t).unwrap_or_else(|| panic!("{t}"));
    assert!(at("names and ports\n") < at("E0201") && at("E0208") < at("W0204") && at("W0204") < at("\nshapes\n"));
}

#[test]
fn an_unknown_code_is_a_fault_of_usage_with_the_nearest_one() {
    let (status, out, err) = lmsc(None, &["explain", "E0802x"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("did you mean `E0802`?"), "{err}");
    let (status, _, err) = lmsc(None, &["explain", "nonsense"]);
    assert_eq!(status, 2);
    assert!(err.contains("`lmsc explain` lists them"), "{err}");
}

#[test]
fn topics_have_pages() {
    for topic in Topic::ALL {
        let here = match topic {
            Topic::Language => true,
            Topic::Map | Topic::Card => cfg!(feature = "predict"),
            Topic::Config => cfg!(feature = "train"),
        };
        let (status, out, err) = lmsc(None, &["explain", topic.name()]);
        assert_eq!(status, if here { 0 } else { 2 }, "{topic:?}: {err}");
        assert!(!here || out.starts_with(topic.name()) && !out.contains("```") && !out.lines().any(|l| l.starts_with('{')), "{out}");
        for line in out.lines().filter(|l| !l.starts_with("    ")) {
            assert!(columns(line) <= WIDTH, "{topic:?}: {line}");
        }
        let (_, list, _) = lmsc(None, &["explain"]);
        assert_eq!(list.contains(&format!("  {} ", topic.name())), here, "{list}");
    }
    #[cfg(feature = "train")]
    {
        let (_, page, _) = lmsc(None, &["explain", "config"]);
        for field in lmsc::train::FIELDS {
            assert!(page.contains(&format!("- `{field}`: ")), "{field}");
        }
        assert!(page.contains("- `lr`: number, `0.001`. The learning rate"), "{page}");
    }
}

#[test]
fn fields_of_a_config_come_from_the_files_that_define_them() {
    let source = include_str!("../src/train/config.rs");
    let augment = include_str!("../crates/volume/src/data/augment.rs");
    let types = [
        ("", "RunConfig", source),
        ("data", "DatasetSpec", include_str!("../crates/volume/src/data/dataset.rs")),
        ("slices", "SlicePlane", include_str!("../crates/volume/src/data/slices.rs")),
        ("augment", "Augment", augment),
        ("augment.scale", "RandomRange", augment),
        ("optimiser", "OptimiserConfig", source),
        ("optimiser.kind", "OptimiserKind", source),
    ]
    .map(|(field, name, source)| WrittenType { field, name, source });
    let defaults = serde_json::json!({"batch": 2, "slices": "axial", "optimiser": {"lr": 1e-3, "betas": [0.9, 0.999], "clip": null}});
    let page = config_fields(&types, &defaults);
    for line in [
        "- `graph`: path, required. The graph file. Relative paths start at the config's folder, those that `--set` gives at the working directory.",
        "- `patch`: size, required. Size of the patches",
        "- `batch`: whole number, `2`. Patches in a batch.",
        "- `slices`: a choice, below, `axial`. The planes",
        "- `budget`: text. The time that the run may take",
        "- `set`: map from names to values. Parameters of the graph.",
        "- `optimiser`: a group, below. The optimiser.",
        "- `lr`: number, `0.001`. The learning rate",
        "- `betas`: two numbers, `(0.9, 0.999)`. Of AdamW.",
        "- `clip`: number. Gradient clipping",
        "- `gamma`: a group as `augment.scale`. Intensities",
        "- `coronal`: D to the front",
        "- `adamw`: Adam with decoupled weight decay.",
        "- `Nnunet(root)`: A folder in the raw format of nnU-Net v2",
        "- `Files(root, modalities, label, labels, subject)`: Any folder whose files are named by a rule. `modalities`: Name and pattern",
        "- `Acdc(root)`: A folder of ACDC",
    ] {
        assert!(page.contains(&format!("\n{line}")), "{line}\n{page}");
    }
}

/// The page of a card's fields, which is that of the documentation, names every field that a card file may have.
#[test]
fn every_field_of_a_card_stands_on_its_page() {
    let source = std::fs::read_to_string("crates/cpu/src/infer/card_file.rs").expect("the source");
    let (_, after) = source.split_once("struct CardText {").expect("the fields of a card file");
    let (fields, _) = after.split_once("\n}").expect("the end of it");
    let names: Vec<&str> =
        fields.lines().filter(|l| !l.trim().starts_with("//")).filter_map(|l| l.trim().split_once(':').map(|(n, _)| n)).collect();
    assert!(names.len() >= 17, "{names:?}");
    let page = std::fs::read_to_string("docs/models.md").expect("the page");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/models.md does not name `{name}`");
    }
}
