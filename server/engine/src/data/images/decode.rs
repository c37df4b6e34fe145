//! One encoded image, made 32×32 RGB.
//!
//! Colours become RGB as Pillow's `convert("RGB")` makes them, which torchvision's loader of folders uses: transparency is
//! dropped and not blended, and what a camera says of its orientation is not applied. 16 bits become their upper 8, as
//! Pillow does for colours; 16-bit greys it cuts off at 255, which would leave most of them white.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};

use super::{
    area,
    change::{Change, Decoded, Fault},
    jpeg,
};
use crate::data::{content::Content, dataset::SIDE};

/// Bytes of the largest file that is read: a photograph with what its camera writes beside it.
pub(in crate::data) const MAX_FILE_BYTES: usize = 64 << 20;
/// Bytes of the largest decoded image.
const MAX_DECODED: u64 = 128 << 20;
/// What a decoder may need beside the image: profiles and texts, which may be packed far smaller than they are.
const BESIDE: u64 = 8 << 20;

/// Decodes an image.
pub(in crate::data) fn decode(bytes: &[u8], resize: bool) -> Result<Decoded, Fault> {
    let broken = |fault: &str| Fault::Broken(fault.to_owned());
    let format = match Content::of(&bytes[..bytes.len().min(crate::data::container::HEAD)]) {
        Content::Image(format) => format,
        Content::OtherImage(format) => {
            let fault = format!("is a {format} image, which is not read: save it as PNG");
            return Err(Fault::Broken(fault));
        }
        Content::Empty => return Err(broken("is empty")),
        _ if bytes.starts_with(b"version https://git-lfs") => {
            return Err(broken("is a pointer of Git LFS and no image: `git lfs pull` gets the images"));
        }
        _ => return Err(broken("is no image by what it holds")),
    };
    let mut changes = Vec::new();
    if format == ImageFormat::Jpeg {
        let markers = jpeg::markers(bytes);
        if !markers.is_complete {
            return Err(broken("was cut short: the end of the JPEG is missing"));
        }
        if markers.components == 4 {
            changes.push(Change::Cmyk);
        }
    }
    let undecodable = |e: image::ImageError| Fault::Broken(format!("cannot be decoded: {e}"));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits(format, bytes));
    let mut decoder = reader.into_decoder().map_err(undecodable)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    if (width, height) != (SIDE, SIDE) {
        if !resize {
            return Err(Fault::Size(width, height));
        }
        if decoder.total_bytes() > MAX_DECODED {
            return Err(Fault::Broken(format!("is {width}×{height}, which is too large to be read")));
        }
        changes.push(Change::Resized(width, height));
    }
    if decoder.orientation().is_ok_and(|orientation| orientation != Orientation::NoTransforms) {
        changes.push(Change::Orientation);
    }
    match format {
        ImageFormat::Gif => changes.push(Change::FirstFrame),
        // The header's byte for the colour type, of which 3 means a palette.
        ImageFormat::Png if bytes.get(25) == Some(&3) => changes.push(Change::Palette),
        _ => {}
    }
    let image = DynamicImage::from_decoder(decoder).map_err(undecodable)?;
    // The decoder of GIFs gives every image an alpha channel.
    let rgb = rgb(image, format != ImageFormat::Gif, &mut changes);
    Ok(Decoded { planes: area::planes(&rgb, width, height), changes })
}

/// What decoding may take. A PNG says its size at once, so that its profiles cannot use what a large image might need.
fn limits(format: ImageFormat, bytes: &[u8]) -> Limits {
    let number =
        |at: usize| bytes.get(at..at + 4).map_or(0, |b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])));
    // Eight bytes a pixel: four channels of 16 bits.
    let decoded = match format {
        ImageFormat::Png => number(16).saturating_mul(number(20)).saturating_mul(8).min(MAX_DECODED),
        _ => MAX_DECODED,
    };
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(decoded + BESIDE);
    limits
}

