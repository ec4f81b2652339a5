"""Slow oracles of the statistics: the definitions, in plain loops.

They are written from the equations in docs/statistics.md and the papers, not from the code they check.
"""

from __future__ import annotations

import math
import statistics
from itertools import combinations, permutations, product

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


# --- images that count as one ---


def unit_values(row, labels, clusters=None):
    """Label to the means over clusters, in the order in which clusters come up."""
    clusters = range(len(row)) if clusters is None else clusters
    members = {}
    for value, label, cluster in zip(row, labels, clusters, strict=True):
        members.setdefault(int(label), {}).setdefault(int(cluster), []).append(float(value))
    return {label: [mean(values) for values in of.values()] for label, of in members.items()}


def together(first, second):
    """Sets of positions connected by either clustering, by merging until nothing changes."""
    sets = [{i} for i in range(len(first))]
    merged = True
    while merged:
        merged = False
        for a, b in combinations(range(len(sets)), 2):
            if any(first[i] == first[j] or second[i] == second[j] for i in sets[a] for j in sets[b]):
                sets[a] |= sets.pop(b)
                merged = True
                break
    return sorted(map(sorted, sets))


# --- effects ---


def compared_with(groups, concept):
    """Labels that a concept is compared with: the reference images (-1) alone, or else all other concepts."""
    return [-1] if -1 in groups else [label for label in sorted(groups) if label != concept]


def effect(groups, concept, *, against_zero=False):
    """Mean of the concept's units less the average of the means of what it is compared with."""
    if against_zero:
        return mean(groups[concept])
    return mean(groups[concept]) - mean([mean(groups[k]) for k in compared_with(groups, concept)])


def standard_error(groups, concept, *, against_zero=False):
    total = variance(groups[concept]) / len(groups[concept])
    if not against_zero:
        others = compared_with(groups, concept)
        for k in others:
            total += variance(groups[k]) / len(groups[k]) / len(others) ** 2
    return math.sqrt(total)


def studentised(groups, concept, *, against_zero=False):
    error = standard_error(groups, concept, against_zero=against_zero)
    return effect(groups, concept, against_zero=against_zero) / error if error > 1e-12 else 0.0


def degrees_of_freedom(groups, concept, *, against_zero=False):
    """Units of the smaller side less 1."""
    others = [] if against_zero else compared_with(groups, concept)
    sides = [len(groups[concept]), *([sum(len(groups[k]) for k in others)] if others else [])]
    return min(sides) - 1


def relabelled(groups):
    """Every assignment of the units to labels of the same sizes."""
    labels = [label for label in groups for _ in groups[label]]
    units = [value for label in groups for value in groups[label]]
    for dealt in set(permutations(labels)):
        again = {label: [] for label in groups}
        for label, value in zip(dealt, units, strict=True):
            again[label].append(value)
        yield again


def signed(units):
    """Every way to give signs."""
    for signs in product((1, -1), repeat=len(units)):
        yield [sign * value for sign, value in zip(signs, units, strict=True)]


def exact_p(groups, concept, *, against_zero=False):
    """Share of all relabellings, or of all signs, whose statistic is at least as extreme."""
    observed = abs(studentised(groups, concept, against_zero=against_zero))
    ways = [{concept: units} for units in signed(groups[concept])] if against_zero else relabelled(groups)
    found = [abs(studentised(way, concept, against_zero=against_zero)) for way in ways]
    return sum(1 for value in found if value >= observed - 1e-9) / len(found)


def permutation_p(observed, permuted):
    """Two-sided, absolute values, the observed one counted in."""
    hits = sum(1 for value in permuted if abs(value) >= abs(observed) * (1 - 1e-12))
    return (1 + hits) / (1 + len(permuted))


