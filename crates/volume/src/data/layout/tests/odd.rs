//! What fits a layout by its name is a case or an error; descriptions as people write them.

use super::*;

#[cfg(unix)]
fn link(root: &tempfile::TempDir, to: &str, name: &str) {
    let path = root.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = std::fs::remove_file(&path);
    std::os::unix::fs::symlink(to, path).unwrap();
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_errors_in_every_layout() {
    let annex = "../.git/annex/objects/x.nii.gz";
    let says = |result: Result<Description, Diagnostics>, file: &str| {
        let text = said(result);
        assert!(text.contains(file) && text.contains("a link to `../.git/annex/objects/x.nii.gz`, which is not there"), "{text}");
        assert!(text.contains("datalad get"), "{text}");
    };
    let labels = [(0, "b".to_owned()), (1, "a".to_owned())];
    let files = |root: &tempfile::TempDir| {
        let modalities = [("t1".to_owned(), Pattern("{case}/image.nii.gz".into()))];
        files::describe(root.path(), &modalities, &Pattern("{case}/label.nii.gz".into()), &labels, None, Want::Pairs)
    };

    let root = folder(&["a/image.nii.gz", "a/label.nii.gz"]);
    for file in ["b/image.nii.gz", "b/label.nii.gz"] {
        link(&root, annex, file);
    }
    says(files(&root), "b/image.nii.gz");
    let root = folder(&["a/image.nii.gz", "a/label.nii.gz"]);
    link(&root, annex, "b");
    says(files(&root), "`");
    link(&root, annex, "b.txt");
    std::fs::remove_file(root.path().join("b")).unwrap();
    assert_eq!(files(&root).unwrap().ids(), ["a"], "a link that is no folder by its name belongs to nothing");

    let root = folder(&["imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"]);
    put(&root, "dataset.json", r#"{"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}, "file_ending": ".nii.gz"}"#);
    link(&root, annex, "imagesTr/b_0000.nii.gz");
    link(&root, annex, "labelsTr/b.nii.gz");
    says(nnunet::describe(root.path(), Want::Pairs), "labelsTr/b.nii.gz");

    let ends = ["t1", "t1ce", "t2", "flair", "seg"];
    let all = ends.map(|e| format!("a/a_{e}.nii.gz"));
    let root = folder(&all.each_ref().map(String::as_str));
    ends.iter().for_each(|e| link(&root, annex, &format!("b/b_{e}.nii.gz")));
    says(brats::describe(root.path(), &brats_modalities(), &[], Want::Pairs), "b/b_seg.nii.gz");
    std::fs::remove_dir_all(root.path().join("b")).unwrap();
    link(&root, annex, "b");
    says(brats::describe(root.path(), &brats_modalities(), &[], Want::Pairs), "/b`");

    let root = folder(&["patient001/patient001_frame01.nii.gz", "patient001/patient001_frame01_gt.nii.gz"]);
    link(&root, annex, "patient002/patient002_frame01.nii.gz");
    link(&root, annex, "patient002/patient002_frame01_gt.nii.gz");
    says(acdc::describe(root.path(), Want::Pairs), "patient002_frame01.nii.gz");
    link(&root, annex, "patient003");
    says(acdc::describe(root.path(), Want::Pairs), "patient003");

    let root = folder(&["i/a.nii.gz", "l/a.nii.gz"]);
    link(&root, annex, "i/b.nii.gz");
    link(&root, annex, "l/b.nii.gz");
    put(
        &root,
        "dataset.json",
        r#"{"modality": {"0": "T1"}, "labels": {"0": "bg", "1": "a"}, "training": [{"image": "i/a.nii.gz", "label": "l/a.nii.gz"},
        {"image": "i/b.nii.gz", "label": "l/b.nii.gz"}]}"#,
    );
    says(msd::describe(root.path(), Want::Pairs), "training[1].image");
    let entry =
        |id: &str| CaseEntry { id: id.into(), image: vec![format!("i/{id}.nii.gz").into()], label: "l/a.nii.gz".into(), subject: None };
    says(list::describe(root.path(), &["T1".into()], &labels, &[entry("a"), entry("b")], Want::Pairs), "`b` cannot be used");
    link(&root, annex, "dataset.json");
    let e = guess(root.path()).unwrap_err();
    assert!(e.message.contains("dataset.json") && e.message.contains("a link to"), "{e:?}");
}

