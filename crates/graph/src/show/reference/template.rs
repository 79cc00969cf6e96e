//! Graphs to begin with.

/// What a new graph begins as: a file that is in the binary and stands alone.
#[derive(Debug)]
pub struct Template {
    /// As it is asked for, and as the text calls itself.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    pub text: &'static str,
}

/// A graph of `graphs/` under its own name.
macro_rules! graph {
    ($name:literal, $about:literal) => {
        Template { name: $name, about: $about, text: include_str!(concat!("../../../../../graphs/", $name, ".ron")) }
    };
}

impl Template {
    /// All of them, the default first.
    pub const ALL: &[Template] = &[
        Template {
            name: "small",
            about: "a small 3D U-Net of plain blocks, explained line by line",
            text: include_str!("templates/small.ron"),
        },
        Template {
            name: "blank",
            about: "one convolution, and what every part of a graph is for",
            text: include_str!("templates/blank.ron"),
        },
        graph!("attention-unet", "Attention U-Net"),
        graph!("basicunet", "a U-Net with max pooling"),
        graph!("dynunet", "DynUNet"),
        graph!("lightmedseg", "LightMedSeg"),
        graph!("mednext", "MedNeXt"),
        graph!("meshnet", "MeshNet"),
        graph!("nnunet", "the network of nnU-Net's plans"),
        graph!("segresnet", "SegResNet"),
        graph!("unet", "U-Net, plain or residual"),
        graph!("unetpp", "U-Net++"),
        graph!("vnet", "V-Net"),
    ];

    /// The one of that name.
    pub fn find(name: &str) -> Option<&'static Template> {
        Self::ALL.iter().find(|t| t.name == name)
    }

    /// Its text under another name.
    pub fn named(&self, name: &str) -> String {
        let quoted = ron::to_string(name).unwrap_or_else(|_| "\"graph\"".into());
        self.text.replacen(&format!("name: \"{}\"", self.name), &format!("name: {quoted}"), 1)
    }
}