def influence(groups, concept, *, against_zero=False):
    """Label to what each unit adds to the effect when units are weighted: its weighted deviation."""
    others = [] if against_zero else compared_with(groups, concept)
    added = {}
    for label, units in groups.items():
        weight = 1.0 if label == concept else -1 / len(others) if label in others else 0.0
        added[label] = [weight * (value - mean(units)) for value in units]
    return added


def pivots(added, counts):
    """Studentised bootstrap and its standard errors; ``counts[label][draw][j]`` times unit j of a label.

    A resample's standard error is at least a quarter of the sample's.
    """
    result, errors = [], []
    usual2 = sum(mean([x**2 for x in units]) / (len(units) - 1) for units in added.values())
    for draw in range(len(next(iter(counts.values())))):
        shift, error2 = 0.0, 0.0
        for label, of_label in counts.items():
            drawn = []
            for value, times in zip(added[label], of_label[draw], strict=True):
                drawn += [value] * int(times)
            shift += mean(drawn)
            # A resample's variance estimates the sample's, which divides by n - 1 in its turn.
            error2 += mean([(x - mean(drawn)) ** 2 for x in drawn]) / (len(drawn) - 1)
        error = max(math.sqrt(error2), math.sqrt(usual2) / 4)
        result.append(shift / error)
        errors.append(error)
    return result, errors


def quantile(values, share):
    """Linear between the two neighbours in order."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2)
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


def minimum_detectable(null, shifts, errors, level, power=0.8):
    """The effect exceeds the critical value, which just reaches the level, with the stated power."""
    allowed = max(1, int(level * (1 + len(null)) + 1e-9))
    bar = sorted((abs(value) for value in null), reverse=True)[allowed - 1]
    upwards = [bar * e - s for s, e in zip(shifts, errors, strict=True)]
    downwards = [bar * e + s for s, e in zip(shifts, errors, strict=True)]
    return max(quantile(upwards, power), quantile(downwards, power))


def class_shares(effects, index):
    """Per concept, the share of other classes at least as extreme on the same side; zero is positive."""
    shares = []
    for concept in range(len(effects[0])):
        own = effects[index][concept]
        others = [row[concept] for k, row in enumerate(effects) if k != index]
        if not others:
            shares.append(None)
            continue
        hits = 0
        for other in others:
            hits += int(other >= own) if own >= 0 else int(other <= own)
        shares.append(hits / len(others))
    return shares


def standardised(row):
    middle = mean(row)
    spread = math.sqrt(mean([(value - middle) ** 2 for value in row]))
    return [(value - middle) / spread if spread > 1e-12 else 0.0 for value in row]


def against_classes(rows, index):
    """One class's standardised responses, less the mean over the other classes."""
    scaled = [standardised(row) for row in rows]
    others = [row for k, row in enumerate(scaled) if k != index]
    if not others:
        return scaled[index]
    return [own - mean([row[i] for row in others]) for i, own in enumerate(scaled[index])]


def compared_sd(groups, concept):
    """Sd of the balanced mixture of the groups compared with, without the bias of an estimated mean."""
    others = [groups[k] for k in compared_with(groups, concept)]
    centre = mean([mean(g) for g in others])
    spread = mean([mean([(value - centre) ** 2 for value in g]) for g in others])
    correction = sum(variance(g) / len(g) for g in others) / len(others) ** 2
    return math.sqrt(spread + correction)


# --- pairs and two groups ---


def contrast_groups(row, more, less, *, matched):
    """{0: units} of pairs, or {0: units, 1: units} of two groups; -1 marks images that take no part."""
    sides = []
    for units in (more, less):
        members = {}
        for value, unit in zip(row, units, strict=True):
            if unit >= 0:
                members.setdefault(int(unit), []).append(float(value))
        sides.append({unit: mean(values) for unit, values in sorted(members.items())})
    if matched:
        return {0: [sides[0][unit] - sides[1][unit] for unit in sides[0]]}
    return {0: list(sides[0].values()), 1: list(sides[1].values())}


# --- regression on nuisance properties ---


