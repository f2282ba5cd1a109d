//! Makes a small WebP of an image. Decoders are Rust's, so that no foreign code meets a stranger's bytes; only
//! the encoder, which sees our own pixels, is libwebp.

use super::ImageLimits;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, error::LimitErrorKind, imageops::FilterType};
use std::{fs, io::BufReader, path::Path};

/// WebP has no more pixels in a direction.
const MAX_SIDE: u32 = 16_383;
/// Between 0 and 100; more looks better and weighs more.
const QUALITY: f32 = 80.0;

/// Why an image can't be scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unscalable {
    /// Its format isn't one that is decoded here.
    Unknown,
    /// There is no such file.
    Missing,
    /// It is too large, or damaged.
    Refused(String),
}

/// The image in `file` as WebP, `width` pixels wide, upright.
pub(super) fn scaled(file: &Path, width: u32, limits: &ImageLimits) -> Result<Vec<u8>, Unscalable> {
    let image = decode(file, limits)?;
    let (width, height) = fitting(width, image.width(), image.height());
    let image = image.resize_exact(width, height, FilterType::CatmullRom);
    encode(&image)
}

fn decode(file: &Path, limits: &ImageLimits) -> Result<DynamicImage, Unscalable> {
    let bytes = BufReader::new(fs::File::open(file).map_err(|_| Unscalable::Missing)?);
    let mut reader = ImageReader::new(bytes).with_guessed_format().map_err(|error| refused(&error))?;
    let mut bounds = Limits::default();
    bounds.max_alloc = Some(limits.max_bytes);
    reader.limits(bounds);
    let mut decoder = reader.into_decoder().map_err(unscalable)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels || decoder.total_bytes() > limits.max_bytes {
        return Err(Unscalable::Refused(format!("the image has {width} x {height} pixels, which is too many")));
    }
    let orientation = decoder.orientation().map_err(unscalable)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(unscalable)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// The asked width with the shape of the original, or less of both where WebP ends.
fn fitting(wanted: u32, width: u32, height: u32) -> (u32, u32) {
    let scale = |side: u32, by: u32, of: u32| (u64::from(side) * u64::from(by) / u64::from(of.max(1))).max(1);
    match u32::try_from(scale(height, wanted, width)) {
        Ok(tall) if tall <= MAX_SIDE => (wanted, tall),
        _ => (u32::try_from(scale(width, MAX_SIDE, height)).unwrap_or(MAX_SIDE), MAX_SIDE),
    }
}

fn encode(image: &DynamicImage) -> Result<Vec<u8>, Unscalable> {
    let (width, height) = (image.width(), image.height());
    let encoded = if image.color().has_alpha() {
        webp::Encoder::from_rgba(&image.to_rgba8(), width, height).encode_simple(false, QUALITY)
    } else {
        webp::Encoder::from_rgb(&image.to_rgb8(), width, height).encode_simple(false, QUALITY)
    };
    encoded.map(|bytes| bytes.to_vec()).map_err(|error| Unscalable::Refused(format!("no WebP: {error:?}")))
}

fn unscalable(error: ImageError) -> Unscalable {
    match error {
        ImageError::Unsupported(_) => Unscalable::Unknown,
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            Unscalable::Refused("the image takes too much memory".to_owned())
        }
        error => refused(&error),
    }
}

fn refused(error: &dyn std::fmt::Display) -> Unscalable {
    Unscalable::Refused(format!("the image can't be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_shape_fits(wanted in 1..2_000_u32, width in 1..70_000_u32, height in 1..70_000_u32) {
            let (w, h) = fitting(wanted, width, height);
            prop_assert!((1..=wanted).contains(&w) && (1..=MAX_SIDE).contains(&h));
            prop_assert!(w == wanted || h == MAX_SIDE);
            // The shape is kept but for rounding.
            let (kept, was) = (f64::from(w) / f64::from(h), f64::from(width) / f64::from(height));
            prop_assert!((kept / was - 1.0).abs() <= 1.0 / f64::from(w.min(h)) + 1e-9);
        }
    }
}
