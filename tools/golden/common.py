"""What the golden numbers have in common: inputs that Rust computes too, and files that Rust reads.

Nothing but results is stored. Weights, images and labels come from `values`, which both sides compute alike, bit for bit.
Each script writes its file, or with `--check` computes it anew and compares:

    pip install torch numpy
    python tools/golden/architectures.py [--check]
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "server" / "engine" / "golden"
MASK = (1 << 64) - 1


def fnv1a(text):
    """The 64-bit FNV-1a hash of a text's UTF-8 bytes."""
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def values(name, shape):
    """Numbers in [-1, 1) that depend on the name and the place alone: 24 bits of SplitMix64, exact in float32."""
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    unit = (z >> np.uint64(40)).astype(np.float64) / 2**24
    return (2 * unit - 1).astype(np.float32).reshape(shape)


def labels(name, n, classes):
    """Labels below `classes`."""
    return ((values(name, [n]).astype(np.float64) + 1) / 2 * classes).astype(np.int64)


def words(seed, purpose, major, minor, n, split=0):
    """The first n 32-bit words of the random stream with this key, or of one split off: ChaCha with 8 rounds (Bernstein 2008)."""
    blocks = -(-n // 16)
    state = np.empty((16, blocks), dtype=np.uint32)
    key = struct.unpack("<8I", struct.pack("<4Q", seed, purpose, major, minor))
    for i, word in enumerate([0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key]):
        state[i] = word
    state[12], state[13:] = np.arange(blocks, dtype=np.uint32), 0
    state[14] = split
    x = state.copy()

    def quarter(a, b, c, d):
        for to, by, turned, bits in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
            x[to] += x[by]
            mixed = x[turned] ^ x[to]
            x[turned] = (mixed << np.uint32(bits)) | (mixed >> np.uint32(32 - bits))

    with np.errstate(over="ignore"):
        for _ in range(4):
            for i in range(4):
                quarter(i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        return (x + state).T.flatten()[:n]


def uniform(key, n, bound):
    """n numbers in ±bound from the stream with this key, by 24 bits each, in float32."""
    unit = (words(*key, n) >> np.uint32(8)).astype(np.float32) / np.float32(2**24)
    bound = np.float32(bound)
    return -bound + (bound + bound) * unit


def write(path, tensors, note):
    """Writes float32 tensors as a safetensors file."""
    header, offset = {"__metadata__": {"made_by": note}}, 0
    for name, tensor in sorted(tensors.items()):
        size = 4 * tensor.size
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in sorted(tensors.items()):
            file.write(np.ascontiguousarray(tensor, dtype="<f4").tobytes())


def read(path):
    """The tensors of a file that `write` wrote."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            start, end = (8 + size + at for at in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[start:end], "<f4").reshape(entry["shape"])
    return tensors


def main(name, compute, tolerance=1e-4, undecided=()):
    """Writes what `compute` returns to the file `name`, or compares it: by the largest number of each tensor. Of those that are
    `undecided`, which the last digits decide in places, eight in ten rows must agree."""
    import torch

    torch.manual_seed(0)
    path = FOLDER / f"{name}.safetensors"
    found = {key: np.asarray(value, dtype=np.float32) for key, value in compute().items()}
    if "--check" not in sys.argv:
        write(path, found, f"tools/golden/{name}.py with PyTorch {torch.__version__.split('+')[0]}")
        print(f"{path.name}: {len(found)} tensors, {path.stat().st_size} bytes")
        return
    stored = read(path)
    assert stored.keys() == found.keys(), f"{path.name} holds other tensors: {stored.keys() ^ found.keys()}"
    for key, value in found.items():
        difference = np.abs(stored[key] - value) / max(np.abs(value).max(), 1e-30)
        if key in undecided:
            same = (difference.reshape(len(value), -1).max(1) <= tolerance).mean()
            assert same >= 0.8, f"{path.name} {key} agrees in {same:.0%} of its rows alone"
            continue
        off = difference.max()
        assert off <= tolerance, f"{path.name} {key} is off by {off:.2e} of its largest number"
    print(f"{path.name}: {len(found)} tensors agree within {tolerance:g}")
