//! One encoded image: 32×32 in colour, as a PNG or a JPEG.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageReader};

use super::dataset::{CHANNELS, SIDE};

/// A 32×32 image takes some kilobytes; this leaves room for what cameras write beside it.
pub(super) const MAX_FILE_BYTES: usize = 1 << 20;

/// The red, green and blue plane of an encoded 32×32 image, or what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let format = image::guess_format(bytes).ok().filter(|f| matches!(f, ImageFormat::Jpeg | ImageFormat::Png));
    let Some(format) = format else { return Err("is not an image: it is neither PNG nor JPEG".into()) };
    // The JPEG decoder fills what is missing with grey; the end marker cannot occur inside the compressed data.
    if format == ImageFormat::Jpeg && !bytes.windows(2).any(|pair| pair == [0xff, 0xd9]) {
        return Err("was cut short: the end of the JPEG is missing".into());
    }
    let reader = || ImageReader::with_format(Cursor::new(bytes), format);
    let (width, height) = reader().into_dimensions().map_err(|e| format!("cannot be decoded: {e}"))?;
    if (width, height) != (SIDE as u32, SIDE as u32) {
        return Err(format!(
            "is {width}×{height}, but images must be 32×32: resize them first, for example with ImageMagick's \
             `mogrify -resize '32x32!'`"
        ));
    }
    let rgb = match reader().decode().map_err(|e| format!("cannot be decoded: {e}"))? {
        DynamicImage::ImageRgb8(rgb) => rgb,
        grey @ DynamicImage::ImageLuma8(_) => grey.into_rgb8(),
        other => {
            let colour = other.color();
            return Err(format!(
                "has the colour type {colour:?}: save it with 8 bits a channel and without transparency"
            ));
        }
    };
    Ok((0..CHANNELS).flat_map(|channel| rgb.pixels().map(move |pixel| pixel.0[channel])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    #[test]
    fn pixels_become_a_red_a_green_and_a_blue_plane() {
        let image = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let planes = decode(&encode(image, ImageFormat::Png)).unwrap();
        let (x, y) = (5, 9);
        assert_eq!([0, 1, 2].map(|plane| planes[plane * 1024 + y * 32 + x]), [5, 9, 200]);
    }

    #[test]
    fn jpegs_and_grey_images_are_read_as_colour() {
        let grey = image::GrayImage::from_pixel(32, 32, image::Luma([90]));
        assert_eq!(decode(&encode(grey, ImageFormat::Jpeg)).unwrap(), [90; 3072]);
    }

    #[test]
    fn an_image_that_was_cut_short_is_refused() {
        let image = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]));
        for (format, fault) in [(ImageFormat::Jpeg, "was cut short"), (ImageFormat::Png, "cannot be decoded")] {
            let bytes = encode(image.clone(), format);
            let message = decode(&bytes[..bytes.len() * 3 / 4]).unwrap_err();
            assert!(message.contains(fault), "{message}");
        }
    }

    #[test]
    fn transparency_is_refused_rather_than_dropped() {
        let message = decode(&encode(image::RgbaImage::new(32, 32), ImageFormat::Png)).unwrap_err();
        assert!(message.contains("without transparency"), "{message}");
    }
}
