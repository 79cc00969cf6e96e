//! Small models of nnU-Net made for tests: the folder, and a checkpoint as `torch.save` writes it.

use std::path::Path;

use serde_json::{Value, json};

/// What a pickle holds.
pub enum Item {
    None,
    Int(i32),
    Text(String),
    List(Vec<Item>),
    Dict(Vec<(String, Item)>),
    /// A float32 tensor: its shape, and the key of its storage.
    Tensor(Vec<usize>, usize),
    /// A call of a name of a module, with one text.
    Call(&'static str, &'static str, String),
}

pub fn text(t: &str) -> Item {
    Item::Text(t.into())
}

/// Protocol 2.
fn pickled(item: &Item, out: &mut Vec<u8>) {
    let unicode = |t: &str, out: &mut Vec<u8>| {
        out.push(b'X');
        out.extend((t.len() as u32).to_le_bytes());
        out.extend(t.as_bytes());
    };
    let int = |v: i32, out: &mut Vec<u8>| {
        out.push(b'J');
        out.extend(v.to_le_bytes());
    };
    let numbers = |all: &[usize], out: &mut Vec<u8>| {
        out.push(b'(');
        all.iter().for_each(|v| int(*v as i32, out));
        out.push(b't');
    };
    match item {
        Item::None => out.push(b'N'),
        Item::Int(v) => int(*v, out),
        Item::Text(t) => unicode(t, out),
        Item::List(all) => {
            out.extend(b"](");
            all.iter().for_each(|i| pickled(i, out));
            out.push(b'e');
        }
        Item::Dict(all) => {
            out.extend(b"}(");
            for (key, value) in all {
                unicode(key, out);
                pickled(value, out);
            }
            out.push(b'u');
        }
        Item::Tensor(shape, key) => {
            let count: usize = shape.iter().product();
            let strides: Vec<usize> = (0..shape.len()).map(|a| shape[a + 1..].iter().product()).collect();
            out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            unicode("storage", out);
            out.extend(b"ctorch\nFloatStorage\n");
            unicode(&key.to_string(), out);
            unicode("cpu", out);
            int(count as i32, out);
            out.extend(b"tQ");
            int(0, out);
            numbers(shape, out);
            numbers(&strides, out);
            out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
        }
        Item::Call(module, name, argument) => {
            out.extend(format!("c{module}\n{name}\n(").as_bytes());
            unicode(argument, out);
            out.extend(b"tR");
        }
    }
}

/// A file of `torch.save` before release 1.6; storage `n` holds `storages[n]`.
pub fn legacy(item: &Item, storages: &[Vec<f32>]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    let keys = Item::List((0..storages.len()).map(|n| Item::Text(n.to_string())).collect());
    for part in [&Item::Int(1001), &Item::Dict(vec![]), item, &keys] {
        out.extend(b"\x80\x02");
        pickled(part, &mut out);
        out.push(b'.');
    }
    for values in storages {
        out.extend((values.len() as u64).to_le_bytes());
        out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
    out
}

/// A zip archive whose entries are stored, as `torch.save` writes it.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out: Vec<u8> = vec![];
    let mut directory: Vec<u8> = vec![];
    for (name, bytes) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let at = out.len() as u32;
        // Version, flags, method, time, date; then checksum, both sizes, the lengths of the name and of what follows it.
        let mut head: Vec<u8> = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        head.extend(crc.sum().to_le_bytes());
        head.extend((bytes.len() as u32).to_le_bytes());
        head.extend((bytes.len() as u32).to_le_bytes());
        head.extend((name.len() as u16).to_le_bytes());
        head.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&head);
        out.extend(name.as_bytes());
        out.extend(bytes);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// A file of `torch.save`; storage `n` holds `storages[n]`.
