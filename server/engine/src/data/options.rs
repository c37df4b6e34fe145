//! What a person decides about an import.

/// How a source is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Whether images of other sizes are made 32×32, each pixel the mean of the area that it covers; otherwise they are
    /// refused.
    pub resize: bool,
    /// What is done with links in a folder. Those in an archive are refused always.
    pub links: Links,
    /// How many percent of each class are held out as test images, where the source has training images only; 1 to 90.
    pub test_percent: Option<u8>,
    /// The name that the report tells for the source, where that is not the last part of its path.
    pub source_name: Option<String>,
}

/// What is done with links in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// What a link points to is read as if it lay there: the person who imports may read it anyway.
    #[default]
    Follow,
    /// A folder with a link is refused: whoever made the folder is not who reads it.
    Refuse,
}
