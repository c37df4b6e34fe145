"""What networks answer that come from elsewhere: checkpoints of many kinds, as PyTorch writes them.

    pip install torch numpy
    python tools/golden/imports.py [--check]

Writes golden/checkpoints/kinds/*.gz, each a ResNet-8 in another container, and golden/imports.safetensors: the answers of
that network and of one of each family to 120 images. The ResNet-8's weights have five levels for each tensor: every type
holds them exactly, and packed they take little room. In golden/checkpoints/questions are networks of zeros whose answers
would be others than their tensors tell, by a layer or by a normaliser that stands somewhere else.
"""

import argparse
import copy
import gzip
import pickle
import random
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

from common import FOLDER, main
from networks import NETWORKS, answers, images, network

KINDS = FOLDER / "checkpoints" / "kinds"
MEAN, STD = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2471, 0.2435, 0.2616])
COUNT = 120
QUESTIONS = FOLDER / "checkpoints" / "questions"


def levels(name):
    """A ResNet-8 whose tensors each hold multiples of half a power of two."""
    net = network("resnet8")
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if key.endswith("num_batches_tracked"):
                tensor.fill_(1_234)
                continue
            size = 2 ** torch.floor(torch.log2(tensor.abs().max()))
            rounded = torch.round(tensor.roll(name) / size * 2) / 2 * size
            tensor.copy_(rounded.clamp(min=size / 2) if key.endswith("running_var") else rounded)
    return net.eval()


class Normalise(nn.Module):
    """Keeps its numbers as attributes, which a state dict does not hold."""

    def __init__(self):
        super().__init__()
        self.mean, self.std = MEAN.view(3, 1, 1), STD.view(3, 1, 1)


class NormaliseByLists(nn.Module):
    """Keeps its numbers as Python has them."""

    def __init__(self):
        super().__init__()
        self.mean, self.std = [0.4914, 0.4822, 0.4465], (0.2471, 0.2435, 0.2616)


class Stretch(nn.Module):
    def forward(self, x):
        return x * 2 - 1


def stretch_input(module, inputs):
    return (inputs[0] * 2 - 1,)


def under(prefix, state):
    return OrderedDict((prefix + key, value) for key, value in state.items())


def one_storage(state):
    flat, views, at = torch.cat([value.float().flatten() for value in state.values()]), {}, 0
    for key, value in state.items():
        views[key] = flat[at : at + value.numel()].view(value.shape)
        at += value.numel()
    return views


def of_type(state, dtype):
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}


def pruned(net):
    """Its zeros are those of masks, and lie over ones."""
    net = copy.deepcopy(net)
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            mask = layer.weight != 0
            with torch.no_grad():
                layer.weight += (~mask).float()
            prune.custom_from_mask(layer, "weight", mask)
    return net


def arrays(state):
    return {key: value.numpy() for key, value in state.items()}


def nested(state):
    """In dicts within dicts, as the dots of its keys tell."""
    root = {}
    for key, value in state.items():
        *path, name = key.split(".")
        inner = root
        for part in path:
            inner = inner.setdefault(part, {})
        inner[name] = value
    return root


def kinds(net, average):
    """Every kind by its file's name: what is saved."""
    state, other = net.state_dict(), average.state_dict()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    normaliser = {"new_mean": MEAN.view(3, 1, 1), "new_std": STD.view(3, 1, 1)}
    attacked = OrderedDict()
    for part in ("module.", "module.attacker."):
        attacked.update(under(part + ("normalizer." if part == "module." else "normalize."), normaliser))
        attacked.update(under(part + "model.", state))
    return {
        # A name of 21 letters: the archive's first entry then takes 76 bytes.
        "model-wideres-epoch75.pt": state,
        "lightning.ckpt": {
            "epoch": 9,
            "pytorch-lightning_version": "2.4.0",
            "state_dict": under("model.", state),
            "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": {"ModelCheckpoint{'monitor': 'val_acc'}": {"best_model_score": torch.tensor(0.7)}},
            "optimizer_states": [optimiser.state_dict()],
        },
        "madry.pt": {"model": attacked, "optimizer": optimiser.state_dict(), "epoch": 150},
        "compiled.pt": {"student": under("_orig_mod.module.", state)},
        "averages.pth.tar": {"epoch": 5, "state_dict": state, "state_dict_ema": other},
        "averaged.pt": {"n_averaged": torch.tensor(10), **under("module.", state)},
        "list.pt": {"state_dict": [state]},
        "tuple.pt": (state, 5),
        "whole.pt": net,
        "whole-normalised.pt": {"net": nn.Sequential(Normalise(), net), "epoch": 3},
        "whole-lists.pt": nn.Sequential(NormaliseByLists(), net),
        "bf16.pt": of_type(state, torch.bfloat16),
        "fp64.pt": of_type(state, torch.float64),
        "fp8.pt": of_type(state, torch.float8_e4m3fn),
        "views.pt": one_storage(state),
        "channels-last.pt": {
            key: value.contiguous(memory_format=torch.channels_last) if value.dim() == 4 else value
            for key, value in state.items()
        },
        "parameters.pt": {key: nn.Parameter(v) if v.is_floating_point() else v for key, v in state.items()},
        "parts.pt": {
            "encoder": {key: value for key, value in state.items() if not key.startswith("fc.")},
            "head": {key.removeprefix("fc."): value for key, value in state.items() if key.startswith("fc.")},
        },
        "pruned.pt": pruned(net).state_dict(),
        "slashes.pt": {key.replace(".", "/"): value for key, value in state.items()},
        "arrays.pt": {"weights": arrays(state)},
        "history.pt": {
            "net": state,
            "history": [{"loss": float(i), "acc": np.float64(i)} for i in range(50)],
            "rng": [random.getstate(), torch.get_rng_state()],
            "args": argparse.Namespace(lr=0.1, name="été"),
            "folder": Path("runs/1"),
        },
    }


