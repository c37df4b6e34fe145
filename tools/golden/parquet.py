#!/usr/bin/env python3
"""Parquet files as Hugging Face's datasets have them: encoded images beside their names, labels, and names of classes.

Needs pyarrow and Pillow (26.0.1 and 13.0.0 made the committed files):
python tools/golden/parquet.py server/engine/golden/parquet
"""

import io
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FEATURES = {"img": {"_type": "Image"}, "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}


def png(value, side):
    content = io.BytesIO()
    Image.new("RGB", (side, side), (value, value, value)).save(content, "PNG")
    return content.getvalue()


def write(path, labels, side=32, holds=True):
    images = [{"bytes": png(60 * i, side) if holds else None, "path": f"{i}.png"} for i in range(len(labels))]
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"img": pa.array(images, image), "label": pa.array(labels, pa.int64())})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})
    pq.write_table(table, path)
    print(path.name, path.stat().st_size, "bytes")


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    write(out / "train.parquet", [0, 2, 1, 2])
    write(out / "test.parquet", [1, 0])
    write(out / "small.parquet", [1, 0], side=28)
    write(out / "paths.parquet", [1, 0], holds=False)


main()
