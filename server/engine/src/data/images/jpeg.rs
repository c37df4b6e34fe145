//! What a decoder of JPEG does not tell.

/// What the markers of a JPEG say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Markers {
    /// How many colours it has: 1 for grey, 3 for RGB, 4 for CMYK.
    pub components: u8,
    /// Whether its end is there. The decoder fills what is missing with grey and says nothing.
    pub is_complete: bool,
}

/// Reads the markers. Those of a thumbnail inside do not count.
pub(super) fn markers(bytes: &[u8]) -> Markers {
    let mut found = Markers::default();
    let mut at = 2;
    loop {
        // Within the compressed data a zero follows each 0xff, or the number of a restart.
        let Some(next) = bytes.get(at..).and_then(|rest| rest.windows(2).position(|p| p[0] == 0xff && is_marker(p[1])))
        else {
            return found;
        };
        at += next + 2;
        match bytes[at - 1] {
            0xd9 => return Markers { is_complete: true, ..found },
            marker => {
                let Some([high, low]) = bytes.get(at..at + 2) else { return found };
                if is_frame(marker) {
                    found.components = bytes.get(at + 7).copied().unwrap_or_default();
                }
                at += usize::from(*high) << 8 | usize::from(*low);
            }
        }
    }
}

/// Whether what follows 0xff begins or ends something.
const fn is_marker(byte: u8) -> bool {
    !matches!(byte, 0 | 1 | 0xff | 0xd0..=0xd8)
}

/// Whether a marker begins the description of the image, SOF.
const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}
