//! What a run config says.

use super::*;
use crate::text::Code;
use crate::train::Anneal;

const TEXT: &str = r#"(
    // epochs: not this one
    graph: "g.ron",
    data: Msd(root: "/nowhere//x"),
    patch: (32, 48, 48),
    optimiser: (lr: 1e-3),
    epochs: 10,
)"#;

fn read(sets: &[&str]) -> Result<RunConfig> {
    let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).unwrap()).collect();
    RunConfig::read(&Source::new("run.ron", TEXT), &sets)
}

#[test]
fn what_is_not_written_has_a_default() {
    let c = read(&["batch=3", "data.root=/volumes", "out=runs/a"]).unwrap();
    assert_eq!((c.batch, c.epochs, c.patch, c.device.as_str()), (3, 10, [32, 48, 48], "auto"));
    assert_eq!(c.out, Some(PathBuf::from("runs/a")));
    assert!(matches!(c.data, DatasetSpec::Msd { root, .. } if root == Path::new("/volumes")));
    assert_eq!(c.optimiser.betas, [0.9, 0.999]);
}

#[test]
fn the_list_of_fields_is_that_of_the_struct() {
    let mut c = read(&[]).unwrap();
    (c.steps, c.patience, c.out) = (Some(1), Some(9), Some("x".into()));
    (c.recipe, c.budget, c.validate.every) = (Some(Recipe::paper), Some("1h".into()), 2);
    c.nan = Some(0.0);
    (c.spacing, c.cache) = (Some([1.0; 3].into()), Some("y".into()));
    (c.regions, c.paint) = (Some(NamedRegions::default()), Some(vec![]));
    (c.initial, c.map, c.freeze) = (Some("m".into()), Some("m".into()), vec!["enc*".into()]);
    (c.rates, c.frozen_statistics, c.slices) = ([("dec*".to_owned(), 0.1)].into(), true, crate::data::SlicePlane::Coronal);
    let value = serde_json::to_value(&c).unwrap();
    let fields: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(fields, FIELDS);
}

#[test]
fn survives_its_own_text() {
    let regions = r#"regions={"whole tumour": [2, 1], "core": [1]}"#;
    let c = read(&["steps=4", "set.anchors=16", "loss.radius=2", regions, "paint=[2, 1]", "loss.class_weights=[1, 2]"]).unwrap();
    let text = ron::ser::to_string_pretty(&c, ron::ser::PrettyConfig::new()).unwrap();
    let again = RunConfig::read(&Source::new("again", text), &[]).unwrap();
    assert_eq!(serde_json::to_value(&c).unwrap(), serde_json::to_value(&again).unwrap());
    assert_eq!(again.set["anchors"], Value::Int(16));
    let words = read(&["set.blend=0.5", "set.deep=true"]).unwrap();
    assert_eq!((&words.set["blend"], &words.set["deep"]), (&Value::Float(0.5), &Value::Bool(true)));
}

#[test]
fn values_that_cannot_be_are_all_named_at_their_place() {
    let e = read(&["optimiser.lr=0", "epochs=0", "overlap=1.0", "loss.dice=-1", "split.validation=0"]).unwrap_err();
    assert!(e.0.iter().all(|d| d.code == Code::E0601), "{e:?}");
    let text: Vec<&str> = e.0.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(text.len(), 6, "{text:?}"); // min_lr is above the lr of 0 as well
    // A value of the command line is at fault there, not where the file has another one.
    for (words, text) in [("optimiser.lr` is 0", "optimiser.lr=0"), ("`epochs`", "epochs=0"), ("`overlap`", "overlap=1.0")] {
        let d = e.0.iter().find(|d| d.message.contains(words)).unwrap();
        let source = &d.labels[0].place.source;
        assert_eq!((source.name.as_str(), source.text.as_str()), ("--set", text));
        assert!(d.help[0].contains(&format!("--set {}=", text.split('=').next().unwrap())), "{d:?}");
    }
    assert!(e.0.iter().any(|d| d.message.contains("schedule.min_lr") && d.labels.is_empty()));
    // Of the file, where it is written.
    let e =
        RunConfig::read(&Source::new("run.ron", TEXT.replace("lr: 1e-3", "lr: 0.0").replace("epochs: 10", "epochs: 0")), &[]).unwrap_err();
    let place = |words: &str| {
        let place = &e.0.iter().find(|d| d.message.contains(words)).unwrap().labels[0].place;
        place.source.line_column(place.span.start)
    };
    assert_eq!((place("optimiser.lr` is 0"), place("`epochs`")), ((6, 17), (7, 5)));
}