def zeros():
    net = network("resnet8").eval()
    with torch.no_grad():
        for key, value in net.state_dict().items():
            value.fill_(float(key.endswith("running_var")))
    return net


def changed(change):
    net = zeros()
    change(net)
    return net


def eps(net):
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 1e-3


def questions():
    """Every question by its file's name: what is saved."""
    net = zeros()
    state = net.state_dict()
    lists = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2471, 0.2435, 0.2616]}
    adam = torch.optim.Adam(net.parameters())
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    adam.step()
    return {
        "eps.pt": changed(eps),
        "pool.pt": changed(lambda net: setattr(net, "maxpool", nn.MaxPool2d(2))),
        "dilation.pt": changed(lambda net: setattr(net.layer3[0].conv2, "dilation", (2, 2))),
        "stride.pt": changed(lambda net: setattr(net.layer2[0].conv1, "stride", (1, 1))),
        "padding.pt": changed(lambda net: setattr(net.conv1, "padding_mode", "reflect")),
        "instance.pt": nn.Sequential(nn.InstanceNorm2d(3), zeros()),
        "softmax.pt": nn.Sequential(zeros(), nn.Softmax(1)),
        "own.pt": nn.Sequential(Stretch(), zeros()),
        "hook.pt": changed(lambda net: net.register_forward_pre_hook(stretch_input)),
        "forward.pt": changed(lambda net: setattr(net, "forward", Stretch().forward)),
        "activation.pt": changed(lambda net: setattr(net.layer1[0], "act", nn.functional.silu)),
        "activation-name.pt": changed(lambda net: setattr(net, "activation", "leaky_relu")),
        "beside-module.pt": {"net": state, "normalizer": Normalise()},
        "beside-state.pt": {"state_dict": state, "normalizer": {"mean": MEAN, "std": STD}},
        "beside-dict.pt": {"net": state, "normalize": lists},
        "beside-lists.pt": {"model": state, **lists},
        "beside-args.pt": {"net": state, "args": argparse.Namespace(lr=0.1, **lists)},
        "beside-data.pt": {"net": state, "hyper_parameters": {"data": lists}},
        "beside-adam.pt": {"optimizer": adam.state_dict(), "net": zeros().state_dict(), "norm": lists},
        "of-teacher.pt": {"teacher": {"state_dict": state, **lists}, "student": {"state_dict": changed(shifted).state_dict()}},
    }


@torch.no_grad()
def shifted(net):
    net.fc.bias[0] = 1.0


def pack(path, folder=KINDS):
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def write_kinds(net, average):
    KINDS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, value in kinds(net, average).items():
            torch.save(value, Path(folder) / name)
            pack(Path(folder) / name)
        QUESTIONS.mkdir(parents=True, exist_ok=True)
        for name, value in questions().items():
            torch.save(value, Path(folder) / name)
            pack(Path(folder) / name, QUESTIONS)
        for name, value in {"legacy.pth": net.state_dict(), "legacy-whole.pth": nn.DataParallel(net)}.items():
            torch.save(value, Path(folder) / name, _use_new_zipfile_serialization=False)
            pack(Path(folder) / name)
        for name, value in {"arrays.pkl": arrays(net.state_dict()), "nested.pkl": nested(arrays(net.state_dict()))}.items():
            (Path(folder) / name).write_bytes(pickle.dumps(value))
            pack(Path(folder) / name)


@torch.no_grad()
def compute():
    net, average = levels(0), levels(1)
    if "--check" not in sys.argv:
        write_kinds(net, average)
    x = images("images", COUNT)
    normalised = (x - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    found = {"levels": answers(net, x)[0], "levels normalised": answers(net, normalised)[0]}
    found["average"] = answers(average, x)[0]
    for name in ["resnet8", "resnet18", "preactresnet18", "preactresnet18-bn", "wrn-16-2", "mobilenetv2"]:
        found[name] = answers(network(name).eval(), x)[0]
    return found


if __name__ == "__main__":
    main("imports", compute)
