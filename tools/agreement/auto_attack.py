"""Whether Retort's AutoAttack finds what the authors' code finds, as torchattacks carries it: how many test images stand behind each of its
four attacks, the verdict on each, and the seconds that theirs took.

    pip install torch numpy safetensors torchattacks
    time retort evaluate --model MODEL --dataset D --limit 1000 --attack autoattack --outcomes outcomes.safetensors
    python tools/agreement/auto_attack.py resnet8 MODEL DATA/datasets/D/dataset.safetensors outcomes.safetensors

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

EPS, BATCH, SEED = 8 / 255, 250, 1


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
    names = [attack["name"] if attack else "natural" for attack in json.loads(state)["attacks"]]
    right = found["predictions"][names.index("auto-attack")].long() == y
    by = found["found_by"][0].long()
    with torch.no_grad():
        standing = torch.cat([net(part).argmax(1) for part in x.split(BATCH)]) == y
    ours = found["predictions"][0].long() == y
    print(f"natural: theirs {standing.float().mean():.2%}, same verdict on {(standing == ours).float().mean():.2%} of {len(y)} images")
    parts = [
        ("APGD-CE", torchattacks.APGD(net, eps=EPS, steps=100, loss="ce", seed=SEED)),
        ("APGD-T", torchattacks.APGDT(net, eps=EPS, steps=100, seed=SEED)),
        ("FAB-T", torchattacks.FAB(net, eps=EPS, steps=100, multi_targeted=True, seed=SEED)),
        ("Square", torchattacks.Square(net, eps=EPS, n_queries=5000, resc_schedule=False, seed=SEED)),
    ]
    whole = time.time()
    for place, (name, attack) in enumerate(parts, 1):
        begun = time.time()
        for places in standing.nonzero().flatten().split(BATCH):
            attacked = attack(x[places], y[places])
            with torch.no_grad():
                standing[places] &= net(attacked).argmax(1) == y[places]
        own = torch.where(by == 0, right, by > place)
        print(
            f"behind {name}: theirs {standing.float().mean():.2%}, ours {own.float().mean():.2%}, "
            f"same verdict on {(standing == own).float().mean():.2%}; theirs took {time.time() - begun:.1f} s",
            flush=True,
        )
    print(f"theirs took {time.time() - whole:.1f} s in all")


if __name__ == "__main__":
    main(*sys.argv[1:])
