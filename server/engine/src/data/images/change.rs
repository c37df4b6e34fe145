//! What comes of decoding an image.

/// An image, and how it differs from what its file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) struct Decoded {
    /// 3 × 32 × 32 bytes: its red, green and blue plane, row by row.
    pub planes: Vec<u8>,
    /// What was done to it.
    pub changes: Vec<Change>,
}

/// Something that was done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Change {
    Resized(usize, usize),
    Grey,
    OpaqueAlpha,
    Transparency,
    Palette,
    SixteenBits,
    Cmyk,
    FirstFrame,
    Orientation,
    Floats,
    WholeFloats,
}

impl Change {
    /// What the images are, and what was done.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Resized(..) => "images of other sizes, made 32×32 by the mean of areas",
            Self::Grey => "grey images, read with three equal channels",
            Self::OpaqueAlpha => "images with an alpha channel that hides nothing, which was dropped",
            Self::Transparency => "images with transparency, which was dropped: hidden colours are shown",
            Self::Palette => "images with a palette, read in its colours",
            Self::SixteenBits => "images of 16 bits a channel, of which the upper 8 were kept",
            Self::Cmyk => "CMYK images, made RGB",
            Self::FirstFrame => "GIFs, of which the first frame was taken",
            Self::Floats => "images of numbers from 0 to 1, made the nearest bytes",
            Self::WholeFloats => "images of whole numbers from 0 to 255 that were stored as floats",
            Self::Orientation => "images that are marked as rotated, kept as they are stored",
        }
    }

    /// Whether it is about colours.
    pub const fn is_colour(self) -> bool {
        !matches!(self, Self::Resized(..) | Self::FirstFrame | Self::Orientation | Self::Floats | Self::WholeFloats)
    }
}

/// Why an image cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) enum Fault {
    /// It has this width and height, and nobody asked for resizing.
    Size(usize, usize),
    /// In words that follow its name.
    Broken(String),
}
