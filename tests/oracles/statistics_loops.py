"""Slow twins of the statistics: the definition, in loops, with nothing clever.

Written from the equations in docs/statistics.md and the papers, not from the code they check.
"""

from __future__ import annotations

import math
import statistics
from itertools import combinations

import numpy as np


def mean(values):
    total = 0.0
    for value in values:
        total += value
    return total / len(values)


def variance(values):
    middle = mean(values)
    return sum((value - middle) ** 2 for value in values) / (len(values) - 1)


# --- maximum mean discrepancy ---


def distance(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def median_distance(points):
    return statistics.median(distance(a, b) for a, b in combinations(points, 2))


def kernel(a, b, bandwidth):
    return math.exp(-(distance(a, b) ** 2) / (2 * bandwidth**2))


def mmd2_biased(first, second, bandwidth):
    total = 0.0
    for a in first:
        for b in first:
            total += kernel(a, b, bandwidth) / len(first) ** 2
    for a in second:
        for b in second:
            total += kernel(a, b, bandwidth) / len(second) ** 2
    for a in first:
        for b in second:
            total -= 2 * kernel(a, b, bandwidth) / (len(first) * len(second))
    return total


def mmd2_unbiased(first, second, bandwidth):
    total = 0.0
    for i, a in enumerate(first):
        for j, b in enumerate(first):
            if i != j:
                total += kernel(a, b, bandwidth) / (len(first) * (len(first) - 1))
    for i, a in enumerate(second):
        for j, b in enumerate(second):
            if i != j:
                total += kernel(a, b, bandwidth) / (len(second) * (len(second) - 1))
    for a in first:
        for b in second:
            total -= 2 * kernel(a, b, bandwidth) / (len(first) * len(second))
    return total


def paper_scores(maps, labels, concept_sets, benchmark_sets):
    """Mean and sd of shares; ``benchmark_sets[run][concept]`` and ``concept_sets[concept]`` are positions."""
    shares = []
    for of_run in benchmark_sets:
        sums = []
        for concept, chosen in enumerate(concept_sets):
            total = 0.0
            for values in maps.values():
                width = median_distance(values)
                total += mmd2_biased(values[chosen], values[of_run[concept]], width)
            sums.append(total)
        shares.append([value / sum(sums) for value in sums])
    columns = list(zip(*shares, strict=True))
    return [mean(c) for c in columns], [math.sqrt(variance(c)) for c in columns]


# --- concept effects ---


def groups_of(labels, concepts):
    """Positions by concept; benchmark-only images, where there are any, as one more group."""
    found = [[i for i, label in enumerate(labels) if label == c] for c in range(concepts)]
    extra = [i for i, label in enumerate(labels) if label == -1]
    return [*found, extra] if extra else found


def compared_with(labels, concept, concepts):
    """Positions of the groups that the concept is compared with: the benchmark-only images, or the others."""
    groups = groups_of(labels, concepts)
    if len(groups) > concepts:
        return [concepts]
    return [k for k in range(concepts) if k != concept]


def difference(row, labels, concept, concepts):
    """Mean of the concept minus the average of the means of what it is compared with."""
    groups = groups_of(labels, concepts)
    others = [mean([row[i] for i in groups[k]]) for k in compared_with(labels, concept, concepts)]
    return mean([row[i] for i in groups[concept]]) - mean(others)


def benchmark_sd(row, labels, concept, concepts):
    """Sd of the balanced mixture of the other groups, without the bias of an estimated mean."""
    every = groups_of(labels, concepts)
    groups = [every[k] for k in compared_with(labels, concept, concepts)]
    share = 1 / len(groups)
    centre = sum(share * mean([row[i] for i in g]) for g in groups)
    spread = sum(share * mean([(row[i] - centre) ** 2 for i in g]) for g in groups)
    correction = sum(share**2 * variance([row[i] for i in g]) / len(g) for g in groups)
    return math.sqrt(spread + correction)


def effect(row, labels, concept, concepts):
    return difference(row, labels, concept, concepts) / benchmark_sd(row, labels, concept, concepts)


def difference_variance(row, labels, concept, concepts):
    total = 0.0
    groups = groups_of(labels, concepts)
    others = compared_with(labels, concept, concepts)
    for k in [concept, *others]:
        weight = 1.0 if k == concept else 1 / len(others)
        total += weight**2 * variance([row[i] for i in groups[k]]) / len(groups[k])
    return total


def weighted_effect(row, labels, concept, concepts, weights):
    """The effect when image i counts ``weights[i]`` times within its group; the sd's small-sample
    correction stays what it is at equal weights."""
    groups = groups_of(labels, concepts)
    others = compared_with(labels, concept, concepts)
    share = 1 / len(others)
    means, seconds = [], []
    for g in groups:
        total = sum(weights[i] for i in g)
        means.append(sum(weights[i] * row[i] for i in g) / total)
        seconds.append(sum(weights[i] * row[i] ** 2 for i in g) / total)
    centre = sum(share * means[k] for k in others)
    spread = sum(share * seconds[k] for k in others) - centre**2
    spread += sum(share**2 * variance([row[i] for i in groups[k]]) / len(groups[k]) for k in others)
    return (means[concept] - centre) / math.sqrt(spread)


def influences(rows, labels, concept, concepts, step=1e-5):
    """[images] n_g times the derivative of the mean effect by one image's weight, numerically."""
    result = []
    groups = groups_of(labels, concepts)
    size = {i: len(g) for g in groups for i in g}
    for i in range(len(labels)):
        slope = 0.0
        for row in rows:
            up, down = [1.0] * len(labels), [1.0] * len(labels)
            up[i] += step
            down[i] -= step
            high = weighted_effect(row, labels, concept, concepts, up)
            low = weighted_effect(row, labels, concept, concepts, down)
            slope += (high - low) / (2 * step) / len(rows)
        result.append(size[i] * slope)
    return result


def sum_of_means_variance(values, groups):
    """Variance over new images of the sum over groups of the groups' means."""
    return sum(variance([values[i] for i in g]) / len(g) for g in groups)


def held_variance(rows, groups):
    """Variance of the mean over refits, less what changes with every refit."""
    average = [mean([row[i] for row in rows]) for i in range(len(rows[0]))]
    total = sum_of_means_variance(average, groups)
    if len(rows) == 1:
        return total
    between = 0.0
    for row in rows:
        deviation = [row[i] - average[i] for i in range(len(average))]
        between += sum_of_means_variance(deviation, groups) / (len(rows) - 1)
    return max(total - between / len(rows), 0.0)


def permutation_p(observed, permuted, factor=1.0, noise=None):
    """Two-sided, absolute values, the observed one counted in."""
    hits = 0
    for index, value in enumerate(permuted):
        extra = 0.0 if noise is None else noise[index]
        if abs(value * factor + extra) >= abs(observed) * (1 - 1e-12):
            hits += 1
    return (1 + hits) / (1 + len(permuted))


def pivots(influence, groups, counts):
    """Studentised bootstrap and its standard errors; ``counts[g][draw][j]`` times image j of group g."""
    result, errors = [], []
    for draw in range(len(counts[0])):
        shift, error2 = 0.0, 0.0
        for g, of_group in zip(groups, counts, strict=True):
            drawn = []
            for j, times in zip(g, of_group[draw], strict=True):
                drawn += [influence[j]] * int(times)
            shift += mean(drawn)
            # A resample's variance estimates the sample's, which divides by n - 1 in its turn.
            error2 += mean([(x - mean(drawn)) ** 2 for x in drawn]) / (len(drawn) - 1)
        result.append(shift / math.sqrt(error2))
        errors.append(math.sqrt(error2))
    return result, errors


# --- contrasts ---


def usable_strata(first, second, strata):
    """(first, second) positions for each stratum that holds both."""
    found = []
    for stratum in sorted(set(strata)):
        a = [i for i in first if strata[i] == stratum]
        b = [i for i in second if strata[i] == stratum]
        if a and b:
            found.append((a, b))
    return found


def stratum_weights(cells):
    raw = [len(a) * len(b) / (len(a) + len(b)) for a, b in cells]
    return [value / sum(raw) for value in raw]


def contrast_difference(row, cells):
    return sum(
        w * (mean([row[i] for i in a]) - mean([row[i] for i in b]))
        for w, (a, b) in zip(stratum_weights(cells), cells, strict=True)
    )


def within_sd(row, cells):
    """Root of the mean of the two groups' variances, images weighted as in the difference."""
    weights = stratum_weights(cells)
    variances = []
    for side in (0, 1):
        pairs = [
            (w / len(cell[side]), row[i]) for w, cell in zip(weights, cells, strict=True) for i in cell[side]
        ]
        middle = sum(w * x for w, x in pairs)
        spread = sum(w * (x - middle) ** 2 for w, x in pairs)
        variances.append(spread / (1 - sum(w**2 for w, _ in pairs)))
    return math.sqrt(mean(variances))


def contrast_variance(row, cells):
    """Within strata: residual variances, corrected for one mean per cell."""
    weights = stratum_weights(cells)
    total = 0.0
    for side in (0, 1):
        count = sum(len(cell[side]) for cell in cells)
        of_side = 0.0
        for w, cell in zip(weights, cells, strict=True):
            middle = mean([row[i] for i in cell[side]])
            of_side += (w / len(cell[side])) ** 2 * sum((row[i] - middle) ** 2 for i in cell[side])
        total += of_side * count / (count - len(cells))
    return total


def paired_variance(row, cells):
    """Whole strata drawn anew."""
    weights = stratum_weights(cells)
    overall = contrast_difference(row, cells)
    total = 0.0
    for w, (a, b) in zip(weights, cells, strict=True):
        total += (w * (mean([row[i] for i in a]) - mean([row[i] for i in b]) - overall)) ** 2
    return total * len(cells) / (len(cells) - 1)


# --- many tests ---


def holm(p_values):
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i])
    result, largest = [0.0] * count, 0.0
    for step, i in enumerate(order):
        largest = max(largest, min(1.0, p_values[i] * (count - step)))
        result[i] = largest
    return result


