"""Three training steps of AdaAD, IAD-I, IGDM and MTARD as their authors' code takes them, from golden weights (docs/methods.md, section 4)."""

import torch
from torch.nn import functional as F

from common import main
from methods import INNER_ATTACK, SEED, STEPS, batch, climb, cross_entropy_gradient, kl, outcome, pair, start
from networks import answers, network
from rslad import normal

EPOCHS = 20


def trained(name, decay, loss_of):
    """Three steps by a loss of student, teacher, images, labels and step."""
    student, teacher = pair()
    optimiser = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9, weight_decay=decay)
    losses = []
    for step in range(STEPS):
        x, y = batch(step)
        loss = loss_of(student, teacher, x, y, step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return outcome(name, student, losses)


def disagreement(student, teacher, x, step):
    """AdaAD's attack: the divergence climbs through both networks."""
    student.eval()

    def gradient(z):
        divergence = F.kl_div(F.log_softmax(answers(student, z)[0], 1), F.softmax(answers(teacher, z)[0], 1), reduction="none")
        return torch.autograd.grad(divergence.sum(), z)[0]

    noise = torch.from_numpy(normal((SEED, INNER_ATTACK, 0, step), x.numel())).reshape(x.shape)
    z = climb(x, x + 0.001 * noise, 10, gradient)
    student.train()
    return z


def adaad(alpha, divide):
    def loss(student, teacher, x, _, step):
        z = disagreement(student, teacher, x, step)
        natural, attacked = answers(student, x)[0], answers(student, z)[0]
        with torch.no_grad():
            of_natural, of_attacked = answers(teacher, x)[0], answers(teacher, z)[0]
        return (alpha * kl(of_attacked, attacked, 1).mean() + (1 - alpha) * kl(of_natural, natural, 1).mean()) / divide

    return loss


def igdm(student, teacher, x, _, step):
    z = disagreement(student, teacher, x, step)
    way = z - x
    s = [answers(student, image)[0] for image in [x, z, x + way, x - way]]
    with torch.no_grad():
        t = [answers(teacher, image)[0] for image in [x, z, x + way, x - way]]
    host = kl(t[1], s[1], 1).mean() / 10
    return host + 20 * (1 / EPOCHS) * kl(t[2] - t[3], s[2] - s[3], 1).mean()


def iad(trusts, is_training):
    def loss(student, teacher, x, y, step):
        # Their attack leaves batch norm in training mode: its statistics move with each of its passes. There the last digits
        # decide many signs, so that one variant has it in evaluation mode.
        student.train(is_training)
        z = climb(x, start(x, (SEED, INNER_ATTACK, 0, step)), 10, cross_entropy_gradient(student, y))
        attacked, natural = answers(student.train(), z)[0], answers(student, x)[0]
        with torch.no_grad():
            target, of_attacked = answers(teacher, x)[0], F.softmax(answers(teacher, z)[0], 1)
        loss = kl(target, attacked, 1).mean()
        if trusts:
            trust = of_attacked.gather(1, y[:, None]).squeeze(1) ** 0.1
            loss = loss + ((1 - trust) * kl(natural, attacked, 1)).mean()
        return loss

    return loss


def mtard(rate, power, weight):
    """The natural teacher is a ResNet-32; the weights move before they are used, by losses relative to the first step's."""
    natural_teacher = network("resnet32").eval()
    state = {"natural": 0.5, "first": None}

    def loss(student, teacher, x, y, step):
        student.eval()
        noise = torch.from_numpy(normal((SEED, INNER_ATTACK, 0, step), x.numel())).reshape(x.shape)
        z = climb(x, x + 0.001 * noise, 10, cross_entropy_gradient(student, y))
        attacked, natural = answers(student.train(), z)[0], answers(student, x)[0]
        with torch.no_grad():
            of_attacked, of_natural = answers(teacher, z)[0], answers(natural_teacher, x)[0]
        losses = [kl(of_attacked, attacked, 1).mean() / 10, kl(of_natural, natural, 1).mean() / 10]
        numbers = [one.item() for one in losses]
        state["first"] = state["first"] or numbers
        relative = [(one / first) ** power for one, first in zip(numbers, state["first"])]
        state["natural"] -= rate * (state["natural"] - relative[1] / (relative[0] + relative[1]))
        return weight * ((1 - state["natural"]) * losses[0] + state["natural"] * losses[1])

    return loss


def compute():
    found = trained("adaad", 5e-4, adaad(1, 10)) | trained("adaad_natural", 5e-4, adaad(0.5, 1)) | trained("igdm", 5e-4, igdm)
    found |= trained("iad", 2e-4, iad(True, True)) | trained("iad_eval", 2e-4, iad(True, False))
    found |= trained("mtard", 2e-4, mtard(0.025, 1, 1)) | trained("mtard_fast", 2e-4, mtard(0.5, 2, 10))
    return found | trained("iad_before", 2e-4, iad(False, False))


if __name__ == "__main__":
    main("later_methods", compute, tolerance=1e-3)