pub fn saved(item: &Item, storages: &[Vec<f32>]) -> Vec<u8> {
    let mut pickle = b"\x80\x02".to_vec();
    pickled(item, &mut pickle);
    pickle.push(b'.');
    let mut entries = vec![("archive/data.pkl".to_owned(), pickle), ("archive/byteorder".to_owned(), b"little".to_vec())];
    for (n, values) in storages.iter().enumerate() {
        entries.push((format!("archive/data/{n}"), values.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }
    entries.push(("archive/version".to_owned(), b"3\n".to_vec()));
    zip(&entries)
}

pub fn plans() -> Value {
    let resampling = json!({"is_seg": false, "order": 3, "order_z": 0, "force_separate_z": null});
    let logits = json!({"is_seg": false, "order": 1, "order_z": 0, "force_separate_z": null});
    json!({
        "dataset_name": "Dataset900_Made", "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2], "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": {"max": 9.0, "mean": 4.0, "median": 4.0, "min": 0.0, "percentile_00_5": 1.0, "percentile_99_5": 8.0, "std": 2.0}},
        "configurations": {
            "base": {
                "spacing": [1.0, 1.0, 1.0], "patch_size": [8, 8, 8], "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [false],
                "preprocessor_name": "DefaultPreprocessor",
                "resampling_fn_data": "resample_data_or_seg_to_shape", "resampling_fn_data_kwargs": resampling,
                "resampling_fn_probabilities": "resample_data_or_seg_to_shape", "resampling_fn_probabilities_kwargs": logits,
                "architecture": {
                    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                    "arch_kwargs": {
                        "n_stages": 2, "features_per_stage": [2, 3], "conv_op": "torch.nn.modules.conv.Conv3d", "kernel_sizes": 3, "strides": [1, 2],
                        "n_conv_per_stage": 1, "n_conv_per_stage_decoder": [1], "conv_bias": true,
                        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": true},
                        "dropout_op": null, "dropout_op_kwargs": null, "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": true}
                    },
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"]
                }
            },
            "3d_fullres": {"inherits_from": "base", "spacing": [1.5, 1.0, 1.0]}
        }
    })
}

pub fn dataset() -> Value {
    json!({"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1}, "numTraining": 5, "file_ending": ".nii.gz"})
}

/// Names and shapes of weights.
pub type Shapes = Vec<(String, Vec<usize>)>;

/// The weights of the network of [`plans`]: name and shape, with doubles and the answers of coarser levels left out.
pub fn shapes() -> Shapes {
    let mut all = vec![];
    let mut block = |name: &str, from: usize, out: usize| {
        all.push((format!("{name}.conv.weight"), vec![out, from, 3, 3, 3]));
        ["conv.bias", "norm.weight", "norm.bias"].into_iter().for_each(|part| all.push((format!("{name}.{part}"), vec![out])));
    };
    block("encoder.stages.0.0.convs.0", 1, 2);
    block("encoder.stages.1.0.convs.0", 2, 3);
    block("decoder.stages.0.convs.0", 4, 2);
    all.push(("decoder.transpconvs.0.weight".into(), vec![3, 2, 2, 2, 2]));
    all.push(("decoder.transpconvs.0.bias".into(), vec![2]));
    all.push(("decoder.seg_layers.0.weight".into(), vec![2, 2, 1, 1, 1]));
    all.push(("decoder.seg_layers.0.bias".into(), vec![2]));
    all
}

/// A checkpoint with these weights.
pub fn checkpoint(shapes: &[(String, Vec<usize>)], change: impl FnOnce(&mut Vec<(String, Item)>)) -> Vec<u8> {
    let storages: Vec<Vec<f32>> = shapes
        .iter()
        .enumerate()
        .map(|(n, (_, dims))| (0..dims.iter().product::<usize>()).map(|i| ((n * 31 + i * 7) as f32).sin() * 0.5).collect())
        .collect();
    let weights = shapes.iter().enumerate().map(|(n, (name, dims))| (name.clone(), Item::Tensor(dims.clone(), n))).collect();
    let mut entries = vec![
        ("network_weights".to_owned(), Item::Dict(weights)),
        ("trainer_name".to_owned(), text("nnUNetTrainer")),
        ("init_args".to_owned(), Item::Dict(vec![("configuration".into(), text("3d_fullres")), ("fold".into(), Item::Int(0))])),
        ("inference_allowed_mirroring_axes".to_owned(), Item::List(vec![Item::Int(0), Item::Int(2)])),
        ("_best_ema".to_owned(), Item::None),
    ];
    change(&mut entries);
    saved(&Item::Dict(entries), &storages)
}

/// Writes a model's folder.
pub fn folder(at: &Path, plans: &Value, dataset: &Value, folds: &[(&str, Vec<u8>)]) {
    std::fs::create_dir_all(at).expect("a folder");
    std::fs::write(at.join("plans.json"), plans.to_string()).expect("written");
    std::fs::write(at.join("dataset.json"), dataset.to_string()).expect("written");
    for (name, bytes) in folds {
        std::fs::create_dir_all(at.join(name)).expect("a folder");
        std::fs::write(at.join(name).join("checkpoint_final.pth"), bytes).expect("written");
    }
}
