//! Segments one volume on the CPU: `cargo run --release --example predict -- runs/demo/best.safetensors scan.nii.gz labels.nii.gz`.

use std::path::PathBuf;

use lmsc::infer::{Model, Options, Predictor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [model, image, labels] = files.as_slice() else { return Err("give a model, an image, and where to write the labels".into()) };
    let predictor = Predictor::new(Model::load(model)?, Options::default());
    let prediction = predictor.predict(std::slice::from_ref(image), || ())?;
    prediction.write(labels)?;
    for (class, ml) in prediction.classes.iter().zip(prediction.volumes_ml()) {
        println!("{}: {ml:.1} ml", class.name);
    }
    Ok(())
}
