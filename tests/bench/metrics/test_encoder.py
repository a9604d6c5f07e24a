"""The frozen encoders: good enough to judge by, the same for the same data, safe in their cache."""

import threading
import time

import numpy as np
import pytest
import torch

from paragone.bench.data import embedded
from paragone.bench.data.dataset import ImageDataset, Split, to_unit
from paragone.bench.metrics import encoder
from paragone.bench.metrics.encoder import Encoder, kinds, load_encoder, prepare_encoders, stride_for, train_encoder


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """A cache of its own, and training cut to three steps."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(encoder, "STEPS", 3)
    return tmp_path / "paragone"


def dataset(shape=(1, 8, 8), labels=True):
    draws = np.random.default_rng(0)
    split = Split(draws.integers(0, 256, (40, *shape)).astype(np.uint8), np.arange(40) % 4 if labels else None)
    return ImageDataset("random", split, split, split, level_count=256, source="test")


def equal(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_shipped_weights_classify_unseen_images(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = embedded(name)
    scores = load_encoder(data)(torch.from_numpy(to_unit(data.test.items, data.level_count)))
    assert np.mean(scores.argmax(1).numpy() == data.test.labels) >= 0.97
    assert not list(tmp_path.iterdir()), "shipped weights need no cache"


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_shipped_second_weights_tell_how_unseen_images_are_turned(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    data = embedded(name)
    images = torch.from_numpy(to_unit(data.test.items, data.level_count))
    turned = torch.cat([images.rot90(k, (2, 3)) for k in range(4)])
    right = load_encoder(data, "self-supervised")(turned)[:, :4].argmax(1) == torch.arange(4).repeat_interleave(len(images))
    assert right.double().mean() >= 0.93
    assert not list(tmp_path.iterdir()), "shipped weights need no cache"


def test_kinds_are_two_and_a_classifier_needs_labels(quick):
    assert kinds(dataset()) == ("classifier", "self-supervised")
    assert kinds(dataset(labels=False)) == ("self-supervised", "random")
    assert not equal(load_encoder(dataset(labels=False)), load_encoder(dataset(labels=False), "random"))
    with pytest.raises(ValueError, match="'random' has no labels to train a classifier on"):
        load_encoder(dataset(labels=False), "classifier")


def test_random_weights_are_the_seeds_own_and_not_cached(quick):
    one, again = (load_encoder(dataset(labels=False), "random") for _ in range(2))
    assert equal(one, again)
    assert not list(quick.parent.iterdir())


def test_both_are_prepared_ahead(quick, monkeypatch):
    prepare_encoders(dataset())
    assert len(list(quick.glob("encoder_*.safetensors"))) == 2
    monkeypatch.setattr(encoder, "train_encoder", lambda *_: pytest.fail("trained again"))
    prepare_encoders(dataset())


@pytest.mark.parametrize(("shape", "labels"), [((1, 8, 8), True), ((3, 16, 32), False), ((3, 64, 64), False)])
def test_trains_on_every_size_with_and_without_labels(quick, shape, labels):
    data = dataset(shape, labels)
    features = load_encoder(data).features(torch.from_numpy(to_unit(data.test.items, 256)))
    assert features.shape == (40, 64)


def test_digits_keep_their_network_and_large_images_are_thinned():
    assert [stride_for(side, side) for side in (8, 12, 16, 32, 36, 64)] == [1, 1, 2, 2, 4, 4]
    assert Encoder(1, 10).body[0].weight.shape == (32, 1, 3, 3)


def test_same_data_same_weights_and_the_global_state_stays(quick):
    before = torch.get_rng_state()
    for kind in ("classifier", "self-supervised"):
        assert equal(train_encoder(dataset(), kind), train_encoder(dataset(), kind))
        assert not equal(train_encoder(dataset(), kind), train_encoder(dataset(), kind, seed=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_cache_is_used(quick, monkeypatch):
    first = load_encoder(dataset())
    monkeypatch.setattr(encoder, "train_encoder", lambda *_: pytest.fail("trained again"))
    assert equal(first, load_encoder(dataset()))
    assert len(list(quick.glob("encoder_*.safetensors"))) == 1


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b"", lambda b: b"x" * 500, lambda b: b[:-8]])
def test_a_damaged_cache_file_is_made_anew(quick, damage):
    first = load_encoder(dataset())
    (path,) = quick.glob("encoder_*.safetensors")
    path.write_bytes(damage(path.read_bytes()))
    assert equal(first, load_encoder(dataset()))
    assert equal(first, load_encoder(dataset()))


def test_two_at_once_train_once(quick, monkeypatch):
    real, calls = encoder.train_encoder, []

    def slow(data, kind):
        calls.append(kind)
        time.sleep(0.2)
        return real(data, kind)

    monkeypatch.setattr(encoder, "train_encoder", slow)
    threads = [threading.Thread(target=load_encoder, args=(dataset(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_a_cache_that_cannot_be_written_is_said_and_costs_no_run(quick, monkeypatch):
    quick.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot be kept .* Set XDG_CACHE_HOME"):
        load_encoder(dataset())
