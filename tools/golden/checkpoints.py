#!/usr/bin/env python3
"""Writes checkpoints as PyTorch writes them, with the logits of their networks, for the tests of the import.

    pip install torch
    tools/golden/checkpoints.py                 # the small ones, into server/engine/golden/checkpoints
    tools/golden/checkpoints.py --large DIR     # a ResNet-18 and a WRN-16-2, to check by hand
    tools/golden/checkpoints.py --load MODEL.safetensors ARCHITECTURE
                                                # loads a model of Retort's and prints its logits

The networks have the layers and key names of the published ones (ResNet-8: RepDistiller; ResNet-18: kuangliu; WRN:
TRADES) and random weights and statistics. The logits are those of four images whose pixel i is (7919 i mod 256) / 255.
"""

import argparse
import json
import os
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F

GOLDEN = Path(__file__).resolve().parents[2] / "server/engine/golden/checkpoints"


class Block(nn.Module):
    """A basic block; its projection is called `shortcut` or `downsample`, as the code that it follows has it."""

    def __init__(self, cin, cout, stride, projection):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.projection = projection
        if stride != 1 or cin != cout:
            layers = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))
            setattr(self, projection, layers)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        project = getattr(self, self.projection, None)
        return F.relu(y + (x if project is None else project(x)))


class ResNet(nn.Module):
    def __init__(self, widths, blocks, projection, classifier, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages, self.classifier, cin = len(widths), classifier, widths[0]
        for stage, width in enumerate(widths):
            layers = []
            for i in range(blocks):
                layers.append(Block(cin, width, 2 if stage > 0 and i == 0 else 1, projection))
                cin = width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        setattr(self, classifier, nn.Linear(cin, classes))

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return getattr(self, self.classifier)(x.mean((2, 3)))


class WideBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(cin)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        if cin != cout:
            self.convShortcut = nn.Conv2d(cin, cout, 1, stride, bias=False)

    def forward(self, x):
        a = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(a))))
        return y + (self.convShortcut(a) if hasattr(self, "convShortcut") else x)


class Group(nn.Module):
    def __init__(self, n, cin, cout, stride):
        super().__init__()
        blocks = [WideBlock(cin if i == 0 else cout, cout, stride if i == 0 else 1) for i in range(n)]
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    """With the group that TRADES's file makes and never uses."""

    def __init__(self, depth=16, widen=2, classes=10):
        super().__init__()
        n, w = (depth - 4) // 6, [16, 16 * widen, 32 * widen, 64 * widen]
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.block1, self.sub_block1 = Group(n, w[0], w[1], 1), Group(n, w[0], w[1], 1)
        self.block2, self.block3 = Group(n, w[1], w[2], 2), Group(n, w[2], w[3], 2)
        self.bn1, self.fc = nn.BatchNorm2d(w[3]), nn.Linear(w[3], classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


NETWORKS = {
    "resnet8": lambda: ResNet((16, 32, 64), 1, "downsample", "fc"),
    "resnet20": lambda: ResNet((16, 32, 64), 3, "downsample", "fc"),
    "resnet18": lambda: ResNet((64, 128, 256, 512), 2, "shortcut", "linear"),
    "wrn-16-2": WideResNet,
}


class Command:
    """An object that unpickling would turn into a command of the shell."""

    def __reduce__(self):
        return os.system, ("touch unpickled",)


def images():
    pixels = torch.arange(4 * 3 * 32 * 32) * 7919 % 256
    return (pixels.float() / 255).reshape(4, 3, 32, 32)


def random_network(name, seed):
    """A network whose every number is drawn, so that each must be in its place for the logits to be right."""
    torch.manual_seed(seed)
    network = NETWORKS[name]()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
            nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            layer.num_batches_tracked.fill_(1_234)
    return network.eval()


@torch.no_grad()
def logits(network):
    return network(images()).tolist()


def small():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    answers = {}

    # As kuangliu's code saves a network under DataParallel, with what else a training script keeps.
    network = random_network("resnet8", 1)
    answers["resnet8.pt"] = logits(network)
    wrapped = OrderedDict((f"module.{key}", value) for key, value in network.state_dict().items())
    state = {"net": wrapped, "acc": 93.5, "epoch": 199, "args": argparse.Namespace(lr=0.1), "history": [1, 2.5, None]}
    torch.save(state, GOLDEN / "resnet8.pt")

    # Half precision; convolutions stand in channels-last order, and all tensors are views of one storage.
    network = random_network("resnet8", 2)
    half = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
    network.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in half.items()})
    answers["resnet8-half.pt"] = logits(network)
    flat = torch.zeros(sum(value.numel() for value in half.values() if value.is_floating_point()), dtype=torch.half)
    views, at = OrderedDict(), 0
    for key, value in half.items():
        if value.is_floating_point():
            view = flat[at:at + value.numel()]
            at += value.numel()
            if value.dim() == 4:
                n, c, h, w = value.shape
                view = view.view(n, h, w, c).permute(0, 3, 1, 2)
            else:
                view = view.view(value.shape)
            view.copy_(value)
            value = nn.Parameter(view) if key.endswith("weight") else view
        views[key] = value
    torch.save({"state_dict": {"model": views}}, GOLDEN / "resnet8-half.pt")

    few = {"conv1.weight": torch.ones(2, 3, 3, 3), "fc.bias": torch.zeros(10)}
    torch.save(few, GOLDEN / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(nn.Linear(2, 2), GOLDEN / "object.pt")
    torch.save({"net": Command(), "epoch": 3}, GOLDEN / "command.pt")
    torch.save(few, GOLDEN / "few.pt")
    # The same file as an archiver would pack it, with ten million zeros in ten thousand bytes.
    with zipfile.ZipFile(GOLDEN / "few.pt") as stored, \
            zipfile.ZipFile(GOLDEN / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in stored.namelist():
            content = stored.read(entry)
            packed.writestr(zipfile.ZipInfo(entry), bytes(10_000_000) if entry.endswith("data.pkl") else content,
                            zipfile.ZIP_DEFLATED)
    (GOLDEN / "few.pt").unlink()

    with open(GOLDEN / "logits.json", "w") as file:
        json.dump(answers, file, indent=1)
        file.write("\n")


def large(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("resnet18", "wrn-16-2"):
        network = random_network(name, 3)
        torch.save(network.state_dict(), folder / f"{name}.pt")
        with open(folder / f"{name}.json", "w") as file:
            json.dump(logits(network), file)


def load(path, architecture):
    """Loads a safetensors file of f32 and i64 numbers by its key names, all of them and no others."""
    content = path.read_bytes()
    length, = struct.unpack("<Q", content[:8])
    state = {}
    for key, about in json.loads(content[8:8 + length]).items():
        if key != "__metadata__":
            start, end = about["data_offsets"]
            dtype = {"F32": torch.float32, "I64": torch.int64}[about["dtype"]]
            numbers = torch.frombuffer(bytearray(content[8 + length + start:8 + length + end]), dtype=dtype)
            state[key] = numbers.reshape(about["shape"])
    network = NETWORKS[architecture]().eval()
    if hasattr(network, "sub_block1"):
        del network.sub_block1
    network.load_state_dict(state, strict=True)
    print(json.dumps(logits(network)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", type=Path, metavar="DIR")
    parser.add_argument("--load", nargs=2, metavar=("MODEL", "ARCHITECTURE"))
    arguments = parser.parse_args()
    if arguments.large:
        large(arguments.large)
    elif arguments.load:
        load(Path(arguments.load[0]), arguments.load[1])
    else:
        small()


if __name__ == "__main__":
    main()
