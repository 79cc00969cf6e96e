//! Whether a data set can be trained on: consistency of its cases.
//!
//! May use `text`, and `dataset`, `survey` beside it.

use std::collections::BTreeMap;

use super::dataset::Description;
use super::survey::Survey;
use crate::text::{Code, Diagnostic, list, printable};

/// Up to so many classes that are nowhere are told of one by one; of more, so many are named.
const SINGLY: usize = 3;
const LISTED: usize = 20;
/// A spacing this many times the median, or the median that many times the spacing, is odd.
const FAR: f64 = 2.0;

/// What is wrong and odd about a set as a whole. `held` are the ids of the cases that are kept for validation; empty where nothing is split.
pub fn findings(about: &Description, cases: &[Survey], held: &[String]) -> Vec<Diagnostic> {
    let mut all = duplicates(about, cases, held);
    all.extend(spacings(cases));
    let sound: Vec<_> = cases.iter().filter(|c| c.is_sound()).filter_map(|c| c.seen.as_ref()).collect();
    if sound.is_empty() {
        all.push(Diagnostic::error(Code::E0701, "no case can be used").help("mend what is said of each"));
        return all;
    }
    all.extend(classes(about, cases, held));
    all
}

/// Classes that no case has, or no case of one side of the split.
fn classes(about: &Description, cases: &[Survey], held: &[String]) -> Vec<Diagnostic> {
    let with = |class: usize, wanted: &dyn Fn(&Survey) -> bool| {
        let has = |c: &&Survey| c.seen.as_ref().is_some_and(|s| s.classes.get(class).is_some_and(|n| *n > 0));
        cases.iter().filter(|c| c.is_sound() && wanted(c)).filter(has).count()
    };
    let (training, validation) = (|c: &Survey| !held.contains(&c.id), |c: &Survey| held.contains(&c.id));
    let lacking =
        |wanted: &dyn Fn(&Survey) -> bool| -> Vec<usize> { (1..about.labels.len()).filter(|class| with(*class, wanted) == 0).collect() };
    let every = about.labels.len().saturating_sub(1);
    let (nowhere, untrained) = (lacking(&|_| true), lacking(&training));
    if untrained.len() == every {
        let who = if held.is_empty() || nowhere.len() == every { "no case" } else { "no training case" };
        let help = "look whether these are the label files, and whether their values are those of `labels`";
        return vec![
            Diagnostic::error(Code::E0704, format!("{who} has any label beside the background: nothing can be learned")).help(help),
        ];
    }
    let name = |class: &usize| about.labels.get(*class).map(|(value, name)| format!("{value} ({})", printable(name))).unwrap_or_default();
    let say = |who: &str, classes: Vec<usize>, help: &str| -> Vec<Diagnostic> {
        let one = |what: String| Diagnostic::warning(Code::E0704, format!("{who} has the {what}")).help(help);
        // Of many classes one line.
        match classes.len() {
            0..=SINGLY => classes.iter().map(|c| one(format!("label {}", name(c)))).collect(),
            _ => vec![one(format!("labels {}", list(classes.iter().map(name), LISTED)))],
        }
    };
    let mut all = say("no case", nowhere.clone(), "take it out of the labels, or look whether the label files use another value");
    if !held.is_empty() {
        let only = |classes: Vec<usize>| classes.into_iter().filter(|c| !nowhere.contains(c)).collect();
        all.extend(say("no training case", only(untrained), "it cannot be learned: change `split`, or add cases"));
        all.extend(say("no validation case", only(lacking(&validation)), "it cannot be validated: change `split`, or add cases"));
    }
    all
}