/// The pixels row by row, their three colours side by side. An alpha channel may be the decoder's, and not the file's.
fn rgb(image: DynamicImage, has_alpha_channel: bool, changes: &mut Vec<Change>) -> Vec<u8> {
    let colour = image.color();
    if matches!(colour, ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16) {
        changes.push(Change::Grey);
    }
    if colour.has_alpha() {
        let is_opaque = |alpha: u16, whole: u16| alpha == whole;
        let hides_nothing = match &image {
            DynamicImage::ImageLumaA8(i) => i.pixels().all(|p| p.0[1] == u8::MAX),
            DynamicImage::ImageRgba8(i) => i.pixels().all(|p| p.0[3] == u8::MAX),
            DynamicImage::ImageLumaA16(i) => i.pixels().all(|p| is_opaque(p.0[1], u16::MAX)),
            DynamicImage::ImageRgba16(i) => i.pixels().all(|p| is_opaque(p.0[3], u16::MAX)),
            _ => false,
        };
        if !hides_nothing {
            changes.push(Change::Transparency);
        } else if has_alpha_channel {
            changes.push(Change::OpaqueAlpha);
        }
    }
    if matches!(colour, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16) {
        changes.push(Change::SixteenBits);
    }
    let upper = |value: u16| (value >> 8) as u8;
    match image {
        DynamicImage::ImageLuma16(i) => i.pixels().flat_map(|p| [upper(p.0[0]); 3]).collect(),
        DynamicImage::ImageLumaA16(i) => i.pixels().flat_map(|p| [upper(p.0[0]); 3]).collect(),
        DynamicImage::ImageRgb16(i) => i.pixels().flat_map(|p| p.0.map(upper)).collect(),
        DynamicImage::ImageRgba16(i) => i.pixels().flat_map(|p| [p.0[0], p.0[1], p.0[2]].map(upper)).collect(),
        other => other.into_rgb8().into_raw(),
    }
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, RgbImage, RgbaImage};

    use super::*;

    fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    fn gradient() -> RgbImage {
        RgbImage::from_fn(32, 32, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]))
    }

    fn broken(bytes: &[u8]) -> String {
        match decode(bytes, true) {
            Err(Fault::Broken(words)) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pixels_become_a_red_a_green_and_a_blue_plane() {
        let image = RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let Decoded { planes, changes } = decode(&encode(image, ImageFormat::Png), false).unwrap();
        let (x, y) = (5, 9);
        assert_eq!([0, 1, 2].map(|plane| planes[plane * 1024 + y * 32 + x]), [5, 9, 200]);
        assert_eq!(changes, []);
    }

    #[test]
    fn grey_images_are_read_with_three_equal_channels() {
        let grey = GrayImage::from_pixel(32, 32, image::Luma([90]));
        let expected = Decoded { planes: vec![90; 3072], changes: vec![Change::Grey] };
        assert_eq!(decode(&encode(grey, ImageFormat::Jpeg), false).unwrap(), expected);
    }

    #[test]
    fn an_image_that_was_cut_short_is_refused_even_when_its_thumbnail_is_whole() {
        let jpeg = encode(gradient(), ImageFormat::Jpeg);
        let png = encode(gradient(), ImageFormat::Png);
        // A comment that holds the end of another JPEG.
        let thumbnail = [&jpeg[..2], b"\xff\xfe\x00\x06\xff\xd9\xff\xd9", &jpeg[2..]].concat();
        assert!(decode(&thumbnail, false).is_ok());
        for (bytes, fault) in [(jpeg, "was cut short"), (thumbnail, "was cut short"), (png, "cannot be decoded")] {
            let message = broken(&bytes[..bytes.len() * 3 / 4]);
            assert!(message.contains(fault), "{message}");
        }
    }

    #[test]
    fn what_follows_the_end_of_a_jpeg_does_not_matter() {
        let jpeg = encode(gradient(), ImageFormat::Jpeg);
        assert_eq!(decode(&[&jpeg[..], &[0; 300]].concat(), false), decode(&jpeg, false));
    }

    #[test]
    fn transparency_is_dropped_and_told_apart_from_an_opaque_alpha_channel() {
        let image = |alpha: u8| RgbaImage::from_pixel(32, 32, image::Rgba([9, 9, 9, alpha]));
        for (alpha, change) in [(255, Change::OpaqueAlpha), (0, Change::Transparency), (128, Change::Transparency)] {
            let decoded = decode(&encode(image(alpha), ImageFormat::Png), false).unwrap();
            assert_eq!(decoded, Decoded { planes: vec![9; 3072], changes: vec![change] });
        }
    }

    #[test]
    fn an_opaque_gif_is_not_said_to_have_an_alpha_channel() {
        let changes = |alpha: u8| {
            let image = RgbaImage::from_fn(32, 32, |x, _| image::Rgba([9, 9, 9, if x == 0 { alpha } else { 255 }]));
            decode(&encode(image, ImageFormat::Gif), false).unwrap().changes
        };
        assert_eq!(changes(255), [Change::FirstFrame]);
        assert_eq!(changes(0), [Change::FirstFrame, Change::Transparency]);
    }

    #[test]
    fn another_size_is_refused_unless_resizing_was_asked_for() {
        let image = encode(RgbImage::from_pixel(64, 48, image::Rgb([5; 3])), ImageFormat::Png);
        assert_eq!(decode(&image, false), Err(Fault::Size(64, 48)));
        let expected = Decoded { planes: vec![5; 3072], changes: vec![Change::Resized(64, 48)] };
        assert_eq!(decode(&image, true).unwrap(), expected);
    }

    #[test]
    fn a_file_that_is_no_image_or_of_a_kind_that_is_not_read_says_so() {
        assert_eq!(broken(b""), "is empty");
        assert_eq!(broken(b"hello"), "is no image by what it holds");
        assert!(broken(b"II*\0\x08\0\0\0").contains("is a TIFF image"));
    }

    /// A PNG of one grey pixel colour with a profile of so many zeros, packed small.
    fn png_with_profile(length: usize) -> Vec<u8> {
        use std::io::Write;
        let png = encode(GrayImage::new(32, 32), ImageFormat::Png);
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![0; length]).unwrap();
        let chunk = [b"iCCPx\0\0", &packed.finish().unwrap()[..]].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&chunk);
        let length = (chunk.len() as u32 - 4).to_be_bytes();
        // Behind the header, which takes 33 bytes.
        [&png[..33], &length, &chunk, &crc.sum().to_be_bytes(), &png[33..]].concat()
    }

    #[test]
    fn a_profile_that_unpacks_to_far_more_than_it_may_is_passed_over() {
        let bomb = png_with_profile(64 << 20);
        assert!(bomb.len() < 100_000);
        assert_eq!(decode(&bomb, false).unwrap().planes, [0; 3072]);
        let mut decoder = {
            let mut reader = ImageReader::with_format(Cursor::new(&bomb), ImageFormat::Png);
            reader.limits(limits(ImageFormat::Png, &bomb));
            reader.into_decoder().unwrap()
        };
        assert_eq!(decoder.icc_profile().unwrap(), None);
    }

    #[test]
    fn a_long_profile_that_an_image_really_has_does_not_matter() {
        assert_eq!(decode(&png_with_profile(1_200_000), false).unwrap().planes, [0; 3072]);
    }

    #[test]
    fn an_image_that_claims_to_be_huge_is_refused_before_it_is_decoded() {
        let mut png = encode(gradient(), ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let message = broken(&png);
        assert!(message.contains("65536×65536") || message.contains("cannot be decoded"), "{message}");
    }

    /// What Pillow wrote and makes of it, by tools/golden/images.py, and by how much a channel may differ.
    ///
    /// Decoders of JPEG and lossy WebP round differently, and bring halved colours back by weights of their own.
    const GOLDEN: [(&str, &[u8], u8); 25] = [
        ("bmp", include_bytes!("../../../golden/images/bmp.bmp"), 0),
        ("bmp_palette", include_bytes!("../../../golden/images/bmp_palette.bmp"), 0),
        ("gif", include_bytes!("../../../golden/images/gif.gif"), 0),
        ("gif_transparent", include_bytes!("../../../golden/images/gif_transparent.gif"), 0),
        ("jpeg", include_bytes!("../../../golden/images/jpeg.jpg"), 2),
        ("jpeg_cmyk", include_bytes!("../../../golden/images/jpeg_cmyk.jpg"), 2),
        ("jpeg_exif", include_bytes!("../../../golden/images/jpeg_exif.jpg"), 2),
        ("jpeg_grey", include_bytes!("../../../golden/images/jpeg_grey.jpg"), 1),
        ("jpeg_halved", include_bytes!("../../../golden/images/jpeg_halved.jpg"), 3),
        ("jpeg_progressive", include_bytes!("../../../golden/images/jpeg_progressive.jpg"), 2),
        ("pgm", include_bytes!("../../../golden/images/pgm.pgm"), 0),
        ("png_1bit", include_bytes!("../../../golden/images/png_1bit.png"), 0),
        ("png_grey", include_bytes!("../../../golden/images/png_grey.png"), 0),
        ("png_grey_alpha", include_bytes!("../../../golden/images/png_grey_alpha.png"), 0),
        ("png_palette", include_bytes!("../../../golden/images/png_palette.png"), 0),
        ("png_palette_transparent", include_bytes!("../../../golden/images/png_palette_transparent.png"), 0),
        ("png_rgb", include_bytes!("../../../golden/images/png_rgb.png"), 0),
        ("png_rgb16", include_bytes!("../../../golden/images/png_rgb16.png"), 0),
        ("png_rgb_transparent", include_bytes!("../../../golden/images/png_rgb_transparent.png"), 0),
        ("png_rgba", include_bytes!("../../../golden/images/png_rgba.png"), 0),
        ("png_rgba16", include_bytes!("../../../golden/images/png_rgba16.png"), 0),
        ("ppm", include_bytes!("../../../golden/images/ppm.ppm"), 0),
        ("webp", include_bytes!("../../../golden/images/webp.webp"), 3),
        ("webp_lossless", include_bytes!("../../../golden/images/webp_lossless.webp"), 0),
        ("webp_transparent", include_bytes!("../../../golden/images/webp_transparent.webp"), 0),
    ];

    #[test]
    fn every_kind_of_image_becomes_what_pillow_makes_of_it() {
        let expected = image::load_from_memory(include_bytes!("../../../golden/images/expected.png")).unwrap();
        let expected = expected.into_rgb8().into_raw();
        let mut wrong = Vec::new();
        for ((name, bytes, tolerance), expected) in GOLDEN.into_iter().zip(expected.chunks_exact(3 * SIDE * SIDE)) {
            let decoded = decode(bytes, false).unwrap_or_else(|fault| panic!("{name}: {fault:?}")).planes;
            let difference = decoded.iter().zip(area::planes(expected, SIDE, SIDE)).map(|(a, b)| a.abs_diff(b)).max();
            if difference > Some(tolerance) {
                wrong.push((name, difference));
            }
        }
        assert_eq!(wrong, []);
    }
}
