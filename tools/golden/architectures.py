"""What every network answers, which way its input changes that, and what a training pass does to it."""

import torch
from torch.nn import functional as F

from common import labels, main, values
from networks import NETWORKS, answers, images, network

# Every so many numbers of an input gradient are stored.
STRIDE = 13
# One network of each family is compared in training mode too.
FAMILIES = ["resnet8", "resnet18", "preactresnet18-bn", "wrn-16-2", "mobilenetv2"]


def evaluation(name):
    net = network(name).eval()
    n = 1 if name.endswith("-10") else 2
    x = images("images", n).requires_grad_()
    logits, features = answers(net, x)
    F.cross_entropy(logits, torch.from_numpy(labels("labels", n, 10)), reduction="sum").backward()
    gradient = x.grad.flatten()
    return {
        f"{name}.logits": logits.detach(),
        f"{name}.features": features.detach(),
        f"{name}.input_gradient": gradient[::STRIDE],
        f"{name}.input_gradient_norm": gradient.norm().reshape(1),
    }


def training(name):
    net = network(name).train()
    logits, _ = answers(net, images("batch", 8))
    F.cross_entropy(logits, torch.from_numpy(labels("batch labels", 8, 10))).backward()
    found = {f"{name}.training.logits": logits.detach()}
    sums, probes = [], []
    for key, parameter in sorted(net.named_parameters()):
        gradient = parameter.grad.double()
        sums.append(gradient.abs().sum())
        probes.append((gradient * torch.from_numpy(values(f"probe.{key}", list(gradient.shape)))).sum())
    found[f"{name}.training.gradient_sizes"] = torch.stack(sums)
    found[f"{name}.training.gradient_probes"] = torch.stack(probes)
    for key, buffer in net.named_buffers():
        # The first, a middle and the last layer's statistics stand for all.
        if buffer.dim() and key.split(".")[-1].startswith("running"):
            found[f"{name}.training.{key}"] = buffer
    keys = sorted(k for k in found if "running" in k)
    for key in keys[2:-2]:
        del found[key]
    return found


def compute():
    found = {}
    for name in NETWORKS:
        found.update(evaluation(name))
    for name in FAMILIES:
        found.update(training(name))
    return found


if __name__ == "__main__":
    main("architectures", compute)
