"""FAB-T (Croce and Hein 2020) and the square attack (Andriushchenko et al. 2020) by the authors' code, as torchattacks carries it:
the difference of logits before each step of the first, and the margin of each square that the second tries, until it finds one.

    pip install torch numpy torchattacks
"""

import numpy as np
import torch
import torchattacks

from apgd import setting
from common import main, words
from methods import ATTACK
from networks import Logits

# A radius so small that FAB goes on looking, and one at which some images withstand the squares.
STEPS, NEAR, QUERIES, EPS, SEED = 12, 1e-6, 120, 8 / 255, 7


class Draws:
    """What `torch.rand` gives the square attack on one image: the draws that Retort makes."""

    def __init__(self, image):
        self.image, self.split = image, 0
        self.left = []

    def below(self, bounds):
        """Whole numbers below each bound, from the next split of the image's stream, as shares of their bound."""
        drawn = words(SEED, ATTACK, self.image, 0, len(bounds), 1 + self.split).astype(np.uint64)
        self.split += 1
        return [(float((word * np.uint64(bound)) >> np.uint64(32)) + 0.5) / bound for word, bound in zip(drawn, bounds)]

    def __call__(self, shape):
        count = int(np.prod(shape))
        if self.split == 0:
            return torch.tensor(self.below([2] * count)).reshape(shape)
        if not self.left:
            side = max(round((0.8 / 2 ** sum(self.split > at for at in [11, 51, 201]) * 1024) ** 0.5), 1)
            self.left = self.below([32 - side] * 2 + [2] * 3)
        taken, self.left = self.left[:count], self.left[count:]
        return torch.tensor(taken).reshape(shape)


def fab(model, x, y):
    attack = torchattacks.FAB(model, eps=NEAR, steps=STEPS, multi_targeted=True)
    attack.target_class = 2
    differences, own = [], attack.get_diff_logits_grads_batch_targeted

    def watched(*given):
        difference, gradient = own(*given)
        differences.append(difference.flatten().clone())
        return difference, gradient

    attack.get_diff_logits_grads_batch_targeted = watched
    attack.attack_single_run_targeted(x, y)
    return torch.stack(differences, 1)


def square(model, x, y):
    margins, rand = torch.full((len(x), QUERIES + 1), torch.nan), torch.rand
    for i in range(len(x)):
        attack = torchattacks.Square(model, eps=EPS, n_queries=QUERIES, resc_schedule=False)
        attack.ndims, own, seen = 3, attack.margin_and_loss, []

        def watched(*given):
            margin, loss = own(*given)
            seen.append(margin.item())
            return margin, loss

        attack.margin_and_loss, torch.rand = watched, Draws(i)
        attack.attack_single_run(x[i : i + 1], y[i : i + 1])
        margins[i, : len(seen)] = torch.tensor(seen)
    torch.rand = rand
    # No margin comes behind one that is not positive.
    return margins.nan_to_num(0.0)


def compute():
    net, x, y, _ = setting()
    model = Logits(net).eval()
    return {"fab_t.differences": fab(model, x, y), "square.margins": square(model, x, y)}


if __name__ == "__main__":
    main("fab_square", compute)