/// Cases with the same voxels. Between training and validation that is an error: what is validated was seen.
fn duplicates(about: &Description, cases: &[Survey], held: &[String]) -> Vec<Diagnostic> {
    let mut by_hash: BTreeMap<&str, Vec<&Survey>> = BTreeMap::new();
    for case in cases {
        if let Some(seen) = &case.seen {
            by_hash.entry(&seen.hash).or_default().push(case);
        }
    }
    let mut all: Vec<Diagnostic> = vec![];
    for same in by_hash.values().filter(|same| same.len() > 1) {
        let names = same.iter().map(|c| format!("`{}`", c.id)).collect::<Vec<_>>().join(", ");
        let is_held = |c: &&&Survey| held.contains(&c.id);
        let kept = same.iter().filter(is_held).count();
        let across = kept > 0 && kept < same.len();
        let message = format!("the images of {names} hold the same voxels");
        all.push(if across {
            Diagnostic::error(Code::E0701, format!("{message}, and one is for training, another for validation"))
                .help("take one of them out, or give both one subject; else the validation is not to be trusted")
        } else {
            Diagnostic::warning(Code::E0701, message).help("take one of them out, or give both one subject so that no split parts them")
        });
    }
    all.extend(parts(&about.modalities, cases));
    all.sort_by(|a, b| a.message.cmp(&b.message));
    all
}

/// Cases that share one channel, or the label, though not the image: a file that stands under another case's name.
fn parts(names: &[String], cases: &[Survey]) -> Vec<Diagnostic> {
    let mut same: BTreeMap<(String, &str), Vec<&Survey>> = BTreeMap::new();
    for case in cases {
        let Some(seen) = &case.seen else { continue };
        for (at, hash) in seen.channel_hashes.iter().enumerate().filter(|(at, _)| !seen.is_flat(*at)) {
            let name = names.get(at).map(|n| printable(n)).unwrap_or_default();
            same.entry((format!("channel {name}"), hash)).or_default().push(case);
        }
        if seen.classes.iter().skip(1).any(|n| *n > 0) {
            same.entry(("label".into(), &seen.label_hash)).or_default().push(case);
        }
    }
    let image = |c: &&Survey| c.seen.as_ref().map(|s| s.hash.clone());
    let other = same.into_iter().filter(|(_, same)| same.iter().any(|c| image(c) != image(&same[0])));
    other
        .map(|((what, _), same)| {
            let names = list(same.iter().map(|c| format!("`{}`", c.id)), LISTED);
            Diagnostic::warning(Code::E0701, format!("the {what} of {names} holds the same voxels, and their images differ"))
                .help("is a file of one case named as another's?")
        })
        .collect()
}

fn spacings(cases: &[Survey]) -> Vec<Diagnostic> {
    let of = |axis: usize| -> Vec<f64> { cases.iter().filter_map(|c| Some(c.seen.as_ref()?.grid.spacing()[axis])).collect() };
    let middle = [0, 1, 2].map(|axis| median(of(axis)));
    let mut all = vec![];
    for case in cases {
        let Some(seen) = &case.seen else { continue };
        let own = seen.grid.spacing();
        if own.iter().zip(middle).any(|(s, m)| *s > FAR * m || m > FAR * s) {
            let shown = |v: [f64; 3]| v.map(|v| format!("{}", (v * 1e3).round() / 1e3)).join(" x ");
            let message = format!("case `{}` has a spacing of {} mm, and the set's median is {} mm", case.id, shown(own), shown(middle));
            all.push(
                Diagnostic::warning(Code::E0703, message).help("is its header right? `spacing` in the run config brings all cases to one"),
            );
        }
    }
    all
}

