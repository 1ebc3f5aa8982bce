"""Splits that keep every class's share and never tear a group apart."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def quotas(counts: Ints, share: float) -> Ints:
    """[C] how many of each class to take: each within one of its share, all together too.

    What rounding leaves over goes to the largest remainders, then to the largest classes; of a
    class with two members or more at least one is taken and one is left.

    Args:
        counts: [C] members of each class.
        share: from 0 to 1, both excluded.
    """
    exact = (share * counts).round(9)
    whole = np.floor(exact).astype(np.int64)
    missing = round(float(share * counts.sum())) - int(whole.sum())
    whole[np.lexsort((-counts, -(exact - whole).round(9)))[:missing]] += 1
    return np.clip(whole, np.minimum(counts // 2, 1), np.maximum(counts - 1, 0))


def taken(labels: Ints, groups: Ints, share: float, seed: int) -> NDArray[np.bool_]:
    """[N] which members to take so that each class gives its quota, as nearly as groups allow.

    Groups come in a random order and are taken as long as no class goes over its quota. Then the
    group that brings the classes nearest to their quotas by changing sides does so, until none
    does. A class of two groups or more is never on one side alone, unless another class would be
    for it. Where each member is its own group, the quotas are met.

    Args:
        labels: [N] class of each member, from 0.
        groups: [N] group of each member; what shares one goes the same way.
        share: how much of each class to take.
        seed: of the order.
    """
    _, groups = np.unique(groups, return_inverse=True)
    table = np.zeros((int(groups.max(initial=-1)) + 1, int(labels.max(initial=-1)) + 1), np.int64)
    np.add.at(table, (groups, labels), 1)
    counts = table.sum(axis=0)
    left, chosen = quotas(counts, share), np.zeros(len(table), bool)
    for n in np.random.default_rng(seed).permutation(len(table)):
        if (table[n] <= left).all():
            chosen[n] = True
            left -= table[n]
    _balance(table, quotas(counts, share), chosen)
    return chosen[groups]


def _balance(table: Ints, goal: Ints, chosen: NDArray[np.bool_]) -> None:
    """Let groups change sides while that helps. Changes `chosen`.

    Args:
        table: [G, C] members of each group in each class.
        goal: [C] members to take.
        chosen: [G] groups taken.
    """
    counts, taken = table.sum(axis=0), table[chosen].sum(axis=0)
    best = _distance(taken, goal, counts)
    while len(table):
        moved = taken + np.where(chosen[:, None], -table, table)
        distances = _distance(moved, goal, counts)
        n = int(distances.argmin())
        if distances[n] >= best - 1e-12:
            return
        best, taken = distances[n], moved[n]
        chosen[n] = not chosen[n]


def _distance(taken: Ints, goal: Ints, counts: Ints) -> NDArray[np.float64]:
    """[...] how far what is taken, [..., C], is from its quotas.

    Squared shares of the quotas, and beyond all of them the classes that lie on one side alone.
    """
    off = (taken - goal) / np.maximum(goal, 1)
    alone = (taken == 0) | (taken == counts)
    return np.square(off).sum(axis=-1) + 1e9 * alone.sum(axis=-1)


def joined(*keys: Ints) -> Ints:
    """[N] the groups in which members are together that share any of the keys, each [N]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(keys[0])
    if not count:
        return np.zeros(0, np.int64)
    members, hubs, start = [], [], count
    for key in keys:
        _, place = np.unique(key, return_inverse=True)
        members.append(np.arange(count))
        hubs.append(start + place)
        start += int(place.max()) + 1
    edges = (np.concatenate(members), np.concatenate(hubs))
    graph = coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(start, start))
    return connected_components(graph, directed=False)[1][:count].astype(np.int64)
