//! Models of other programs. Those that nnU-Net trained predict here what nnU-Net predicts: against `nnUNetv2_predict` on whole cases, against its stages one by
//! one, and what is refused of a folder. Weights of PyTorch and TensorFlow.js, whatever the form of their file, are the numbers that were saved.
//!
//! The models, cases and expected outputs lie beside the checkout (`shared/nnunet`, `shared/models`); their README says how they were made.
#![cfg(feature = "predict")]

mod given;

#[path = "import/cases.rs"]
mod cases;
#[path = "import/checkpoint_sound.rs"]
mod checkpoint_sound;
#[path = "import/made.rs"]
mod made;
#[path = "import/refused.rs"]
mod refused;
#[path = "import/stages.rs"]
mod stages;
#[path = "import/weights.rs"]
mod weights;
#[path = "import/weights_sound.rs"]
mod weights_sound;
