import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from threadpoolctl import threadpool_limits

from scalewise.errors import InputError
from scalewise.evaluation import embedding
from scalewise.evaluation.embedding import Parameters

QUICK = Parameters(iterations=250, perplexity=8)


def blobs(count: int = 60, dimensions: int = 12, seed: int = 0):
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    return 6 * rng.normal(size=(3, dimensions))[label] + rng.normal(size=(count, dimensions)), label


@pytest.mark.parametrize("dimensions", [2, 3])
def test_neighbours_stay_neighbours(dimensions):
    features, label = blobs()
    points = embedding.tsne(features, dimensions, Parameters(perplexity=8))
    assert points.shape == (60, dimensions)
    assert trustworthiness(features, points, n_neighbors=5) > 0.95
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (label[apart.argmin(axis=1)] == label).all()


def test_the_same_features_give_the_same_bytes_on_any_number_of_threads():
    features, _ = blobs()
    once = embedding.tsne(features, 2, QUICK)
    with threadpool_limits(2):
        assert embedding.tsne(features, 2, QUICK).tobytes() == once.tobytes()


@pytest.mark.parametrize("count", range(6))
def test_few_images_are_drawn_too(count):
    points = embedding.tsne(blobs(count)[0], 2, Parameters(iterations=250))
    assert points.shape == (count, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("shape", [(20, 1), (20, 2), (3, 1)])
def test_fewer_features_than_dimensions_leave_the_rest_flat(shape):
    points = embedding.tsne(np.random.default_rng(0).random(shape), 3, QUICK)
    assert points.shape == (shape[0], 3)
    assert np.isfinite(points).all()


def test_images_that_are_all_the_same_lie_in_one_point():
    assert not embedding.tsne(np.ones((20, 5)), 2, QUICK).any()


@pytest.mark.parametrize("seed", range(5))
def test_components_are_scikit_learns_but_for_signs(seed):
    features, _ = blobs(30, seed=seed)
    expected = PCA(4).fit_transform(features)
    assert np.abs(embedding.components(features, 4)) == pytest.approx(np.abs(expected))


def test_features_that_are_no_numbers_are_refused():
    broken = np.ones((5, 3))
    broken[3, 1] = np.inf
    with pytest.raises(InputError, match="image 3 has one that is not finite"):
        embedding.tsne(broken, 2, QUICK)
    with pytest.raises(InputError, match=r"expected \[images, features\], got \[5\]"):
        embedding.tsne(np.ones(5), 2, QUICK)


def test_thinning_keeps_the_order_and_is_the_same_again():
    few = Parameters(points=10)
    kept = embedding.thinned(100, few)
    assert len(kept) == 10
    assert (np.diff(kept) > 0).all()
    assert np.array_equal(kept, embedding.thinned(100, few))
    assert embedding.thinned(7, few).tolist() == list(range(7))


def test_features_are_read_or_refused(tmp_path):
    path = tmp_path / "train_features.npz"
    with pytest.raises(InputError, match="no such file"):
        embedding.read_features(path, 4)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="expected an NPZ with 'features'"):
        embedding.read_features(path, 4)
    np.savez(path, others=np.ones(3))
    with pytest.raises(InputError, match="expected an NPZ with 'features'"):
        embedding.read_features(path, 4)
    np.savez(path, features=np.ones((4, 3), np.float16))
    assert embedding.read_features(path, 4).shape == (4, 3)
    with pytest.raises(InputError, match=r"is \[4, 3\], expected one row for each of 5 images"):
        embedding.read_features(path, 5)
