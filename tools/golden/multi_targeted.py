"""What a network answers under the multi-targeted attack of Gowal et al. (2019) from given starts, three targets each."""

import torch

from common import main
from methods import ATTACK, climb, start
from networks import answers, images, network

TARGETS = 3


def compute():
    net, x = network("resnet8").eval(), images("attacked images", 24)
    with torch.no_grad():
        net.fc.bias -= answers(net, x)[0].mean(0)
        logits = answers(net, x)[0]
    y = logits.argmax(1)
    others = logits.scatter(1, y[:, None], -torch.inf).argsort(1, descending=True)
    found = {"bias": net.fc.bias.detach(), "labels": y.float()}
    for steps in [1, 5]:
        given = y.clone()
        for attempt in range(TARGETS):
            standing = given == y
            target = others[:, attempt]

            def gradient(z):
                logits = answers(net, z)[0]
                margin = logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])
                return torch.autograd.grad(margin.sum(), z)[0]

            starts = torch.cat([start(x[i : i + 1], (7, ATTACK, i, attempt)) for i in range(len(x))]).clamp(0, 1)
            z = climb(x, starts, steps, gradient)
            with torch.no_grad():
                given = torch.where(standing, answers(net, z)[0].argmax(1), given)
        found[f"{steps}.answers"] = given.float()
    return found


if __name__ == "__main__":
    main("multi_targeted", compute)
