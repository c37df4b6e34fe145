"""The networks of methods.md §6 in PyTorch, under the key names of their published code, with weights from `values`."""

import torch
from torch import nn
from torch.nn import functional as F

from common import values


def conv(inputs, outputs, kernel, stride=1, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)


def projection(inputs, outputs, stride):
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    """conv, norm, ReLU, conv, norm, plus the shortcut, ReLU."""

    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.around = shortcut if stride != 1 or inputs != outputs else None
        if self.around:
            setattr(self, shortcut, projection(inputs, outputs, stride))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (getattr(self, self.around)(x) if self.around else x))


class PreAct(nn.Module):
    """norm, ReLU, conv, norm, ReLU, conv, plus the shortcut, which starts behind the first ReLU where shapes change."""

    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs, 3)
        self.around = shortcut if stride != 1 or inputs != outputs else None
        if self.around:
            # PreActResNet's shortcut is a list of one layer, a wide network's the layer itself.
            one = conv(inputs, outputs, 1, stride)
            setattr(self, shortcut, nn.Sequential(one) if shortcut == "shortcut" else one)

    def forward(self, x):
        a = F.relu(self.bn1(x))
        shortcut = getattr(self, self.around)(a) if self.around else x
        return self.conv2(F.relu(self.bn2(self.conv1(a)))) + shortcut


def stage(block, inputs, outputs, stride, count, shortcut):
    return nn.Sequential(
        *[block(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1, shortcut) for i in range(count)]
    )


class ResNet(nn.Module):
    def __init__(self, widths, count, shortcut, classifier, classes=10):
        super().__init__()
        self.conv1, self.bn1 = conv(3, widths[0], 3), nn.BatchNorm2d(widths[0])
        self.stages = len(widths)
        for i, width in enumerate(widths):
            before = widths[max(i - 1, 0)]
            setattr(self, f"layer{i + 1}", stage(Basic, before, width, 1 if i == 0 else 2, count, shortcut))
        self.classifier = classifier
        setattr(self, classifier, nn.Linear(widths[-1], classes))

    def features(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        return x.mean((2, 3))


class PreActResNet18(nn.Module):
    def __init__(self, final_norm, classes=10):
        super().__init__()
        widths = [64, 128, 256, 512]
        self.conv1 = conv(3, 64, 3)
        for i, width in enumerate(widths):
            before = widths[max(i - 1, 0)]
            setattr(self, f"layer{i + 1}", stage(PreAct, before, width, 1 if i == 0 else 2, 2, "shortcut"))
        if final_norm:
            self.bn = nn.BatchNorm2d(512)
        self.final_norm, self.classifier, self.linear = final_norm, "linear", nn.Linear(512, classes)

    def features(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        if self.final_norm:
            x = F.relu(self.bn(x))
        return x.mean((2, 3))


class Group(nn.Module):
    def __init__(self, *args):
        super().__init__()
        self.layer = stage(PreAct, *args, "convShortcut")

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, depth, widen, classes=10):
        super().__init__()
        count, widths = (depth - 4) // 6, [16, 16 * widen, 32 * widen, 64 * widen]
        self.conv1 = conv(3, 16, 3)
        self.block1 = Group(widths[0], widths[1], 1, count)
        self.block2 = Group(widths[1], widths[2], 2, count)
        self.block3 = Group(widths[2], widths[3], 2, count)
        self.bn1 = nn.BatchNorm2d(widths[3])
        self.classifier, self.fc = "fc", nn.Linear(widths[3], classes)

    def features(self, x):
        return F.relu(self.bn1(self.block3(self.block2(self.block1(self.conv1(x)))))).mean((2, 3))


class Inverted(nn.Module):
    def __init__(self, inputs, outputs, expansion, stride):
        super().__init__()
        wide = inputs * expansion
        self.conv1, self.bn1 = conv(inputs, wide, 1), nn.BatchNorm2d(wide)
        self.conv2, self.bn2 = conv(wide, wide, 3, stride, groups=wide), nn.BatchNorm2d(wide)
        self.conv3, self.bn3 = conv(wide, outputs, 1), nn.BatchNorm2d(outputs)
        self.stride = stride
        if stride == 1 and inputs != outputs:
            self.shortcut = projection(inputs, outputs, 1)

    def forward(self, x):
        y = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        y = self.bn3(self.conv3(y))
        if self.stride != 1:
            return y
        return y + (self.shortcut(x) if hasattr(self, "shortcut") else x)


class MobileNetV2(nn.Module):
    STAGES = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]

    def __init__(self, classes=10):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 32, 3), nn.BatchNorm2d(32)
        blocks, inputs = [], 32
        for expansion, outputs, count, stride in self.STAGES:
            for i in range(count):
                blocks.append(Inverted(inputs, outputs, expansion, stride if i == 0 else 1))
                inputs = outputs
        self.layers = nn.Sequential(*blocks)
        self.conv2, self.bn2 = conv(320, 1280, 1), nn.BatchNorm2d(1280)
        self.classifier, self.linear = "linear", nn.Linear(1280, classes)

    def features(self, x):
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        return F.relu(self.bn2(self.conv2(x))).mean((2, 3))


def cifar(depth):
    return ResNet([16, 32, 64], (depth - 2) // 6, "downsample", "fc")


NETWORKS = {
    "resnet8": lambda: cifar(8),
    "resnet20": lambda: cifar(20),
    "resnet32": lambda: cifar(32),
    "resnet56": lambda: cifar(56),
    "resnet18": lambda: ResNet([64, 128, 256, 512], 2, "shortcut", "linear"),
    "preactresnet18": lambda: PreActResNet18(False),
    "preactresnet18-bn": lambda: PreActResNet18(True),
    "wrn-16-2": lambda: WideResNet(16, 2),
    "wrn-34-2": lambda: WideResNet(34, 2),
    "wrn-40-2": lambda: WideResNet(40, 2),
    "wrn-28-10": lambda: WideResNet(28, 10),
    "wrn-34-10": lambda: WideResNet(34, 10),
    "mobilenetv2": MobileNetV2,
}


def fill(network, name):
    """Sets all weights by name. Their scale keeps activations of order 1 from the first layer to the last."""
    for key, tensor in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        v = torch.from_numpy(values(f"{name}.{key}", list(tensor.shape)))
        if tensor.dim() > 1:
            # Of variance 1 / fan-in, as numbers in [-1, 1) have a variance of 1/3.
            v = v * (3 / tensor[0].numel()) ** 0.5
        elif key.endswith("running_var"):
            v = 1 + 0.3 * v
        elif key.endswith(("running_mean", "bias")):
            v = 0.2 * v
        else:
            v = 1 + 0.2 * v
        tensor.copy_(v)
    return network


def network(name):
    """The network of this name with its weights."""
    with torch.no_grad():
        return fill(NETWORKS[name](), name)


def answers(net, images):
    """Logits and features."""
    features = net.features(images)
    return getattr(net, net.classifier)(features), features


class Logits(nn.Module):
    """A network as attacks from elsewhere want it: its logits alone."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return answers(self.net, x)[0]


def images(name, n):
    """Images in [0, 1)."""
    return torch.from_numpy(values(name, [n, 3, 32, 32])) * 0.5 + 0.5
