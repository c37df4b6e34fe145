"""Auto-PGD (Croce and Hein 2020) by the authors' code, as torchattacks carries it, from given starts: the loss after each step,
and the size of a step behind the first checks. Later ones are decided by rounding, where the loss gets no higher.

    pip install torch numpy torchattacks
"""

import sys

import numpy as np
import torch
import torchattacks
from torchattacks.attacks import apgd, apgdt

from common import main, uniform
from methods import ATTACK
from networks import Logits, answers, images, network

# The classifier's weights are multiplied: drawn at random, a network hardly tells images apart.
# One class stands out, so that some images withstand the attack.
STEPS, SCALE, AHEAD, CHECKS = 30, 50, 3, 3


class Watching:
    """NumPy, but for `maximum`, which the authors' code calls once behind each check of the size of its steps."""

    def __init__(self):
        self.losses, self.sizes = None, []

    def __getattr__(self, name):
        return getattr(np, name)

    def maximum(self, a, b):
        there = sys._getframe(1).f_locals
        self.sizes.append(there["step_size"].flatten().clone())
        self.losses = there["loss_steps"]
        return np.maximum(a, b)


def watched(module, attack, x, y, seed):
    """What one run of an attack does from our starts. The losses are those of all steps, as the code keeps them in one array."""
    watch, rand = Watching(), torch.rand
    starts = torch.from_numpy(np.stack([uniform((seed, ATTACK, i, 0), x[0].numel(), 1) for i in range(len(x))]))
    module.np, torch.rand = watch, lambda shape: ((starts + 1) / 2).reshape(shape)
    try:
        attack.attack_single_run(x, y)
    finally:
        module.np, torch.rand = np, rand
    return {"losses": watch.losses.T.contiguous(), "sizes": torch.stack(watch.sizes[:CHECKS], 1)}


def setting():
    """The network, the images, their labels, and for each the class that is next best."""
    net, x = network("resnet8").eval(), images("attacked images", 24)
    with torch.no_grad():
        net.fc.weight *= SCALE
        net.fc.bias -= answers(net, x)[0].mean(0)
        net.fc.bias[0] += AHEAD
        logits = answers(net, x)[0]
    y = logits.argmax(1)
    targets = logits.scatter(1, y[:, None], -torch.inf).argmax(1)
    return net, x, y, targets


def compute():
    net, x, y, targets = setting()
    model = Logits(net).eval()
    found = {"bias": net.fc.bias.detach(), "labels": y.float(), "targets": targets.float()}
    for name, module, attack in [
        ("apgd_ce", apgd, torchattacks.APGD(model, eps=2 / 255, steps=STEPS, loss="ce")),
        ("apgd_t", apgdt, torchattacks.APGDT(model, eps=0.5 / 255, steps=STEPS)),
    ]:
        attack.target_class = 2
        found.update({f"{name}.{part}": tensor for part, tensor in watched(module, attack, x, y, 7).items()})
    return found


if __name__ == "__main__":
    main("apgd", compute, undecided=["apgd_ce.sizes", "apgd_t.sizes"])
