"""What trainings do beside a method: averages of weights as PyTorch's AveragedModel makes them, and smoothed labels."""

import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from common import labels, main, values
from networks import network


def averaged(decay):
    """Five steps of weights that both sides make; the average keeps min(decay, (1 + t)/(10 + t)) of itself."""
    net = network("resnet8")

    def average(before, now, steps):
        kept = min(decay, (1 + steps) / (10 + steps))
        return before * kept + now * (1 - kept)

    model = AveragedModel(net, avg_fn=average, use_buffers=True)
    with torch.no_grad():
        for step in range(5):
            for name, tensor in net.state_dict().items():
                if not name.endswith("num_batches_tracked"):
                    tensor.copy_(torch.from_numpy(values(f"step {step} {name}", list(tensor.shape))))
            model.update_parameters(net)
    state = model.module.state_dict()
    parameters = [name for name, _ in net.named_parameters()]
    statistics = [name for name in state if name.endswith("running_mean")]
    return {"average.conv": state[parameters[0]], "average.mean": state[statistics[0]]}


def smoothed():
    logits = torch.from_numpy(values("smoothed logits", [16, 10]) * 4).requires_grad_()
    y = torch.from_numpy(labels("smoothed labels", 16, 10))
    loss = F.cross_entropy(logits, y, label_smoothing=0.1)
    loss.backward()
    return {"smoothed.loss": loss.detach().reshape(1), "smoothed.gradient": logits.grad}


if __name__ == "__main__":
    main("training", lambda: averaged(0.3) | smoothed())
