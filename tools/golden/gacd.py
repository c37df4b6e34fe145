"""Whole training steps of GACD: three by its defaults, and one for each option that differs from them."""

import math

import torch
from torch.nn import functional as F

from common import main
from methods import BATCH, INNER_ATTACK, SEED, STEPS, climb, cosine_cost, outcome, pair, sinkhorn, start, tensor
from networks import answers, images

ROWS, DIM, TEMPERATURE, CLASSES = 60, 128, 0.1, 10
BANK_LABELS = torch.arange(ROWS) % CLASSES
TEACHER, STUDENT = 0, 1

# By name: what differs from the defaults. All images of other classes are negatives, so that none need be drawn.
DEFAULTS = {
    "anchor": "symmetric",
    "normalising_constant": "calibrated",
    "sample_weighting": "teacher",
    "teacher_input": "same",
    "student_input": "adversarial",
    "contrast_weight": 1,
    "cross_entropy_weight": 0,
    "attacked_network": "student",
    "attacked_features": "penultimate",
    "coupling": "transport",
}
VARIANTS = {
    "teacher_live": {"anchor": "teacher_live"},
    "student_only": {"anchor": "student_only"},
    "constant_one": {"normalising_constant": "one"},
    "unweighted": {"sample_weighting": "none"},
    "normalised_weights": {"sample_weighting": "teacher_normalised"},
    "natural_teacher": {"teacher_input": "natural"},
    "both_inputs": {"student_input": "both"},
    "joint": {"contrast_weight": 0.8, "cross_entropy_weight": 1},
    "attack_on_teacher": {"attacked_network": "teacher"},
    "attack_on_logits": {"attacked_features": "logits"},
    "attack_on_embeddings": {"attacked_features": "embedding"},
    "identity_coupling": {"coupling": "identity"},
}


def gacd(name, steps, **options):
    o = DEFAULTS | options
    student, teacher = pair()
    heads, banks = [], []
    for which in range(2):
        head = torch.nn.Linear(64, DIM)
        with torch.no_grad():
            head.weight.copy_(tensor(f"head {which} weight", [DIM, 64]) / 8)
            head.bias.copy_(tensor(f"head {which} bias", [DIM]) / 8)
        heads.append(head)
        banks.append(tensor(f"bank {which}", [ROWS, DIM]) / math.sqrt(DIM / 3))
    parameters = [*student.parameters(), *heads[0].parameters(), *heads[1].parameters()]
    optimiser = torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=5e-4)
    normalisers = [1, 1] if o["normalising_constant"] == "one" else None
    k = ROWS - ROWS // CLASSES
    losses = []

    def embed(which, features):
        v = heads[which](features)
        return v / (v.square().sum(1, keepdim=True) + 1e-12).sqrt()

    def attack(x, step):
        net, which = (student.eval(), STUDENT) if o["attacked_network"] == "student" else (teacher, TEACHER)

        def moved(z):
            logits, features = answers(net, z)
            if o["attacked_features"] == "logits":
                return logits
            return embed(which, features) if o["attacked_features"] == "embedding" else features

        with torch.no_grad():
            anchors = moved(x)

        def gradient(z):
            cost = cosine_cost(anchors, moved(z))
            if o["coupling"] == "identity":
                distance = cost.diagonal().mean()
            else:
                distance = (sinkhorn(cost.detach().double()).float() * cost).sum()
            return torch.autograd.grad(distance, z)[0]

        return climb(x, start(x, (SEED, INNER_ATTACK, 0, step)), 10, gradient)

    def anchor_losses(v, y, indices):
        nonlocal normalisers
        negative = (BANK_LABELS[None, :] != y[:, None]).float()
        own = torch.arange(len(y)), indices
        scores = [v[TEACHER] @ banks[STUDENT].T / TEMPERATURE, v[STUDENT] @ banks[TEACHER].T / TEMPERATURE]
        if normalisers is None:
            chosen = negative.clone()
            chosen[own] = 1
            normalisers = [ROWS * (s.exp() * chosen).sum().item() / chosen.sum().item() for s in scores]
        offsets = [math.log(z) + math.log(k / ROWS) for z in normalisers]
        if o["anchor"] == "teacher_live":
            # The student's embedding in hand is the positive, its memory the negatives.
            positive = F.softplus(offsets[TEACHER] - (v[TEACHER] * v[STUDENT]).sum(1) / TEMPERATURE)
            return positive + (F.softplus(scores[TEACHER] - offsets[TEACHER]) * negative).sum(1)
        sides = [STUDENT] if o["anchor"] == "student_only" else [TEACHER, STUDENT]
        return sum(
            F.softplus(offsets[i] - scores[i][own]) + (F.softplus(scores[i] - offsets[i]) * negative).sum(1)
            for i in sides
        )

    for step in range(steps):
        x = images(f"step {step}", BATCH)
        indices = torch.arange(BATCH) + BATCH * step
        y = BANK_LABELS[indices]
        attacked = attack(x, step)
        inputs = [attacked, x] if o["student_input"] == "both" else [attacked]
        parts, fresh = [], None
        for z in inputs:
            # Each input is a batch of its own to the student's batch norm.
            logits, features = answers(student.train(), z)
            with torch.no_grad():
                teacher_logits, teacher_features = answers(teacher, x if o["teacher_input"] == "natural" else z)
            w = F.softmax(teacher_logits, 1).gather(1, y[:, None]).squeeze(1)
            w = {"none": torch.ones_like(w), "teacher": w, "teacher_normalised": w / w.mean()}[o["sample_weighting"]]
            v = [embed(TEACHER, teacher_features), embed(STUDENT, features)]
            contrast = (w * anchor_losses(v, y, indices)).mean()
            joint = o["cross_entropy_weight"] * F.cross_entropy(logits, y)
            parts.append(o["contrast_weight"] * contrast + joint)
            fresh = fresh or v
        loss = sum(parts) / len(parts)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for bank, v in zip(banks, fresh):
                bank[indices] = F.normalize(0.5 * bank[indices] + 0.5 * v.detach())
        losses.append(loss.item())
    found = outcome(name, student, losses)
    if options:
        return found
    found[f"{name}.normalisers"] = torch.tensor(normalisers).log()
    found[f"{name}.bank"] = banks[1][::7]
    return found


def compute():
    found = gacd("gacd_steps", STEPS)
    for name, options in VARIANTS.items():
        found.update(gacd(name, 1, **options))
    return found


if __name__ == "__main__":
    main("gacd", compute, tolerance=1e-3)