def regression(response, columns):
    """Coefficients, residual sum of squares and rank of least squares on explicit columns."""
    design = np.column_stack(columns)
    coefficients, _, rank, _ = np.linalg.lstsq(design, np.asarray(response, float), rcond=1e-10)
    residual = np.asarray(response, float) - design @ coefficients
    return coefficients, float(residual @ residual), int(rank)


def at_equal_properties(response, properties, first=None):
    """Coefficient of the group, its standard error and degrees of freedom.

    Pairs: the difference of the responses on the differences of the properties; the intercept is the
    group. Pictures: an intercept, the properties, and the group as 0 or 1.
    """
    count = len(response)
    group = np.ones(count) if first is None else np.array([1.0 if value else 0.0 for value in first])
    columns = [group, *np.asarray(properties, float).T]
    if first is not None:
        columns.append(np.ones(count))
    coefficients, rss, rank = regression(response, columns)
    df = count - rank
    # The coefficient depends on the part of the group that the other columns do not explain.
    _, own, _ = regression(group, columns[1:])
    return float(coefficients[0]), math.sqrt(rss / df / own), df


def adjusted_r2(properties, first=None):
    """Of the group on the properties, not below 0; pairs have no intercept."""
    x = np.asarray(properties, float)
    count = len(x)
    if first is None:
        group = np.ones(count)
        _, left, rank = regression(group, list(x.T))
        return max(0.0, 1 - (left / (count - rank)) / (count / count))
    group = np.array([1.0 if value else 0.0 for value in first])
    _, left, rank = regression(group, [np.ones(count), *x.T])
    return max(0.0, 1 - (left / (count - rank)) / variance(list(group)))


# --- probabilities ---


def softmax(logits, temperature=1.0):
    scaled = [float(value) / temperature for value in logits]
    largest = max(scaled)
    powers = [math.exp(value - largest) for value in scaled]
    return [power / sum(powers) for power in powers]


def log_scaled(probability, classes):
    return math.log(1 + classes * probability) / math.log(1 + classes)


def entropy(logits, temperature=1.0):
    """Mean over images, in nats."""
    return mean([-sum(p * math.log(p) for p in softmax(row, temperature) if p > 0) for row in logits])


# --- many tests ---


def holm(p_values):
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i])
    result, largest = [0.0] * count, 0.0
    for step, i in enumerate(order):
        largest = max(largest, min(1.0, p_values[i] * (count - step)))
        result[i] = largest
    return result


def benjamini_yekutieli(p_values):
    count = len(p_values)
    penalty = sum(1 / k for k in range(1, count + 1))
    order = sorted(range(count), key=lambda i: p_values[i])
    result, smallest = [0.0] * count, 1.0
    for rank in range(count, 0, -1):
        i = order[rank - 1]
        smallest = min(smallest, p_values[i] * count * penalty / rank)
        result[i] = smallest
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


# --- importance under the detectors of several classes ---


def unit_mmd2(points, labels, clusters, concept, bandwidth):
    """Unbiased squared MMD of one concept's units to all others; units' kernels are means over images."""
    members = {}
    for i, (label, cluster) in enumerate(zip(labels, clusters, strict=True)):
        members.setdefault((int(label), int(cluster)), []).append(points[i])

    def between(a, b):
        return mean([kernel(x, y, bandwidth) for x in members[a] for y in members[b]])

    own = [unit for unit in members if unit[0] == concept]
    rest = [unit for unit in members if unit[0] != concept]
    inside = [mean([between(a, b) for a in side for b in side if a != b]) for side in (own, rest)]
    return sum(inside) - 2 * mean([between(a, b) for a in own for b in rest])


def moderated_variances(rows, prior):
    """Per column the variance over rows, drawn towards the mean variance as by ``prior`` further rows."""
    own = [variance(column) for column in zip(*rows, strict=True)]
    df = len(rows) - 1
    return [(df * value + prior * mean(own)) / (df + prior) for value in own]
