"""Whether Retort's APGD-CE and APGD-T find what the authors' code finds, as torchattacks carries it: the verdict on each test image,
and the images a second.

    pip install torch numpy safetensors torchattacks
    retort evaluate --model MODEL --dataset D --limit 1000 --attack apgd-ce,apgd-t --outcomes outcomes.safetensors
    python tools/agreement/auto_pgd.py resnet8 MODEL DATA/datasets/D/dataset.safetensors outcomes.safetensors

The images are those of the outcomes: all test images of the dataset, so import no more than are to be compared.
"""

import json
import sys
import time
from pathlib import Path

import torch
import torchattacks
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "golden"))
from networks import Logits, network  # noqa: E402

EPS = 8 / 255


def tensors(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def main(architecture, model, dataset, outcomes):
    net = network(architecture)
    net.load_state_dict(tensors(model)[0], strict=False)
    net = Logits(net.eval()).eval()
    images, _ = tensors(dataset)
    x = images["test_images"].float() / 255
    found, about = tensors(outcomes)
    y = found["labels"].long()
    assert torch.equal(images["test_labels"].long(), y), "the outcomes are of other images"
    (state,) = [value for value in about.values() if "attacks" in value]
    attacks = json.loads(state)["attacks"]
    with torch.no_grad():
        natural = torch.cat([net(part).argmax(1) for part in x.split(250)]) == y
    ours = {attack["name"] if attack else "natural": found["predictions"][i].long() == y for i, attack in enumerate(attacks)}
    print(f"natural: same verdict on {(natural == ours['natural']).float().mean():.2%} of {len(y)} images")
    for name, attack in [
        ("apgd-ce", torchattacks.APGD(net, eps=EPS, steps=100, loss="ce", seed=1)),
        ("apgd-t", torchattacks.APGDT(net, eps=EPS, steps=100, seed=1)),
    ]:
        standing, begun = natural.clone(), time.time()
        for places in natural.nonzero().flatten().split(250):
            attacked = attack(x[places], y[places])
            with torch.no_grad():
                standing[places] &= net(attacked).argmax(1) == y[places]
        seconds = time.time() - begun
        same = (standing == ours[name]).float().mean()
        print(
            f"{name}: theirs {standing.float().mean():.2%}, ours {ours[name].float().mean():.2%}, "
            f"same verdict on {same:.2%}; theirs took {seconds:.1f} s"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
