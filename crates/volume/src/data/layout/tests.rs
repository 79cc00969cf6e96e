use super::*;

mod odd;

/// A folder with empty files.
fn folder(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    root
}

fn put(root: &tempfile::TempDir, name: &str, text: &str) {
    std::fs::write(root.path().join(name), text).unwrap();
}

/// What is said, one line for each error.
fn said(result: Result<Description, Diagnostics>) -> String {
    result.unwrap_err().0.iter().map(|d| format!("{} | {}", d.message, d.help.join(" | "))).collect::<Vec<_>>().join("\n")
}

/// Ids with the names of their files.
fn cases(d: &Description, root: &tempfile::TempDir) -> Vec<String> {
    let short = |p: &PathBuf| p.strip_prefix(root.path()).unwrap().display().to_string();
    d.cases
        .iter()
        .map(|c| {
            format!(
                "{}: {} -> {}",
                c.id,
                c.image.iter().map(short).collect::<Vec<_>>().join(" "),
                c.label.as_ref().map(short).unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn ids_are_names_without_endings() {
    assert_eq!(id_of(Path::new("imagesTr/case 1.x.nii.gz")), "case 1.x");
    assert_eq!(id_of(Path::new("b.nii")), "b");
}

#[test]
fn brats_of_every_year() {
    let names = |case: &str, sep: char, names: [&str; 5], end: &str| names.map(|n| format!("{case}{sep}{n}{end}")).to_vec();
    let old = ["t1", "t1ce", "t2", "flair", "seg"];
    let mut files = vec![];
    files.extend(names("HGG/Brats17_TCIA_1/Brats17_TCIA_1", '_', old, ".nii.gz"));
    files.extend(names("LGG/BraTS20_Training_355/W39", '_', ["T1", "t1ce", "t2", "flair", "1998.09.19_Segm"], ".nii"));
    let refs: Vec<&str> = files.iter().map(String::as_str).chain(["HGG/._Brats17_TCIA_1/x_flair.nii.gz", "readme.txt"]).collect();
    let root = folder(&refs);
    assert_eq!(
        guess(root.path()).unwrap(),
        DatasetSpec::Brats { root: root.path().into(), modalities: brats_modalities(), labels: vec![] }
    );
    let d = brats::describe(root.path(), &["flair".into(), "t1".into()], &[], Want::Pairs).unwrap();
    assert_eq!(
        cases(&d, &root),
        [
            "BraTS20_Training_355: LGG/BraTS20_Training_355/W39_flair.nii LGG/BraTS20_Training_355/W39_T1.nii -> LGG/BraTS20_Training_355/W39_1998.09.19_Segm.nii",
            "Brats17_TCIA_1: HGG/Brats17_TCIA_1/Brats17_TCIA_1_flair.nii.gz HGG/Brats17_TCIA_1/Brats17_TCIA_1_t1.nii.gz -> HGG/Brats17_TCIA_1/Brats17_TCIA_1_seg.nii.gz",
        ]
    );
    assert_eq!(d.labels.iter().map(|l| l.0).collect::<Vec<_>>(), [0, 1, 2, 4]);
    assert_eq!(d.modalities, ["flair", "t1"]);

    let new = ["t1n", "t1c", "t2w", "t2f", "seg"];
    let files: Vec<String> =
        ["000", "001"].iter().flat_map(|v| names(&format!("BraTS-GLI-00005-{v}/BraTS-GLI-00005-{v}"), '-', new, ".nii.gz")).collect();
    let root = folder(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let d = brats::describe(root.path(), &brats_modalities(), &[], Want::Pairs).unwrap();
    assert_eq!(d.labels.iter().map(|l| l.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(d.cases.iter().all(|c| c.subject == "BraTS-GLI-00005" && c.image.len() == 4));
    assert!(d.cases[0].image[1].ends_with("BraTS-GLI-00005-000-t1c.nii.gz"));
    let own = [(0, "b".to_owned()), (3, "x".to_owned())];
    assert_eq!(brats::describe(root.path(), &brats_modalities(), &own, Want::Pairs).unwrap().labels, own);
}

#[test]
fn what_lacks_in_brats_is_named() {
    let root = folder(&["a/a_flair.nii.gz", "a/a_t1.nii.gz", "b/b_flair.nii.gz", "b/b_seg.nii.gz"]);
    let text = said(brats::describe(root.path(), &["flair".into(), "t1".into()], &[], Want::Pairs));
    assert!(text.contains("a` has no segmentation") && text.contains("a_seg.nii.gz"), "{text}");
    assert!(text.contains("b` has no modality `t1`") && text.contains("b_t1n.nii.gz"), "{text}");
    let text = said(brats::describe(root.path(), &["flare".into()], &[], Want::Pairs));
    assert!(text.contains("no `flare`") && text.contains("flair"), "{text}");
    let empty = folder(&["x/readme.txt"]);
    assert!(said(brats::describe(empty.path(), &brats_modalities(), &[], Want::Pairs)).contains("no case of BraTS"));
    assert!(said(brats::describe(&root.path().join("no"), &brats_modalities(), &[], Want::Pairs)).contains("cannot read the folder"));
}

#[test]
fn acdc_with_and_without_its_info() {
    let root = folder(&[
        "patient002/patient002_frame01.nii.gz",
        "patient002/patient002_frame01_gt.nii.gz",
        "patient002/patient002_frame12.nii.gz",
        "patient002/patient002_frame12_gt.nii.gz",
        "patient002/patient002_4d.nii.gz",
        "patient010/patient010_frame01.nii",
        "patient010/patient010_frame01_gt.nii",
    ]);
    assert_eq!(guess(root.path()).unwrap(), DatasetSpec::Acdc { root: root.path().into() });
    let ids =
        || acdc::describe(root.path(), Want::Pairs).unwrap().cases.iter().map(|c| format!("{} of {}", c.id, c.subject)).collect::<Vec<_>>();
    assert_eq!(ids(), ["patient002_frame01 of patient002", "patient002_frame12 of patient002", "patient010_frame01 of patient010"]);
    put(&root, "patient002/Info.cfg", "ED: 1\nES: 12\nGroup: DCM\n");
    assert_eq!(ids().len(), 3);
    put(&root, "patient002/Info.cfg", "ED: 1\r\nES: 9\r\n");
    let text = said(acdc::describe(root.path(), Want::Pairs));
    assert!(text.contains("no patient002_frame09.nii.gz") && text.contains("no patient002_frame09_gt.nii.gz"), "{text}");
    put(&root, "patient002/Info.cfg", "ED: one\n");
    assert!(said(acdc::describe(root.path(), Want::Pairs)).contains("ED is `one`"));
    put(&root, "patient002/Info.cfg", "ED: 1\n");
    assert!(said(acdc::describe(root.path(), Want::Pairs)).contains("which frame is ES"));
    assert!(said(acdc::describe(folder(&["patient7/x.nii"]).path(), Want::Pairs)).contains("no frame with labels"));
    assert!(said(acdc::describe(folder(&["a/x.nii"]).path(), Want::Pairs)).contains("no patient of ACDC"));
    let whole = folder(&[
        "training/patient001/patient001_frame01.nii",
        "training/patient001/patient001_frame01_gt.nii",
        "testing/patient101/x.nii",
    ]);
    assert_eq!(acdc::describe(whole.path(), Want::Pairs).unwrap().ids(), ["patient001_frame01"]);
}

const NNUNET: &str = r#"{"name": "X", "channel_names": {"0": "T1", "1": "T2"}, "labels": {"background": 0, "whole": [1, 2], "core": 2}, "numTraining": 2,
    "file_ending": ".nii.gz"}"#;

#[test]
fn nnunet_raw_in_both_forms() {
    let root = folder(&[
        "imagesTr/a_0000.nii.gz",
        "imagesTr/a_0001.nii.gz",
        "imagesTr/b_0000.nii.gz",
        "imagesTr/b_0001.nii.gz",
        "labelsTr/a.nii.gz",
        "labelsTr/b.nii.gz",
        "labelsTr/notes.txt",
    ]);
    put(&root, "dataset.json", NNUNET);
    assert_eq!(guess(root.path()).unwrap(), DatasetSpec::Nnunet { root: root.path().into() });
    let d = nnunet::describe(root.path(), Want::Pairs).unwrap();
    assert_eq!(
        cases(&d, &root),
        [
            "a: imagesTr/a_0000.nii.gz imagesTr/a_0001.nii.gz -> labelsTr/a.nii.gz",
            "b: imagesTr/b_0000.nii.gz imagesTr/b_0001.nii.gz -> labelsTr/b.nii.gz"
        ]
    );
    assert_eq!(d.labels, [(0, "background".into()), (1, "label 1".into()), (2, "core".into())]);
    assert_eq!(d.modalities, ["T1", "T2"]);
    assert_eq!(d.regions, [("whole".into(), vec![1, 2]), ("core".into(), vec![2])]);
    assert_eq!(d.paint, [0u32; 0]);
    let ordered = |order: &str| NNUNET.replace("\"numTraining\": 2", &format!("\"regions_class_order\": {order}"));
    put(&root, "dataset.json", &ordered("[1, 2]"));
    assert_eq!(nnunet::describe(root.path(), Want::Pairs).unwrap().paint, [1, 2]);
    put(&root, "dataset.json", &ordered("[1, 2, 3]"));
    assert!(said(nnunet::describe(root.path(), Want::Pairs)).contains("names 3 labels, and `labels` has 2 regions"));

    put(&root, "dataset.json", &NNUNET.replace("\"numTraining\": 2", "\"numTraining\": 3"));
    assert!(said(nnunet::describe(root.path(), Want::Pairs)).contains("`numTraining` is 3, but there are 2 cases"));
    put(
        &root,
        "dataset.json",
        &NNUNET.replace(
            "\"numTraining\": 2",
            r#""dataset": {"c": {"images": ["imagesTr/b_0000.nii.gz", "imagesTr/a_0001.nii.gz"], "label": "labelsTr/a.nii.gz"}}"#,
        ),
    );
    assert_eq!(
        cases(&nnunet::describe(root.path(), Want::Pairs).unwrap(), &root),
        ["c: imagesTr/b_0000.nii.gz imagesTr/a_0001.nii.gz -> labelsTr/a.nii.gz"]
    );

    std::fs::remove_file(root.path().join("imagesTr/b_0001.nii.gz")).unwrap();
    std::fs::write(root.path().join("imagesTr/d_0000.nii.gz"), b"").unwrap();
    put(&root, "dataset.json", NNUNET);
    let text = said(nnunet::describe(root.path(), Want::Pairs));
    assert!(
        text.contains("imagesTr/b_0001.nii.gz` is not there") && text.contains("imagesTr/d_0000.nii.gz` belongs to no label"),
        "{text}"
    );
}

#[test]
fn bad_words_in_nnunets_description_are_named() {
    let root = folder(&["imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"]);
    let says = |labels: &str, more: &str, words: &str| {
        put(&root, "dataset.json", &format!(r#"{{"channel_names": {{"0": "T1"}}, "labels": {{{labels}}}, {more}}}"#));
        let text = said(nnunet::describe(root.path(), Want::Pairs));
        assert!(text.contains(words), "{text}");
    };
    let good = r#""background": 0, "a": 1"#;
    says(good, r#""file_ending": ".mha""#, "`file_ending` is `.mha`");
    says(r#""a": 1, "b": 2"#, r#""file_ending": ".nii.gz""#, "has no 0");
    says(r#""background": 0"#, r#""file_ending": ".nii.gz""#, "nothing but");
    says(r#""background": 0, "a": 4294967296"#, r#""file_ending": ".nii.gz""#, "`a` has a value");
    says(r#""background": 0, "a": [1, "2"]"#, r#""file_ending": ".nii.gz""#, "`a` has a value");
    says(r#""background": 0, "a": 1, "b": 1"#, r#""file_ending": ".nii.gz""#, "1 twice");
    says(r#""background": 0, "a": 1, "ignore": 2"#, r#""file_ending": ".nii.gz""#, "ignore");
    says(good, r#""file_ending": ".nii""#, "that ends in .nii");
    says(good, r#""x": 1"#, "file_ending");
}

#[test]
fn files_are_found_by_a_rule() {
    let root = folder(&[
        "p1_a/FLAIR_n4.nii.gz",
        "p1_a/T1c.nii.gz",
        "p1_a/gold.nii.gz",
        "p1_b/FLAIR.nii.gz",
        "p1_b/T1c_x.nii.gz",
        "p1_b/gold.nii.gz",
        "notes/x.txt",
    ]);
    let pattern = |p: &str| Pattern(p.into());
    let labels = [(1, "lesion".to_owned()), (0, "background".to_owned())];
    let modalities = [("flair".to_owned(), pattern("{case}/FLAIR*.nii.gz")), ("t1c".to_owned(), pattern("{case}/T1c*.nii.gz"))];
    let d = files::describe(root.path(), &modalities, &pattern("{case}/gold.nii.gz"), &labels, Some(&pattern("{case}_*")), Want::Pairs)
        .unwrap();
    assert_eq!(
        cases(&d, &root),
        ["p1_a: p1_a/FLAIR_n4.nii.gz p1_a/T1c.nii.gz -> p1_a/gold.nii.gz", "p1_b: p1_b/FLAIR.nii.gz p1_b/T1c_x.nii.gz -> p1_b/gold.nii.gz"]
    );
    assert!(d.cases.iter().all(|c| c.subject == "p1") && d.labels[0].0 == 0 && d.modalities == ["flair", "t1c"]);

    let wide = [("any".to_owned(), pattern("{case}/*.nii.gz"))];
    assert!(
        said(files::describe(root.path(), &wide, &pattern("{case}/gold.nii.gz"), &labels, None, Want::Pairs)).contains("has two files")
    );
    let text = said(files::describe(root.path(), &modalities[..1], &pattern("{case}/T1c.nii.gz"), &labels, None, Want::Pairs));
    assert!(text.contains("`data.label`: the case `p1_b` has no file `p1_b/T1c.nii.gz`"), "{text}");
    assert!(
        said(files::describe(root.path(), &modalities[..1], &pattern("{case}/x.nii.gz"), &labels, None, Want::Pairs))
            .contains("has no file `p1_a/x.nii.gz`")
    );
    let text =
        said(files::describe(root.path(), &[("a".into(), pattern("{case}.mha"))], &pattern("{case}.mhd"), &labels, None, Want::Pairs));
    assert!(text.contains("no file below"), "{text}");
    for (bad, words) in [
        ("T1.nii", "where the name of the case stands"),
        ("/{case}.nii", "no path below"),
        ("../{case}.nii", "no path below"),
        ("{case}_{case}.nii", "twice"),
    ] {
        let text = said(files::describe(root.path(), &[("a".into(), pattern(bad))], &pattern("{case}.nii"), &labels, None, Want::Pairs));
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_list_names_its_files() {
    let root = folder(&["x/a1.nii", "x/a2.nii", "x/as.nii"]);
    let entry = |id: &str, image: &[&str], label: &str| CaseEntry {
        id: id.into(),
        image: image.iter().map(PathBuf::from).collect(),
        label: label.into(),
        subject: None,
    };
    let labels = [(0, "b".to_owned()), (7, "a".to_owned())];
    let modalities = ["1".to_owned(), "2".to_owned()];
    let d = list::describe(root.path(), &modalities, &labels, &[entry("a", &["x/a1.nii", "x/a2.nii"], "x/as.nii")], Want::Pairs).unwrap();
    assert_eq!(cases(&d, &root), ["a: x/a1.nii x/a2.nii -> x/as.nii"]);
    let bad = [entry("a", &["x/a3.nii"], "x/as.nii"), entry("a", &[], "x/at.nii")];
    let text = said(list::describe(root.path(), &modalities, &[(1, "a".into())], &bad, Want::Pairs));
    for words in
        ["the image of `a` is not there", "the label of `a` is not there", "`a` has no image", "`a` twice", "has no 0, the background"]
    {
        assert!(text.contains(words), "{text}");
    }
    let none = said(list::describe(root.path(), &[], &labels, &[], Want::Pairs));
    assert!(none.contains("names none") && none.contains("lists no case"), "{none}");
}

#[test]
fn a_folder_of_no_layout_says_what_was_looked_for() {
    let root = folder(&["a/b/c.nii.gz"]);
    let e = guess(root.path()).unwrap_err();
    assert!(e.code == Code::E0701 && e.help[0].contains("patientNNN"), "{e:?}");
    assert_eq!(guess(&root.path().join("none")).unwrap_err().code, Code::E0101);
    put(&root, "dataset.json", r#"{"modality": {}}"#);
    assert_eq!(guess(root.path()).unwrap(), DatasetSpec::Msd { root: root.path().into() });
}

#[test]
fn two_classes_of_one_name_are_refused_in_every_layout() {
    let labels = |names: &[&str]| (0..).zip(names.iter().map(|n| (*n).to_owned())).collect::<Vec<(u32, String)>>();
    let root = folder(&["a.nii", "a_seg.nii"]);
    let entry = CaseEntry { id: "a".into(), image: vec!["a.nii".into()], label: "a_seg.nii".into(), subject: None };
    let list = |names: &[&str]| {
        describe(
            &DatasetSpec::List {
                root: root.path().into(),
                modalities: vec!["t1".into()],
                labels: labels(names),
                cases: vec![entry.clone()],
            },
            Want::Pairs,
        )
    };
    assert!(list(&["background", "core", "lesion"]).is_ok());
    let text = said(list(&["background", "lesion", "core", "lesion "]));
    assert!(text.contains("two classes are called `lesion`, those of the label values 1 and 3 | give each"), "{text}");
    let files = DatasetSpec::Files {
        root: root.path().into(),
        modalities: vec![("t1".into(), Pattern("{case}.nii".into()))],
        label: Pattern("{case}_seg.nii".into()),
        labels: labels(&["a", "a"]),
        subject: None,
    };
    assert!(describe(&files, Want::Pairs).is_err());
    let msd = folder(&["i/a.nii", "l/a.nii"]);
    let json = |labels: &str| {
        let text =
            format!(r#"{{"modality": {{"0": "T1"}}, "labels": {labels}, "training": [{{"image": "i/a.nii", "label": "l/a.nii"}}]}}"#);
        put(&msd, "dataset.json", &text);
        describe(&DatasetSpec::Msd { root: msd.path().into() }, Want::Pairs)
    };
    assert!(said(json(r#"{"0": "background", "1": "lesion", "2": "lesion"}"#)).contains("values 1 and 2"));
    assert!(said(json(r#"{"0": "background", "1": "a", "1": "b"}"#)).contains("the key \"1\" stands twice"));
    assert_eq!(json(r#"{"0": "background", "1002": "left", "2002": "right"}"#).unwrap().labels[2].0, 2002);
    let nnunet = folder(&["imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"]);
    let json = |labels: &str| {
        put(&nnunet, "dataset.json", &format!(r#"{{"channel_names": {{"0": "T1"}}, "labels": {labels}, "file_ending": ".nii.gz"}}"#));
        describe(&DatasetSpec::Nnunet { root: nnunet.path().into() }, Want::Pairs)
    };
    assert!(said(json(r#"{"background": 0, "lesion": 1, "lesion": 2}"#)).contains("the key \"lesion\" stands twice"));
    let found = json(r#"{"background": 0, "all": [205, 420], "core": [420]}"#).unwrap();
    assert_eq!((found.labels[2].0, found.regions[0].1.as_slice()), (420, &[205, 420][..]));
}
