"""Three training steps of RSLAD as its authors' code takes them (github.com/zibojia/RSLAD), from golden weights."""

import numpy as np
import torch
from torch.nn import functional as F

from common import main, words
from methods import INNER_ATTACK, SEED, STEPS, batch, climb, outcome, pair
from networks import answers


def normal(key, n):
    """Box and Muller's numbers from the stream with this key, two words each, in double precision as the engine has them."""
    unit = (words(*key, 2 * n).astype(np.float64) + 0.5) / 2**32
    u, v = unit[0::2], unit[1::2]
    return (np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)).astype(np.float32)


def divergence(student, soft_labels):
    """Their kl_loss, averaged over batch and classes."""
    return (-F.log_softmax(student, 1) * soft_labels + torch.log(soft_labels + 1e-5) * soft_labels).mean()


def rslad(name, weight):
    student, teacher = pair()
    optimiser = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9, weight_decay=2e-4)
    losses = []
    for step in range(STEPS):
        x, _ = batch(step)
        soft_labels = F.softmax(answers(teacher, x)[0], 1)
        student.eval()

        def gradient(z):
            divergence = F.kl_div(F.log_softmax(answers(student, z)[0], 1), soft_labels, reduction="sum")
            return torch.autograd.grad(divergence, z)[0]

        noise = torch.from_numpy(normal((SEED, INNER_ATTACK, 0, step), x.numel())).reshape(x.shape)
        z = climb(x, x + 0.001 * noise, 10, gradient)
        student.train()
        attacked = divergence(answers(student, z)[0], soft_labels)
        natural = divergence(answers(student, x)[0], soft_labels)
        loss = weight * (5 / 6.0 * attacked + 1 / 6.0 * natural)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return outcome(name, student, losses)


def compute():
    return rslad("rslad", 1) | rslad("rslad_weighted", 10)


if __name__ == "__main__":
    main("rslad", compute, tolerance=1e-3)