def false_discovery(p_values, *, any_dependence):
    count = len(p_values)
    penalty = sum(1 / k for k in range(1, count + 1)) if any_dependence else 1.0
    order = sorted(range(count), key=lambda i: p_values[i])
    result, smallest = [0.0] * count, 1.0
    for rank in range(count, 0, -1):
        i = order[rank - 1]
        smallest = min(smallest, p_values[i] * count * penalty / rank)
        result[i] = smallest
    return result


def westfall_young(observed, permuted):
    result = []
    for value in observed:
        hits = sum(1 for row in permuted if max(abs(x) for x in row) >= abs(value))
        result.append((1 + hits) / (1 + len(permuted)))
    return result


# --- agreement ---


def ranks(values):
    return [sum(1 for v in values if v < x) + (sum(1 for v in values if v == x) + 1) / 2 for x in values]


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    top = sum((x - mean(a)) * (y - mean(b)) for x, y in zip(a, b, strict=True))
    bottom = math.sqrt(sum((x - mean(a)) ** 2 for x in a) * sum((y - mean(b)) ** 2 for y in b))
    return top / bottom if bottom else 0.0


def reliability(refits):
    return mean([spearman(a, b) for a, b in combinations(refits, 2)])


def similarities(refits, others):
    return [mean([spearman(refit, other) for refit in refits]) for other in others]


def direction(low, high, p_adjusted, alpha, margin):
    inside = np.linspace(low, high, 1001)
    if all(x > margin for x in inside) and p_adjusted < alpha:
        return "associated"
    if all(x < -margin for x in inside) and p_adjusted < alpha:
        return "inhibiting"
    if all(abs(x) <= margin + 1e-12 for x in inside):
        return "not associated"
    return "inconclusive"


# --- two releases, matched pairs ---


def contrast_of_pairs(pairs):
    """Mean difference within pairs, in the standard deviation within groups; ``pairs`` of two responses."""
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    return (mean(first) - mean(second)) / math.sqrt((variance(first) + variance(second)) / 2)


def change_of_pairs(old, new, draws):
    """Variance, over draws of whole pairs, of the change of a contrast from one model to another.

    ``old`` and ``new`` hold the same pairs' responses under either model; ``draws`` lists positions.
    """
    changes = []
    for chosen in draws:
        changes.append(
            contrast_of_pairs([new[i] for i in chosen]) - contrast_of_pairs([old[i] for i in chosen])
        )
    return variance(changes)