/// The middle one of numbers, or the mean of the two in the middle; 0 of none.
pub fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    match all.len() {
        0 => 0.0,
        n if n % 2 == 1 => all[middle],
        _ => (all[middle - 1] + all[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, DatasetSpec, Preprocess, phantom};
    use super::*;
    use crate::volume::{Header, write_image, write_labels};

    /// Four generated cases as files, changed.
    fn set(change: impl Fn(&std::path::Path)) -> (Dataset, Vec<Survey>) {
        let root = tempfile::tempdir().unwrap();
        phantom::write(root.path(), 4, [16, 18, 20], 4).unwrap();
        change(root.path());
        let set = Dataset::open(&DatasetSpec::Msd { root: root.path().into() }, Preprocess::default(), None).unwrap();
        let surveys = set.survey(|| ());
        (set, surveys)
    }

    fn said(all: &[Diagnostic]) -> String {
        all.iter().map(|d| format!("{}: {}\n", d.severity.name(), d.message)).collect()
    }

    #[test]
    fn a_good_set_has_nothing_to_say() {
        let (set, cases) = set(|_| ());
        assert!(cases.iter().all(|c| c.is_sound() && c.findings.is_empty()), "{cases:?}");
        assert!(findings(&set.description, &cases, &[]).is_empty());
        let seen = cases[0].seen.as_ref().unwrap();
        assert_eq!((seen.grid.size, seen.classes.len(), seen.channels.len()), ([16, 18, 20], 4, 4));
        assert_eq!(seen.classes.iter().sum::<u64>(), 16 * 18 * 20);
        assert_eq!(seen.sampled[0].len() as u64, seen.classes[1..].iter().sum::<u64>());
        let json = cases[0].json();
        assert_eq!((json["case"].as_str(), json["size"][2].as_u64()), (Some("phantom_0000"), Some(20)));
    }

    #[test]
    fn copies_are_found_and_worse_across_the_split() {
        let (set, cases) = set(|root| {
            std::fs::copy(root.join("imagesTr/phantom_0000.nii.gz"), root.join("imagesTr/phantom_0002.nii.gz")).unwrap();
        });
        let text = said(&findings(&set.description, &cases, &[]));
        assert!(text.contains("warning: the images of `phantom_0000`, `phantom_0002` hold the same voxels"), "{text}");
        let text = said(&findings(&set.description, &cases, &["phantom_0002".into()]));
        assert!(text.contains("error: the images of `phantom_0000`, `phantom_0002`") && text.contains("for validation"), "{text}");
    }

    #[test]
    fn each_fault_of_a_case_is_said() {
        let size = [16, 18, 20];
        let label = |root: &std::path::Path, name: &str, value: u8| {
            write_labels(&root.join("labelsTr").join(name), &ndarray::Array3::from_elem(size, value), &Header::plain(size, 1, [1.0; 3]))
                .unwrap();
        };
        let image = |root: &std::path::Path, name: &str, channels: usize, value: f32, spacing: [f64; 3]| {
            let data = ndarray::Array4::from_shape_fn(
                (channels, 16, 18, 20),
                |(c, d, h, w)| if c == 3 { 2.0 } else { value * (1 + d + h + w) as f32 },
            );
            write_image(&root.join("imagesTr").join(name), &data, &Header::plain(size, channels, spacing)).unwrap();
        };
        let (set, cases) = set(|root| {
            // Nothing but background on a constant channel; both files wrong; another spacing.
            label(root, "phantom_0000.nii.gz", 0);
            image(root, "phantom_0000.nii.gz", 4, 1.0, [1.0; 3]);
            label(root, "phantom_0001.nii.gz", 9);
            image(root, "phantom_0001.nii.gz", 4, f32::NAN, [1.0; 3]);
            label(root, "phantom_0002.nii.gz", 1);
            image(root, "phantom_0002.nii.gz", 3, 1.0, [1.0; 3]);
            label(root, "phantom_0003.nii.gz", 1);
            image(root, "phantom_0003.nii.gz", 4, 0.0, [1.0; 3]);
        });
        let text: Vec<String> = cases.iter().map(|c| said(&c.findings)).collect();
        assert!(text[0].contains("channel flair is 2 everywhere") && text[0].contains("nothing but the background"), "{text:?}");
        assert!(cases[0].is_sound());
        assert!(text[1].contains("holds NaN") && text[1].contains("holds 9 at voxel"), "{text:?}");
        assert!(text[2].contains("3 channels, but the data set has 4 modalities"), "{text:?}");
        assert!(!cases[1].is_sound() && !cases[2].is_sound());
        assert!(text[3].contains("channel t1 is 0 everywhere"), "{text:?}");
        let whole = said(&findings(&set.description, &cases, &[]));
        assert!(whole.contains("no case has the label 2 (core)") && whole.contains("no case has the label 3"), "{whole}");
    }

    #[test]
    fn another_spacing_is_odd_and_a_label_beside_the_image_too() {
        let (set, cases) = set(|root| {
            let size = [16, 18, 20];
            let data = ndarray::Array4::from_shape_fn((4, 16, 18, 20), |(.., w)| if w < 10 { 0.0 } else { w as f32 });
            write_image(&root.join("imagesTr/phantom_0003.nii.gz"), &data, &Header::plain(size, 4, [5.0, 1.0, 1.0])).unwrap();
            let label = ndarray::Array3::from_shape_fn(size, |(.., w)| u8::from(w < 4));
            write_labels(&root.join("labelsTr/phantom_0003.nii.gz"), &label, &Header::plain(size, 1, [5.0, 1.0, 1.0])).unwrap();
        });
        let text = said(&findings(&set.description, &cases, &[]));
        assert!(text.contains("`phantom_0003` has a spacing of 5 x 1 x 1 mm, and the set's median is 1 x 1 x 1 mm"), "{text}");
        assert!(said(&cases[3].findings).contains("100 % of what is labelled lies where the image is 0"));
        assert_eq!(cases[3].seen.as_ref().unwrap().cropped, [16, 18, 10]);
    }

    #[test]
    fn one_file_in_two_places_is_found() {
        let write = |root: &std::path::Path, case: usize, of: &dyn Fn(usize, usize) -> f32| {
            let data = ndarray::Array4::from_shape_fn((4, 16, 18, 20), |(c, d, h, w)| of(c, d * 360 + h * 20 + w));
            let path = root.join(format!("imagesTr/phantom_{case:04}.nii.gz"));
            write_image(&path, &data, &Header::plain([16, 18, 20], 4, [1.0; 3])).unwrap();
        };
        let (set, cases) = set(|root| {
            let label = crate::volume::read(&root.join("labelsTr/phantom_0001.nii.gz")).unwrap().data;
            let label: Vec<f32> = label.iter().copied().collect();
            // Two channels of one file; a label and one made of it as channels; a channel and the label of another case.
            write(root, 0, &|c, at| if c == 3 { 0.0 } else { ((c % 2) * 7 + at) as f32 });
            write(root, 1, &|c, at| [at as f32, label[at], 60.0 * label[at] + 5.0, 1.0 / (1 + at) as f32][c]);
            write(root, 2, &|c, at| [at as f32, (at % 7) as f32, (at % 11) as f32, (at % 13) as f32][c]);
            std::fs::copy(root.join("labelsTr/phantom_0001.nii.gz"), root.join("labelsTr/phantom_0002.nii.gz")).unwrap();
        });
        let m = &set.description.modalities;
        let text: Vec<String> = cases.iter().map(|c| said(&c.findings)).collect();
        assert!(
            text[0].contains(&format!("warning: case `phantom_0000`: the channels {} and {} hold the same voxels", m[0], m[2])),
            "{text:?}"
        );
        assert!(
            text[1].contains(&format!("error: case `phantom_0001`: the channel {} holds the same voxels as the label", m[1])),
            "{text:?}"
        );
        assert!(text[1].contains(&format!("the channel {} is one number in each class", m[2])), "{text:?}");
        let whole = said(&findings(&set.description, &cases, &[]));
        assert!(whole.contains("the label of `phantom_0001`, `phantom_0002` holds the same voxels"), "{whole}");
        assert!(whole.contains(&format!("the channel {} of `phantom_0000`, `phantom_0001`, `phantom_0002` holds", m[0])), "{whole}");
    }

    #[test]
    fn labels_that_are_nowhere_are_an_error_and_those_of_one_side_a_warning() {
        let label = |root: &std::path::Path, case: usize, value: u8| {
            let size = [16, 18, 20];
            let map = ndarray::Array3::from_shape_fn(size, |(d, h, w)| if (d, h) == (8, 9) && w > 6 + case { value } else { 0 });
            write_labels(&root.join(format!("labelsTr/phantom_{case:04}.nii.gz")), &map, &Header::plain(size, 1, [1.0; 3])).unwrap();
        };
        let held = ["phantom_0003".to_owned()];
        let (about, cases) = set(|root| (0..4).for_each(|c| label(root, c, 0)));
        let text = said(&findings(&about.description, &cases, &held));
        assert!(text.contains("error: no case has any label beside the background"), "{text}");
        let (about, cases) = set(|root| (0..4).for_each(|c| label(root, c, if c == 3 { 1 } else { 0 })));
        assert!(said(&findings(&about.description, &cases, &held)).contains("error: no training case has any label"));
        let (about, cases) = set(|root| (0..4).for_each(|c| label(root, c, if c == 3 { 1 } else { 2 })));
        let text = said(&findings(&about.description, &cases, &held));
        assert!(
            text.contains("warning: no training case has the label 1") && text.contains("no validation case has the label 2"),
            "{text}"
        );
        assert!(text.contains("warning: no case has the label 3"), "{text}");
    }
}
