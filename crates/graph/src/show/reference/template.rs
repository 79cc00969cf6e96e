//! Graphs to begin with.

/// What a new graph begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// A small 3D U-Net of plain blocks.
    Unet,
    LightMedSeg,
    /// One convolution and a head.
    Blank,
}

impl Template {
    pub const ALL: [Template; 3] = [Template::Unet, Template::LightMedSeg, Template::Blank];

    /// Its text, under its own name.
    pub fn text(self) -> &'static str {
        match self {
            Template::Unet => include_str!("templates/unet.ron"),
            Template::LightMedSeg => include_str!("../../../../../graphs/lightmedseg.ron"),
            Template::Blank => include_str!("templates/blank.ron"),
        }
    }

    /// Its text under another name.
    pub fn named(self, name: &str) -> String {
        let own = match self {
            Template::Unet => "name: \"unet\"",
            Template::LightMedSeg => "name: \"lightmedseg\"",
            Template::Blank => "name: \"blank\"",
        };
        let quoted = ron::to_string(name).unwrap_or_else(|_| "\"graph\"".into());
        self.text().replacen(own, &format!("name: {quoted}"), 1)
    }
}