#[cfg(unix)]
#[test]
fn links_that_lead_back_are_not_followed() {
    let files = ["t1", "t1ce", "t2", "flair", "seg"].map(|e| format!("a/a_{e}.nii.gz"));
    let root = folder(&files.each_ref().map(String::as_str));
    link(&root, "..", "a/up");
    link(&root, ".", "here");
    assert_eq!(brats::describe(root.path(), &brats_modalities(), &[], Want::Pairs).unwrap().ids(), ["a"]);
}

#[test]
fn folders_with_names_of_volumes_are_errors() {
    let root = folder(&["imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz/slice.dcm", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz"]);
    put(&root, "dataset.json", r#"{"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}, "file_ending": ".nii.gz"}"#);
    let text = said(nnunet::describe(root.path(), Want::Pairs));
    assert!(text.contains("b_0000.nii.gz`: it is a folder"), "{text}");
    let ends = ["t1", "t1ce", "t2", "seg"].map(|e| format!("a/a_{e}.nii.gz"));
    let names: Vec<&str> = ends.iter().map(String::as_str).chain(["a/a_flair.nii/a_flair.nii"]).collect();
    let text = said(brats::describe(folder(&names).path(), &brats_modalities(), &[], Want::Pairs));
    assert!(text.contains("a_flair.nii`: it is a folder") && !text.contains("has no"), "{text}");
}

#[test]
fn capitals_endings_and_pairs_are_those_of_volumes() {
    let about = |ending: &str| {
        format!(r#"{{"channel_names": {{"0": "T1"}}, "labels": {{"background": 0, "x": 1}}, "file_ending": "{ending}", "numTraining": 2}}"#)
    };
    let root = folder(&[
        "imagesTr/a_0000.NII.GZ",
        "imagesTr/b_0000.nii.gz",
        "labelsTr/a.nii.gz",
        "labelsTr/b.Nii.gz",
        "labelsTr/.DS_Store",
        "labelsTr/._a.nii.gz",
    ]);
    put(&root, "dataset.json", &about(".NII.gz"));
    assert_eq!(
        cases(&nnunet::describe(root.path(), Want::Pairs).unwrap(), &root),
        ["a: imagesTr/a_0000.NII.GZ -> labelsTr/a.nii.gz", "b: imagesTr/b_0000.nii.gz -> labelsTr/b.Nii.gz"]
    );
    std::fs::write(root.path().join("labelsTr/c.nii"), "").unwrap();
    let text = said(nnunet::describe(root.path(), Want::Pairs));
    assert!(text.contains("that do not end in .NII.gz, as `file_ending` says: `c.nii`"), "{text}");
    std::fs::rename(root.path().join("labelsTr/c.nii"), root.path().join("labelsTr/a.NII.gz")).unwrap();
    assert!(said(nnunet::describe(root.path(), Want::Pairs)).contains("are both called a"));

    let root = folder(&["imagesTr/a_0000.hdr", "imagesTr/a_0000.img", "labelsTr/a.hdr", "labelsTr/a.img"]);
    for ending in [".hdr", ".img"] {
        put(&root, "dataset.json", &about(ending).replace(r#", "numTraining": 2"#, ""));
        assert_eq!(cases(&nnunet::describe(root.path(), Want::Pairs).unwrap(), &root), ["a: imagesTr/a_0000.hdr -> labelsTr/a.hdr"]);
    }
    let pattern = |p: &str| Pattern(p.into());
    let root = folder(&["s-1-T1.hdr", "s-1-T1.img", "s-1-label.hdr", "s-1-label.img"]);
    let labels = [(0, "b".to_owned()), (1, "a".to_owned())];
    let d =
        files::describe(root.path(), &[("T1".into(), pattern("s-{case}-T1.*"))], &pattern("s-{case}-label*"), &labels, None, Want::Pairs);
    assert_eq!(cases(&d.unwrap(), &root), ["1: s-1-T1.hdr -> s-1-label.hdr"]);
}

#[test]
fn what_has_no_counterpart_is_said_once() {
    let about = r#"{"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}, "file_ending": ".nii"}"#;
    let root = folder(&["imagesTr/a_0000.nii", "imagesTr/b_0000.nii", "imagesTr/c_0000.nii", "labelsTr/a.nii"]);
    put(&root, "dataset.json", about);
    let text = said(nnunet::describe(root.path(), Want::Pairs));
    assert!(text.lines().count() == 1 && text.contains("(2 images in all: `b_0000`, `c_0000`)"), "{text}");
    assert_eq!(nnunet::describe(root.path(), Want::Images).unwrap().ids(), ["a", "b", "c"]);
    assert_eq!(nnunet::describe(root.path(), Want::Labels).unwrap().ids(), ["a"]);
    let root = folder(&["imagesTr/a_0000.nii", "imagesTr/b_0000.nii", "labelsTr/a_0000.nii", "labelsTr/b_0000.nii"]);
    put(&root, "dataset.json", about);
    let text = said(nnunet::describe(root.path(), Want::Pairs));
    assert!(text.lines().count() == 1 && text.contains("the number of a channel in their names: `a_0000`, `b_0000`"), "{text}");

    let root = folder(&["patient001/patient001_frame01.nii", "patient001/patient001_frame01_gt.nii", "patient001/patient001_frame09.nii"]);
    assert!(said(acdc::describe(root.path(), Want::Pairs)).contains("no patient001_frame09_gt.nii.gz"));
    assert_eq!(acdc::describe(root.path(), Want::Images).unwrap().ids().len(), 2);
    let root = folder(&["a/a_seg.nii"]);
    assert!(said(brats::describe(root.path(), &["t1".into()], &[], Want::Pairs)).contains("no modality `t1`"));
    assert_eq!(brats::describe(root.path(), &["t1".into()], &[], Want::Labels).unwrap().ids(), ["a"]);
    let root = folder(&["a/a_seg.nii", "a/a_t1.nii", "a/a_t1.nii.gz"]);
    assert!(said(brats::describe(root.path(), &["t1".into()], &[], Want::Pairs)).contains("are the same part of one case"));
}

#[test]
fn the_layout_is_told_by_the_words_of_the_description() {
    let root = folder(&["imagesTr/a_0000.nii", "labelsTr/a.nii"]);
    let about = r#"{"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}, "file_ending": ".nii", "numTraining": 1}"#;
    for text in [
        format!("\u{feff}{about}"),
        about.replace("\"numTraining\": 1}", "}"),
        "{\"channel_names\": {,".into(),
        "{\"file_ending\": 3,".into(),
    ] {
        put(&root, "dataset.json", &text);
        assert_eq!(guess(root.path()).unwrap(), DatasetSpec::Nnunet { root: root.path().into() }, "{text}");
    }
    put(&root, "dataset.json", &format!("\u{feff}{about}"));
    assert_eq!(describe(&guess(root.path()).unwrap(), Want::Pairs).unwrap().ids(), ["a"]);
    put(&root, "dataset.json", &about.replace("\"numTraining\": 1", "\"numTraining\": 1,"));
    let text = said(describe(&guess(root.path()).unwrap(), Want::Pairs));
    assert!(text.contains("trailing comma") && text.contains("as nnU-Net v2 has them"), "{text}");
    put(&root, "dataset.json", &about.replace("\"x\": 1", "\"x\": 1, \"x\": 2"));
    let text = said(describe(&guess(root.path()).unwrap(), Want::Pairs));
    assert!(text.contains("the key \"x\" stands twice"), "{text}");
    std::fs::write(root.path().join("dataset.json"), [0xff, 0xfe, 0x00]).unwrap();
    assert!(guess(root.path()).unwrap_err().message.contains("not UTF-8"));
}

#[test]
fn the_first_version_of_nnunet_is_read() {
    let root = folder(&[
        "imagesTr/a_0000.nii.gz",
        "imagesTr/a_0001.nii.gz",
        "imagesTr/b_0000.nii.gz",
        "imagesTr/b_0001.nii.gz",
        "labelsTr/a.nii.gz",
        "labelsTr/b.nii.gz",
    ]);
    let about = r#"{"tensorImageSize": "4D", "modality": {"0": "T1", "1": "T2"}, "labels": {"0": "bg", "1": "x"}, "numTraining": 2, "test": [], "training": [
        {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}, {"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b.nii.gz"}]}"#;
    put(&root, "dataset.json", about);
    let d = describe(&guess(root.path()).unwrap(), Want::Pairs).unwrap();
    assert_eq!(
        cases(&d, &root),
        [
            "a: imagesTr/a_0000.nii.gz imagesTr/a_0001.nii.gz -> labelsTr/a.nii.gz",
            "b: imagesTr/b_0000.nii.gz imagesTr/b_0001.nii.gz -> labelsTr/b.nii.gz"
        ]
    );
    assert!(d.warnings.is_empty(), "{:?}", d.warnings);
    std::fs::remove_file(root.path().join("imagesTr/b_0001.nii.gz")).unwrap();
    let text = said(describe(&guess(root.path()).unwrap(), Want::Pairs));
    assert!(text.lines().count() == 1 && text.contains("imagesTr/b_0001.nii.gz"), "{text}");
}

#[test]
fn no_error_follows_from_another() {
    let root = folder(&["i/a.nii", "l/a.nii"]);
    let with = |modality: &str, labels: &str| {
        put(
            &root,
            "dataset.json",
            &format!(r#"{{"modality": {modality}, "labels": {labels}, "training": [{{"image": "i/a.nii", "label": "l/a.nii"}}]}}"#),
        );
        said(msd::describe(root.path(), Want::Pairs))
    };
    let text = with(r#"{"0": "T1"}"#, r#"{"0": "bg", "1": "a", "-1": "ignore"}"#);
    assert!(text.lines().count() == 1 && text.contains("the key \"-1\""), "{text}");
    let text = with(r#"{"a": "T1"}"#, r#"{"0": "bg", "1": "a"}"#);
    assert!(text.lines().count() == 1 && text.contains("the key \"a\""), "{text}");
}

#[test]
fn paths_of_a_description_lead_into_its_folder() {
    let root = folder(&["set/i/a b.nii", "set/l/a.nii", "other/i/c.nii"]);
    let set = root.path().join("set");
    let with = |image: &str, label: &str| {
        let pair = serde_json::json!([{"image": image, "label": label}]);
        let about = serde_json::json!({"modality": {"0": "T1"}, "labels": {"0": "bg", "1": "a"}, "training": pair});
        std::fs::write(set.join("dataset.json"), about.to_string()).unwrap();
        msd::describe(&set, Want::Pairs)
    };
    let absolute = |name: &str| root.path().join(name).display().to_string();
    for image in [&absolute("set/i/a b.nii")[..], "./i/a b.nii", "i\\a b.nii", ".\\i\\a b.nii", "i/../i/a b.nii"] {
        let d = with(image, "l/a.nii").unwrap_or_else(|found| panic!("{image}: {found:?}"));
        assert_eq!(d.cases[0].image, [set.join("i/a b.nii")], "{image}");
    }
    for (image, words) in [
        (&absolute("other/i/c.nii")[..], "an absolute path that does not lead inside the folder"),
        ("/elsewhere/set/i/a b.nii", "`i/a b.nii` is there"),
        ("../other/i/c.nii", "not a path inside the folder"),
        ("i/a b.nii ", "without the spaces around it"),
        ("", "names no file"),
        ("i/none.nii", "which is not there"),
    ] {
        let text = said(with(image, "l/a.nii"));
        assert!(text.contains(words), "{image}: {text}");
    }
    // nnU-Net shares cases between data sets by such paths.
    let about = |image: &str| {
        let shared = serde_json::json!({"c": {"images": [image], "label": "l/a.nii"}});
        let about = serde_json::json!({"channel_names": {"0": "T1"}, "labels": {"background": 0, "x": 1}, "file_ending": ".nii", "dataset": shared});
        std::fs::write(set.join("dataset.json"), about.to_string()).unwrap();
        nnunet::describe(&set, Want::Pairs)
    };
    for image in ["../other/i/c.nii", &absolute("other/i/c.nii")] {
        assert!(about(image).unwrap().cases[0].image[0].ends_with("other/i/c.nii"));
    }
    assert!(said(about("../other/i/d.nii")).contains("which is not there"));
}

#[test]
fn counts_and_files_beside_the_list_are_told_of() {
    let root = folder(&["i/a.nii", "i/b.nii", "i/._a.nii", "l/a.nii"]);
    let pair = r#"[{"image": "i/a.nii", "label": "l/a.nii"}]"#;
    put(
        &root,
        "dataset.json",
        &format!(r#"{{"modality": {{"0": "T1"}}, "labels": {{"0": "bg", "1": "a"}}, "numTraining": 2, "training": {pair}}}"#),
    );
    let warnings = msd::describe(root.path(), Want::Pairs).unwrap().warnings;
    let text: Vec<&str> = warnings.iter().map(|d| d.message.as_str()).collect();
    assert!(text[0].contains("`numTraining` is 2, but `training` names 1 case"), "{text:?}");
    assert!(text[1].contains("does not name 1 volume that lies beside its images") && text[1].contains("b.nii"), "{text:?}");
    assert!(warnings.iter().all(|d| d.severity == crate::text::Severity::Warning));
}