#[test]
fn words_and_numbers_that_do_not_fit_are_told_by_what_is_wanted() {
    for (set, wanted) in [
        ("epochs=two", "a whole number is expected, but `two` is given"),
        ("optimiser.lr=high", "a number is expected, but `high` is given"),
        ("crop=maybe", "`true` or `false` is expected, but `maybe` is given"),
        ("patch=30", "a size (D, H, W), or (H, W) of slices, is expected, but 30 is given"),
        ("patch=(1, 2, 3, 4)", "a size (D, H, W), or (H, W) of slices, is expected"),
    ] {
        let e = read(&[set]).unwrap_err();
        assert!(e.0.len() == 1 && e.0[0].message.contains(wanted), "{set}: {e:?}");
    }
    assert_eq!(read(&["patch=(40, 24)"]).unwrap().patch, [1, 40, 24]);
}

#[test]
fn paths_start_where_they_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let text = TEXT.replace("/nowhere//x", "set").replace("epochs: 10", "epochs: 10, cache: \"kept\", out: \"runs/a\", initial: \"../m\"");
    let source = Source::new(at("run.ron").display().to_string(), text);
    let read = |sets: &[&str]| {
        let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).unwrap()).collect();
        RunConfig::read(&source, &sets).unwrap()
    };
    // In the config: at its folder, whether anything is there or not.
    let c = read(&[]);
    assert_eq!(c.data.root(), Some(at("set").as_path()));
    assert_eq!((c.cache, c.out, c.initial), (Some(at("kept")), Some(at("runs/a")), Some(at("../m"))));
    assert_eq!((c.graph.as_path(), c.told.warnings.len()), (Path::new("g.ron"), 0));
    // On the command line: at the working directory.
    let c = read(&["data.root=set", "out=runs/b", "graph=graphs/unet.ron"]);
    assert_eq!((c.data.root(), c.out.as_deref()), (Some(Path::new("set")), Some(Path::new("runs/b"))));
    assert_eq!(c.graph_path(&at("run.ron")), std::path::absolute("graphs/unet.ron").unwrap());
    let c = read(&["data=Acdc(root: \"set\")"]);
    assert_eq!((c.data.root(), c.told.warnings.len()), (Some(Path::new("set")), 0));
    // What is at the other place alone is taken, and said: `src` is in the working directory of tests, `set` beside the config.
    let c = RunConfig::read(&Source::new(source.name.clone(), source.text.replace("\"set\"", "\"src\"")), &[]).unwrap();
    assert_eq!(c.data.root(), Some(Path::new("src")));
    assert!(c.told.warnings[0].message.contains("`src` at the working directory is taken"), "{:?}", c.told.warnings);
    std::fs::create_dir(at("set")).unwrap();
    let c = read(&["data.root=set"]);
    assert_eq!(c.data.root(), Some(at("set").as_path()));
    assert!(c.told.warnings[0].message.contains("in `--set`"), "{:?}", c.told.warnings);
    // A folder that is at neither place is named as it was looked for.
    let c = read(&["data.root=none"]);
    let e = c.finds_data(&source).unwrap_err();
    let here = std::path::absolute("none").unwrap().display().to_string();
    assert!(
        e.message.contains("`none`") && e.help.iter().any(|h| h.contains(&here)) && e.help.iter().any(|h| h.contains("--set data.root=")),
        "{e:?}"
    );
}

#[test]
fn a_list_without_a_root_starts_at_the_configs_folder() {
    let dir = tempfile::tempdir().unwrap();
    let list = r#"List(modalities: ["t1"], labels: [(0, "background"), (1, "a")], cases: [(id: "a", image: ["a.nii"], label: "b.nii")])"#;
    let text = TEXT.replace("Msd(root: \"/nowhere//x\")", list);
    let source = Source::new(dir.path().join("run.ron").display().to_string(), text);
    assert_eq!(RunConfig::read(&source, &[]).unwrap().data.root(), Some(dir.path()));
}

