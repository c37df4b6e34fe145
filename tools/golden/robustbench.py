"""What a WRN-28-10 as RobustBench keeps them answers: its normaliser is inside, as `mu` and `sigma` (Croce et al. 2021)."""

import torch

from common import main
from imports import MEAN, STD
from networks import answers, images, network


@torch.no_grad()
def compute():
    x = images("images", 4)
    return {"wrn-28-10": answers(network("wrn-28-10").eval(), (x - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1))[0]}


if __name__ == "__main__":
    main("robustbench", compute)
