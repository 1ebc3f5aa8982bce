import numpy as np
import pytest

from scalewise.data import splits
from scalewise.data.species import TOTALS


def test_quotas_are_those_of_the_published_split():
    """The source's test split of the Russian Wildlife set, class by class."""
    test = splits.quotas(np.array(list(TOTALS.values())), 0.2)
    assert test.tolist() == [195, 210, 289, 195, 242, 243, 225, 308, 287, 140]


def test_quotas_by_hand():
    # Shares 2.5, 1.5, 1.0 sum to 5: whole 2, 1, 1, and the one left over goes to the larger class.
    assert splits.quotas(np.array([10, 6, 4]), 0.25).tolist() == [3, 1, 1]
    # At least one is taken where one can be left, and none of one alone.
    assert splits.quotas(np.array([3, 2, 1, 0]), 0.01).tolist() == [1, 1, 0, 0]
    assert splits.quotas(np.array([3, 2, 1, 0]), 0.99).tolist() == [2, 1, 0, 0]


def cases():
    rng = np.random.default_rng(0)
    for n in range(60):
        size, classes = int(rng.integers(30, 400)), int(rng.integers(1, 8))
        labels = np.concatenate([np.arange(classes), rng.integers(0, classes, size)])
        groups = rng.integers(0, max(size // int(rng.integers(1, 5)), 1), len(labels))
        yield labels, groups, float(rng.uniform(0.1, 0.5)), n


def test_each_class_gives_its_quota_where_members_are_alone():
    for labels, _, share, seed in cases():
        chosen = splits.taken(labels, np.arange(len(labels)), share, seed)
        counts = np.bincount(labels)
        taken = np.bincount(labels[chosen], minlength=len(counts))
        np.testing.assert_array_equal(taken, splits.quotas(counts, share))
        more = counts > 4  # one is taken of the smallest, whatever their share
        assert (np.abs(taken - share * counts)[more] <= 1).all()


def test_groups_are_never_torn_apart():
    for labels, groups, share, seed in cases():
        chosen = splits.taken(labels, groups, share, seed)
        assert not np.intersect1d(groups[chosen], groups[~chosen]).size


def test_groups_of_one_class_miss_their_quota_by_the_largest_of_them_at_most():
    for labels, groups, share, seed in cases():
        own = groups * 100 + labels
        counts = np.bincount(labels)
        taken = np.bincount(labels[splits.taken(labels, own, share, seed)], minlength=len(counts))
        largest = [
            np.unique(own[labels == c], return_counts=True)[1].max() for c in range(len(counts))
        ]
        several = [len(np.unique(own[labels == c])) > 1 for c in range(len(counts))]
        assert (np.abs(taken - splits.quotas(counts, share)) <= largest).all()
        assert ((taken > 0) & (taken < counts))[several].all()


def test_a_class_of_two_large_groups_gives_one():
    # The quota is 1 of 6, and both groups hold 3: either is further from it than none.
    chosen = splits.taken(np.zeros(6, int), np.repeat([0, 1], 3), 0.1, 0)
    assert chosen.sum() == 3
    assert not splits.taken(np.zeros(6, int), np.zeros(6, int), 0.1, 0).any()


def test_groups_of_many_classes_come_closer_than_scikit_learns():
    from sklearn.model_selection import StratifiedGroupKFold

    for seed in range(5):
        rng = np.random.default_rng(seed)
        labels, groups = rng.integers(0, 10, 3000), rng.integers(0, 300, 3000)
        counts = np.bincount(labels)
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        _, theirs = next(folds.split(labels, labels, groups))
        ours = splits.taken(labels, groups, 0.2, seed)
        off = [np.abs(np.bincount(labels[part]) / counts - 0.2) for part in (ours, theirs)]
        assert off[0].max() < 0.012
        assert off[0].mean() < off[1].mean()


def test_the_seed_alone_decides():
    labels, groups = np.arange(200) % 5, np.arange(200) // 3
    one, again, other = (splits.taken(labels, groups, 0.2, seed) for seed in (0, 0, 1))
    assert (one == again).all() and (one != other).any()


def test_nothing_gives_nothing():
    empty = np.zeros(0, np.int64)
    assert splits.taken(empty, empty, 0.2, 0).shape == (0,)
    assert splits.joined(empty, empty).shape == (0,)


def test_members_are_joined_along_chains():
    # 0-1 by the first key, 1-2 by the second, 2-3 by the first: one group; 4 is alone.
    groups = splits.joined(np.array([7, 7, 8, 8, 9]), np.array([1, 2, 2, 3, 4]))
    assert len(set(groups[:4].tolist())) == 1
    assert groups[4] != groups[0]


@pytest.mark.parametrize("count", [1, 40])
def test_joined_groups_agree_with_brute_force(count):
    rng = np.random.default_rng(count)
    for _ in range(20):
        keys = rng.integers(0, 25, (2, count))
        together = (keys[:, :, None] == keys[:, None, :]).any(axis=0)
        for _ in range(count):
            together = (together.astype(int) @ together) > 0
        groups = splits.joined(*keys)
        np.testing.assert_array_equal(groups[:, None] == groups[None], together)