#[test]
fn unknown_fields_are_refused() {
    let e = read(&["optimiser.rate=1"]).unwrap_err();
    assert_eq!(e.0[0].code, Code::E0107);
}

#[test]
fn a_loss_is_what_it_names_and_nothing_else() {
    let of = |field: &str, sets: &[&str]| {
        let sets: Vec<Set> = sets.iter().map(|s| Set::parse(s).unwrap()).collect();
        let text = TEXT.replace("epochs: 10,", &format!("epochs: 10, {field}"));
        RunConfig::read(&Source::new("run.ron", text), &sets).map(|c| c.loss)
    };
    let terms = |o: &Objective| [o.dice, o.cross_entropy, o.boundary, o.tversky, o.focal, o.inverse_frequency];
    assert_eq!(terms(&of("", &[]).unwrap()), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(terms(&of("loss: (dice: 1.0, cross_entropy: 1.0),", &[]).unwrap()), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(terms(&of("loss: (focal: 2.0),", &[]).unwrap()), [0.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    // A change of a config without a loss is a change of the usual one; of a written one it is a change of that.
    assert_eq!(terms(&of("", &["loss.boundary=0.5"]).unwrap()), [1.0, 1.0, 0.5, 0.0, 0.0, 0.0]);
    assert_eq!(terms(&of("", &["loss.dice=0", "loss.radius=2"]).unwrap()), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(terms(&of("loss: (focal: 2.0),", &["loss.dice=1"]).unwrap()), [1.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    assert_eq!(terms(&of("", &["loss=(tversky: 1)"]).unwrap()), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    for field in ["loss: (),", "loss: (radius: 2),"] {
        let e = of(field, &[]).unwrap_err();
        assert!(e.0[0].message.contains("`loss` is 0 in every term") && e.0[0].message.contains("what it does not name is 0"), "{e:?}");
    }
}

#[test]
fn the_fields_that_are_named_are_known() {
    let sets = [Set::parse("loss.radius=2").unwrap(), Set::parse("batch=3").unwrap()];
    let named = RunConfig::named(&Source::new("run.ron", TEXT), &sets).unwrap();
    let all: Vec<&str> = named.iter().map(String::as_str).collect();
    assert_eq!(all, ["batch", "data", "data.root", "epochs", "graph", "loss", "loss.radius", "optimiser", "optimiser.lr", "patch"]);
}

#[test]
fn what_is_not_set_stands_in_a_written_config() {
    let text = ron::to_string(&read(&[]).unwrap()).unwrap();
    for field in ["spacing:None", "patience:None", "folds:None", "clip:None", "average:None", "class_weights:None", "deep_supervision:None"]
    {
        assert!(text.contains(field), "{field}: {text}");
    }
}

#[test]
fn what_a_config_of_before_says_is_written_as_before() {
    // What it does not name changes nothing, and what it names is written in the form that it has.
    let c = read(&["augment=(flip: 0.5, noise: 0.1, intensity: 0.1)", "foreground=0.5", "spacing=(1.0, 1.0, 2.0)"]).unwrap();
    let text = ron::to_string(&c).unwrap();
    for name in ["recipe", "budget", "file:", "brightness", "contrast", "inverted", "thick"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    for part in [
        "noise:0.1",
        "intensity:0.1",
        "foreground:0.5",
        "spacing:Some((1.0,1.0,2.0))",
        "validate:(every:1,cases:None,smooth:0.0)",
        "cross_entropy_frequency:None,anneal:None",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_recipe_fills_in_what_is_not_named() {
    let of = |name: &str, sets: &[&str]| read(&[&[name], sets].concat()).unwrap();
    let (nnunet, paper) = (of("recipe=nnunet", &[]), of("recipe=paper", &[]));
    // The config's own values stay.
    for c in [&nnunet, &paper] {
        assert_eq!((c.epochs, c.optimiser.lr, c.patch), (10, 1e-3, [32, 48, 48]));
        assert_eq!((c.optimiser.clip, c.augment.gamma.high, c.augment.rotate.thick_degrees), (Some(12.0), 1.5, Some(180.0)));
        assert!(c.loss.batch_dice && c.foreground == Foreground::Last(crate::data::LastPatches { at_least: 1, part: 0.33 }));
    }
    assert_eq!(
        (nnunet.optimiser.kind, nnunet.optimiser.momentum, nnunet.schedule.kind),
        (OptimiserKind::sgd, 0.99, LrSchedule::polynomial)
    );
    assert_eq!((nnunet.loss.boundary, nnunet.loss.background, nnunet.steps), (0.0, false, Some(250)));
    assert_eq!((paper.optimiser.kind, paper.schedule.kind, paper.loss.boundary), (OptimiserKind::adamw, LrSchedule::cosine, 0.5));
    let own =
        ["augment=(noise: 0.2, gamma: (probability: 0.5))", "optimiser=(lr: 1e-3, clip: None)", "foreground=0.1", "loss.background=true"];
    let changed = of("recipe=nnunet", &own);
    assert_eq!(changed.augment.noise, crate::data::Noise::Always(0.2));
    assert_eq!((changed.augment.gamma.probability, changed.augment.gamma.low), (0.5, 0.7));
    assert_eq!((changed.optimiser.clip, changed.foreground, changed.loss.background), (None, Foreground::Each(0.1), true));
    // Regions have no background.
    assert!(of("recipe=nnunet", &[r#"regions={"a": [1]}"#]).loss.background);
    // Written out, it is read back without the recipe.
    let text = ron::ser::to_string_pretty(&RunConfig { recipe: None, ..nnunet.clone() }, ron::ser::PrettyConfig::new()).unwrap();
    let again = RunConfig::read(&Source::new("again", text), &[]).unwrap();
    assert_eq!(serde_json::to_value(RunConfig { recipe: None, ..nnunet }).unwrap(), serde_json::to_value(&again).unwrap());
    // A change of the loss is one of the recipe's, whose fields nobody has to name.
    let changed = of("recipe=paper", &["loss.focal=1", "loss.dice=0.5"]).loss;
    assert_eq!((changed.dice, changed.focal, changed.boundary, changed.anneal), (0.5, 1.0, 0.5, Some(Anneal { until: 0.3 })));
    let named = RunConfig::named(&Source::new("run.ron", TEXT), &[Set::parse("recipe=paper").unwrap()]).unwrap();
    assert!(["recipe", "loss.anneal", "augment.gamma", "batch"].map(|f| named.contains(f)) == [true, true, true, false], "{named:?}");
    let e = read(&["recipe=unet"]).unwrap_err();
    assert!(e.0[0].code == Code::E0104 && e.0[0].message.contains("unet"), "{e:?}");
}

#[test]
fn new_fields_that_cannot_be_are_named() {
    for (set, words) in [
        ("budget=\"soon\"", "`budget` is \"soon\""),
        ("validate=(every: 0)", "validate.every"),
        ("validate=(cases: 0)", "validate.cases"),
        ("validate=(smooth: 1.0)", "validate.smooth"),
        ("foreground=(at_least: 3, part: 0.3)", "foreground.at_least"),
        ("foreground=(part: 1.3)", "foreground.part"),
        ("augment=(contrast: (probability: 2, low: 1, high: 1))", "augment.contrast.probability"),
        ("loss.anneal=(until: 0)", "loss.anneal.until"),
        ("spacing=(keep, 0, 1)", "spacing"),
        ("split=(file: \"a.json\", folds: 5)", "split.folds"),
        ("epochs=0", "`epochs` is 0"),
    ] {
        let e = read(&[set]).unwrap_err();
        assert!(e.0.iter().any(|d| d.code == Code::E0601 && d.message.contains(words)), "{set}: {e:?}");
    }
    assert_eq!(read(&["spacing=(keep, 1.5, 1)"]).unwrap().spacing, Some(Spacing([None, Some(1.5), Some(1.0)])));
    assert_eq!(read(&["spacing=(kept, 1.5, 1)"]).unwrap_err().0[0].code, Code::E0104);
    assert_eq!(read(&["budget=12h", "epochs=0"]).unwrap().budget.as_deref(), Some("12h"));
}
