"""Losses with their gradients, the optimiser, attacks, and whole training steps of ARD."""

import math

import torch
from torch.nn import functional as F

from common import labels, main, uniform, values
from networks import answers, images, network

# Purposes of random streams, as the engine numbers them.
INNER_ATTACK, ATTACK = 4, 5
EPS, STEP = 8 / 255, 2 / 255


def tensor(name, shape):
    return torch.from_numpy(values(name, shape))


def kl(target, prediction, temperature):
    """KL of softened answers, by image."""
    p, log_q = F.softmax(target / temperature, 1), F.log_softmax(prediction / temperature, 1)
    return (p * (p.log() - log_q)).sum(1)


def losses():
    """Each loss on fixed logits, with its gradient with respect to the student's."""
    n, classes = 16, 10
    y = torch.from_numpy(labels("loss labels", n, classes))
    teacher = 4 * tensor("teacher logits", [n, classes])
    natural = (4 * tensor("natural logits", [n, classes])).requires_grad_()
    attacked = (4 * tensor("attacked logits", [n, classes])).requires_grad_()
    w = F.softmax(teacher, 1).gather(1, y[:, None]).squeeze(1)
    forms = {
        "kd": 900 * F.kl_div(F.log_softmax(natural / 30, 1), F.softmax(teacher / 30, 1)),
        "kd_batch_mean": 900 * kl(teacher, natural, 30).mean(),
        "kd_repdistiller": 0.1 * F.cross_entropy(natural, y) + 0.9 * 16 * kl(teacher, natural, 4).mean(),
        "ard": 900 * F.kl_div(F.log_softmax(attacked / 30, 1), F.softmax(teacher / 30, 1)),
        "ard_batch_mean": 900 * kl(teacher, attacked, 30).mean(),
        "ard_alpha": 0.5 * 900 * kl(teacher, attacked, 30).mean() / classes + 0.5 * F.cross_entropy(natural, y),
        "ard_weighted": 900 * (w * kl(teacher, attacked, 30)).mean() / classes,
        "trades": F.cross_entropy(natural, y) + 6 * kl(natural, attacked, 1).mean(),
    }
    found = {}
    for name, loss in forms.items():
        gradients = torch.autograd.grad(loss, [natural, attacked], allow_unused=True, retain_graph=True)
        found[f"{name}.loss"] = loss.detach().reshape(1)
        for side, gradient in zip(["natural", "attacked"], gradients):
            if gradient is not None:
                found[f"{name}.{side}"] = gradient
    return found


def sgd():
    """Twenty steps of a linear layer; the learning rate falls to a tenth at the tenth."""
    x, y = tensor("sgd images", [32, 12]), torch.from_numpy(labels("sgd labels", 32, 5))
    layer = torch.nn.Linear(12, 5)
    with torch.no_grad():
        layer.weight.copy_(tensor("sgd weight", [5, 12]))
        layer.bias.copy_(tensor("sgd bias", [5]))
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [10])
    trajectory = []
    for _ in range(20):
        optimiser.zero_grad()
        F.cross_entropy(layer(x), y).backward()
        optimiser.step()
        schedule.step()
        trajectory.append(torch.cat([layer.weight.flatten(), layer.bias]).detach().clone())
    return {"sgd.trajectory": torch.stack(trajectory)}


def climb(x, start, steps, gradient):
    """Signed ascent inside the ball and [0, 1]."""
    z = start
    for _ in range(steps):
        z = z.detach().requires_grad_()
        slope = gradient(z)
        z = (z + STEP * slope.sign()).clamp(x - EPS, x + EPS).clamp(0, 1)
    return z.detach()


def cross_entropy_gradient(net, y):
    def gradient(z):
        return torch.autograd.grad(F.cross_entropy(answers(net, z)[0], y, reduction="sum"), z)[0]

    return gradient


def start(x, key):
    return x + torch.from_numpy(uniform(key, x.numel(), EPS)).reshape(x.shape)


def pgd():
    """What a network answers under PGD-20 from given starts. Its bias is moved so that its natural answers, which are the
    labels, are of many classes."""
    net, x = network("resnet8").eval(), images("attacked images", 24)
    with torch.no_grad():
        net.fc.bias -= answers(net, x)[0].mean(0)
        y = answers(net, x)[0].argmax(1)
    starts = torch.cat([start(x[i : i + 1], (7, ATTACK, i, 0)) for i in range(len(x))]).clamp(0, 1)
    found = {"pgd.bias": net.fc.bias.detach(), "pgd.labels": y.float()}
    for steps in [1, 20]:
        z = climb(x, starts, steps, cross_entropy_gradient(net, y))
        with torch.no_grad():
            found[f"pgd.{steps}.answers"] = answers(net, z)[0].argmax(1).float()
    return found


def sinkhorn(cost, epsilon=0.01):
    """The transport plan between uniform marginals: at most 100 rounds, or until the potentials of the rows rest."""
    n, m = cost.shape
    u, v = torch.zeros(n, 1, dtype=cost.dtype), torch.zeros(1, m, dtype=cost.dtype)
    for _ in range(100):
        before = u
        u = u + epsilon * (-math.log(n) - torch.logsumexp((u + v - cost) / epsilon, 1, keepdim=True))
        v = v + epsilon * (-math.log(m) - torch.logsumexp((u + v - cost) / epsilon, 0, keepdim=True))
        if (u - before).abs().sum() < 0.1:
            break
    return ((u + v - cost) / epsilon).exp()


def cosine_cost(a, b):
    return (1 - F.normalize(a) @ F.normalize(b).T).clamp(min=0)


def plans():
    cost = cosine_cost(tensor("plan a", [12, 32]), tensor("plan b", [12, 32]))
    found = {}
    for epsilon in [0.01, 0.1]:
        plan = sinkhorn(cost.double(), epsilon)
        found[f"sinkhorn.{epsilon}.plan"] = plan
        found[f"sinkhorn.{epsilon}.value"] = (plan * cost).sum().reshape(1)
    return found


BATCH, STEPS, SEED = 12, 3, 11


def pair():
    student, teacher = network("resnet8"), network("resnet20").eval()
    for parameter in teacher.parameters():
        parameter.requires_grad_(False)
    return student, teacher


def outcome(name, student, losses):
    """What is stored of a training: its losses, and the trained network's answers in both modes."""
    with torch.no_grad():
        logits = answers(student.eval(), images("shown", 4))[0]
        sizes = [parameter.double().abs().sum() for _, parameter in sorted(student.named_parameters())]
    return {f"{name}.losses": torch.tensor(losses), f"{name}.logits": logits, f"{name}.sizes": torch.stack(sizes)}


def batch(step):
    return images(f"step {step}", BATCH), torch.from_numpy(labels(f"labels {step}", BATCH, 10))


def ard():
    """ARD as published: the teacher sees natural images, the student attacked ones."""
    student, teacher = pair()
    optimiser = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9, weight_decay=2e-4)
    losses = []
    for step in range(STEPS):
        x, y = batch(step)
        z = climb(x, start(x, (SEED, INNER_ATTACK, 0, step)), 10, cross_entropy_gradient(student.eval(), y))
        logits, _ = answers(student.train(), z)
        loss = 900 * F.kl_div(F.log_softmax(logits / 30, 1), F.softmax(answers(teacher, x)[0] / 30, 1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return outcome("ard_steps", student, losses)


def compute():
    found = {}
    for part in [losses, sgd, pgd, plans, ard]:
        found.update(part())
    return found


if __name__ == "__main__":
    main("methods", compute, tolerance=1e-3)
