//! Models that nnU-Net trained predict here what nnU-Net predicts: against `nnUNetv2_predict` on whole cases, against its stages one by
//! one, and what is refused of a folder.
//!
//! The models, cases and expected outputs lie beside the checkout (`shared/nnunet`); their README says how they were made.
#![cfg(feature = "predict")]

mod given;

#[path = "nnunet/cases.rs"]
mod cases;
#[path = "nnunet/checkpoint_sound.rs"]
mod checkpoint_sound;
#[path = "nnunet/made.rs"]
mod made;
#[path = "nnunet/refused.rs"]
mod refused;
#[path = "nnunet/stages.rs"]
mod stages;
