#!/usr/bin/env python3
"""Encoded images of every kind, and what Pillow's convert("RGB") makes of them, which torchvision's loader uses.

Needs Pillow (13.0.0 made the committed files). Writes one small file of each kind and expected.png, a column of all
32x32 results in the order of the files' names: python tools/golden/images.py server/engine/golden/images
"""

import struct
import sys
import zlib
from pathlib import Path

from PIL import Image

SIDE = 32


def pixel(x, y):
    """Smooth slopes with an edge in them, so that the ways to bring back halved colour differ little but visibly."""
    edge = 60 if x > 20 and y > 9 else 0
    return (7 * x + edge) % 256, (5 * y + 2 * x) % 256, (255 - 3 * x - 4 * y) % 256


def rgb():
    image = Image.new("RGB", (SIDE, SIDE))
    image.putdata([pixel(x, y) for y in range(SIDE) for x in range(SIDE)])
    return image


def mask():
    image = Image.new("L", (SIDE, SIDE))
    image.putdata([(x * 8 + y) % 256 for y in range(SIDE) for x in range(SIDE)])
    return image


def deep_png(channels, colour_type):
    """A PNG of 16 bits a channel, which Pillow does not write for colours."""
    rows = b""
    for y in range(SIDE):
        rows += b"\0"
        for x in range(SIDE):
            values = [*pixel(x, y), 200][: channels if channels > 2 else 0] or [pixel(x, y)[0], 200][:channels]
            rows += b"".join(struct.pack(">H", value * 256 + (x * 9 + y) % 256) for value in values)

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write(out):
    def save(name, image, **options):
        image.save(out / name, **options)

    image, grey, palette = rgb(), rgb().convert("L"), rgb().quantize(32)
    with_alpha = Image.merge("RGBA", (*image.split(), mask()))
    exif = image.getexif()
    exif[0x112] = 6
    save("bmp.bmp", image)
    save("bmp_palette.bmp", palette)
    save("gif.gif", palette)
    save("gif_transparent.gif", palette, transparency=3)
    save("jpeg.jpg", image, quality=90, subsampling=0)
    save("jpeg_cmyk.jpg", image.convert("CMYK"), quality=95)
    save("jpeg_exif.jpg", image, quality=90, subsampling=0, exif=exif)
    save("jpeg_grey.jpg", grey, quality=90)
    save("jpeg_halved.jpg", image, quality=90, subsampling=2)
    save("jpeg_progressive.jpg", image, quality=90, subsampling=0, progressive=True)
    save("pgm.pgm", grey)
    save("png_1bit.png", grey.convert("1"))
    save("png_grey.png", grey)
    save("png_grey_alpha.png", Image.merge("LA", (grey, mask())))
    save("png_palette.png", palette)
    save("png_palette_transparent.png", palette, transparency=bytes(range(0, 256, 8)))
    save("png_rgb.png", image)
    save("png_rgb_transparent.png", image, transparency=pixel(5, 5))
    save("png_rgba.png", with_alpha)
    (out / "png_rgb16.png").write_bytes(deep_png(3, 2))
    (out / "png_rgba16.png").write_bytes(deep_png(4, 6))
    save("ppm.ppm", image)
    save("webp.webp", image, quality=90)
    save("webp_lossless.webp", image, lossless=True)
    save("webp_transparent.webp", with_alpha, lossless=True, exact=True)


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    write(out)
    names = sorted(path.name for path in out.iterdir() if path.name != "expected.png")
    column = Image.new("RGB", (SIDE, SIDE * len(names)))
    for i, name in enumerate(names):
        column.paste(Image.open(out / name).convert("RGB"), (0, SIDE * i))
    column.save(out / "expected.png", optimize=True)
    print(len(names), "kinds:", ", ".join(names))


main()
