#!/usr/bin/env python3
"""Two images as CIFAR's files for Python hold them, pickled in each protocol that is about.

Needs NumPy (2.4.6 made the committed files): python tools/golden/pickles.py server/engine/golden/pickles
The official files were written by Python 2, which has one type for text and bytes; python2.pickle is written here
instruction by instruction as Python 2's cPickle wrote them.
"""

import pickle
import struct
import sys
from pathlib import Path

import numpy as np

LABELS = [3, 1]
DATA = np.array([[(p * 7 + i * 31) % 256 for p in range(3072)] for i in range(2)], dtype=np.uint8)


def python2():
    def text(value):
        short = len(value) < 256
        return (b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value))) + value

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    array += b"(K\x01K\x02M\x00\x0c\x86" + dtype + b"\x89" + text(DATA.tobytes()) + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in LABELS) + b"e"
    entries = text(b"batch_label") + text(b"one") + text(b"labels") + labels + text(b"data") + array
    return b"\x80\x02}(" + entries + b"u."


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    (out / "python2.pickle").write_bytes(python2())
    for protocol in range(2, 6):
        content = {b"batch_label": b"one", b"labels": LABELS, b"data": DATA}
        (out / f"protocol{protocol}.pickle").write_bytes(pickle.dumps(content, protocol=protocol))
    # As newer code saves its own: text for the keys, and an array for the labels.
    content = {"data": DATA.reshape(2, 3, 32, 32), "labels": np.array(LABELS)}
    (out / "text_keys.pickle").write_bytes(pickle.dumps(content, protocol=4))
    for path in sorted(out.iterdir()):
        loaded = pickle.loads(path.read_bytes(), encoding="latin1")
        loaded = {key.decode() if isinstance(key, bytes) else key: value for key, value in loaded.items()}
        assert (loaded["data"].reshape(2, 3072) == DATA).all() and list(loaded["labels"]) == LABELS, path
        print(path.name, path.stat().st_size, "bytes")


main()
