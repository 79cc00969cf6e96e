//! The commands in the documentation, run as they stand there: what they print is what is written below them, but for times and memory. Slow, so that only
//! `.ci/run full` runs it: `cargo test --test transcripts -- --ignored`. It takes its models and volumes from the data beside the checkout.
#![cfg(feature = "train")]

mod given;

use std::os::unix::fs::symlink;
use std::path::Path;

use given::{beside, lmsc, text};

/// A command of a page and the lines that follow it.
struct Shown {
    words: Vec<String>,
    lines: Vec<String>,
}

/// The commands `$ lmsc ...` of a page, in order.
fn shown(page: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = vec![];
    let mut open = false;
    for line in page.lines() {
        let Some(line) = line.strip_prefix("    ").or(line.is_empty().then_some("")) else {
            open = false;
            continue;
        };
        if let Some(command) = line.strip_prefix("$ lmsc ") {
            all.push(Shown { words: command.split_whitespace().map(str::to_owned).collect(), lines: vec![] });
            open = true;
        } else if open && let Some(last) = all.last_mut() {
            last.lines.push(line.trim_end().to_owned());
        }
    }
    all
}

/// A line without what differs from run to run: numbers before units of time and memory.
fn steady(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let unit = |word: Option<&&str>| {
        word.is_some_and(|w| matches!(w.trim_end_matches([',', ';', ')', '.', ':']), "s" | "min" | "MiB" | "GiB" | "KiB"))
    };
    let number = |word: &str| word.trim_matches(['(', ',']).chars().all(|c| c.is_ascii_digit() || c == '.');
    let kept = words.iter().enumerate().map(|(n, word)| if number(word) && unit(words.get(n + 1)) { "#" } else { word });
    kept.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Runs the commands of a page in a folder.
fn holds(page: &str, folder: &Path) {
    let text_of = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).expect("a page");
    let all = shown(&text_of);
    assert!(all.len() > 1, "{page} has commands");
    // A config stands in the page, below its name.
    for (before, after) in text_of.match_indices(".ron`:\n\n").map(|(at, end)| (&text_of[..at], &text_of[at + end.len()..])) {
        let name = before.rsplit('`').next().expect("a name");
        let lines: Vec<&str> = after.lines().take_while(|l| l.starts_with("    ")).collect();
        std::fs::write(folder.join(format!("{name}.ron")), lines.join("\n")).expect("written");
    }
    for Shown { words, lines } in all {
        let words: Vec<&str> = words.iter().map(|w| w.trim_matches('\'')).collect();
        let out = lmsc(folder, &words);
        let said = format!("{}{}", text(&out.stderr), text(&out.stdout));
        assert!(out.status.success(), "lmsc {}: {said}", words.join(" "));
        let said: Vec<String> = said.lines().map(steady).collect();
        let mut from = 0;
        // Each line stands in what was printed, in this order; `...` is any number of lines.
        for line in lines.iter().filter(|l| !l.is_empty() && l.trim() != "...") {
            let wanted = steady(line);
            let begin = wanted.split_once("...").map(|(begin, _)| begin.trim_end());
            let at = said[from..].iter().position(|l| begin.map_or(*l == wanted, |begin| l.starts_with(begin)));
            let at =
                at.unwrap_or_else(|| panic!("lmsc {} does not print\n  {wanted}\nbut\n  {}", words.join(" "), said[from..].join("\n  ")));
            from += at + 1;
        }
    }
}

fn links(folder: &Path, all: &[(&str, std::path::PathBuf)]) {
    for (name, target) in all {
        symlink(target.canonicalize().expect("it is there"), folder.join(name)).expect("a link");
    }
}

#[test]
#[ignore = "slow"]
fn run_your_nnunet_here() {
    let Some(data) = beside("nnunet") else { return };
    let place = tempfile::tempdir().expect("a folder");
    links(
        place.path(),
        &[
            ("nnUNetTrainer__nnUNetPlans__3d_fullres", data.join("models/hippo-plain")),
            ("imagesTs", data.join("cases/Dataset004_Hippocampus/imagesTs")),
        ],
    );
    holds("nnunet.md", place.path());
}

#[test]
#[ignore = "slow"]
fn bring_a_pytorch_network() {
    let Some(data) = beside("models") else { return };
    let place = tempfile::tempdir().expect("a folder");
    let own = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    links(
        place.path(),
        &[
            ("model.pth", data.join("brainchop-model5/model.pth")),
            ("t1.nii.gz", data.join("volumes/t1_crop.nii.gz")),
            ("graphs", own("graphs")),
            ("maps", own("maps")),
            ("cards", own("cards")),
        ],
    );
    holds("models.md", place.path());
}

#[test]
#[ignore = "slow"]
fn export_and_deploy() {
    let place = tempfile::tempdir().expect("a folder");
    links(place.path(), &[("models", Path::new(env!("CARGO_MANIFEST_DIR")).join("models"))]);
    holds("export.md", place.path());
}

#[test]
#[ignore = "slow"]
fn fine_tune() {
    let (Some(models), Some(data), Some(mesh)) =
        (beside("nnunet/models/hippo-plain"), beside("data/Task04_Hippocampus"), beside("models/brainchop-model5/model.pth"))
    else {
        return;
    };
    let place = tempfile::tempdir().expect("a folder");
    let own = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    links(
        place.path(),
        &[
            ("nnUNetTrainer__nnUNetPlans__3d_fullres", models),
            ("Task04_Hippocampus", data),
            ("model.pth", mesh),
            ("graphs", own("graphs")),
            ("maps", own("maps")),
        ],
    );
    holds("finetuning.md", place.path());
}
