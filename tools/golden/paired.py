"""Paired tests of two methods on the same images, by SciPy and statsmodels, and by whole numbers.

Writes server/spec/golden/paired.json, or with `--check` computes it anew and compares:

    pip install numpy scipy statsmodels
    python tools/golden/paired.py [--check]
"""

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

FILE = Path(__file__).resolve().parents[2] / "server" / "spec" / "golden" / "paired.json"
RESAMPLES = 100_000


def answers(random, images, seeds, ease, spread):
    """By seed and image whether an answer is right: images differ in how hard they are, which the seeds have in common."""
    hard = np.random.default_rng(7).normal(size=images)
    return (ease + spread * random.normal(size=(seeds, images)) > hard).astype(int)


def differences(first, second):
    """By image: the difference of the two means, times the least common multiple of the numbers of seeds."""
    scale = math.lcm(len(first), len(second))
    return scale // len(first) * first.sum(0) - scale // len(second) * second.sum(0)


def counted(d):
    """The share of all changes of sign whose sum is at least as far from zero: counted in whole numbers."""
    ways = {0: 1}
    for size in np.abs(d[d != 0]).tolist():
        more = {}
        for at, count in ways.items():
            for to in (at + size, at - size):
                more[to] = more.get(to, 0) + count
        ways = more
    observed = abs(int(d.sum()))
    return float(Fraction(sum(count for at, count in ways.items() if abs(at) >= observed), sum(ways.values())))


def case(name, random, images, seeds, ease, spread=0.6):
    first, second = (answers(random, images, n, e, spread) for n, e in zip(seeds, ease))
    d = differences(first, second)
    found = {
        "name": name,
        "first": ["".join(map(str, row)) for row in first],
        "second": ["".join(map(str, row)) for row in second],
        "difference": 100 * (first.mean() - second.mean()),
    }
    def difference(a, b, axis):
        return (a - b).sum(axis=axis)

    pairs = (np.maximum(d, 0), np.maximum(-d, 0))
    if seeds == (1, 1):
        ahead, behind = int((d > 0).sum()), int((d < 0).sum())
        found["p_value"] = float(stats.binomtest(ahead, ahead + behind).pvalue) if ahead + behind else 1.0
        found["by"] = "scipy.stats.binomtest"
    elif images <= 16:
        test = stats.permutation_test(pairs, difference, permutation_type="samples", vectorized=True, n_resamples=np.inf)
        found["p_value"] = min(float(test.pvalue), 1.0)
        found["by"] = "scipy.stats.permutation_test, all changes of sign"
    else:
        found["p_value"] = counted(d)
        found["by"] = "whole numbers"
        test = stats.permutation_test(
            pairs, difference, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES, batch=1_000,
            rng=np.random.default_rng(3))
        # A one-sided share of the resamples, doubled: six of its standard errors.
        error = 6 * 2 * math.sqrt(test.pvalue / 2 * (1 - test.pvalue / 2) / RESAMPLES)
        found["resampled"] = [max(float(test.pvalue - error), 0.0), float(test.pvalue + error)]
        # The cluster-robust z of the mean of d without its own mean, as the test's null hypothesis has it.
        found["normal"] = float(2 * stats.norm.sf(abs(d.sum()) / math.sqrt((d**2).sum())))
    return found


def twins(random, seeds, shift):
    """Differences of twins in points: the paired t-test."""
    differences = random.normal(loc=shift, size=seeds)
    p_value = float(stats.ttest_1samp(differences, 0).pvalue)
    return {"differences": differences.tolist(), "deviation": float(differences.std(ddof=1)), "p_value": p_value}


def compute():
    random = np.random.default_rng(1)
    cases = [case(f"one seed each, {n} images", random, n, (1, 1), (0.3, e)) for n, e in [(8, 0.3), (60, 0.0), (400, 0.22)]]
    for seeds in [(2, 2), (3, 3), (1, 3), (2, 3), (5, 4)]:
        cases.append(case(f"{seeds[0]} and {seeds[1]} seeds, 14 images", random, 14, seeds, (0.6, 0.0)))
    cases.append(case("2 and 2 seeds, 1,000 images", random, 1_000, (2, 2), (0.3, 0.27)))
    cases.append(case("5 and 5 seeds, 1,000 images", random, 1_000, (5, 5), (0.3, 0.26)))
    cases.append(case("3 and 5 seeds, 1,000 images", random, 1_000, (3, 5), (0.3, 0.27)))
    families = [[0.01, 0.04, 0.03, 0.005], [0.2, 0.001, 0.9, 0.02, 0.02], [0.6], []]
    holm = [{"p_values": p, "adjusted": multipletests(p, method="holm")[1].tolist() if p else []} for p in families]
    return {"cases": cases, "holm": holm, "over_seeds": [twins(random, n, shift) for n in range(3, 12) for shift in (0.1, 0.8, 3.0)]}


def same(one, other):
    if isinstance(one, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-15)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


found = compute()
if "--check" in sys.argv:
    if not same(json.loads(FILE.read_text()), found):
        sys.exit(f"{FILE} is not what is computed here")
    print("the golden numbers are what is computed here")
else:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(found, indent=1) + "\n")
    for one in found["cases"]:
        print(one["name"], one["difference"], one["p_value"], one.get("resampled"), one.get("normal"))
