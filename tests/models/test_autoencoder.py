"""The plain autoencoder, the densities fitted to its codes, and the nets that it shares with the VAE."""

import pytest
import torch
from sklearn.mixture import GaussianMixture as Reference

from paragone.bench.data.digits import digits
from paragone.bench.data.mnist import mnist
from paragone.models import Batch, DataSpec, NotTrained
from paragone.models.autoencoder.autoencoder import Autoencoder
from paragone.models.layers.convolutional import ConvDecoder, ConvEncoder, pyramid
from paragone.models.layers.mixture import GaussianMixture, expectation, maximisation, spread_seeds


@pytest.fixture(scope="module")
def clusters() -> torch.Tensor:
    """900 codes (900, 3) in three unequal, slanted clusters."""
    generator = torch.Generator().manual_seed(0)
    slant = torch.tensor([[1.0, 0, 0], [2, 0.3, 0], [0, 1, 0.5]], dtype=torch.float64)
    noise = torch.randn(900, 3, generator=generator, dtype=torch.float64) @ slant.T
    centres = torch.tensor([[0.0, 0, 0], [12, 0, 5], [-9, 20, 0]], dtype=torch.float64)
    return noise + centres[[0] * 500 + [1] * 300 + [2] * 100]


@pytest.fixture(scope="module")
def trained() -> tuple[Autoencoder, torch.Tensor]:
    data = digits()
    x = torch.from_numpy(data.train.items / 8.0 - 1).float()
    torch.manual_seed(0)
    model = Autoencoder(data.spec, width=24)
    model.generator = torch.Generator().manual_seed(1)
    order = torch.Generator().manual_seed(2)
    for i in range(600):
        model.update(Batch(x[torch.randperm(len(x), generator=order)[: model.batch_size]]), i / 600)
    model.prepare([Batch(part) for part in x.split(128)])
    return model, x


def covariance_error(samples: torch.Tensor, real: torch.Tensor) -> float:
    """Distance of the pixels' covariances, in units of what independent pixels would be off by."""
    target = real.flatten(1).T.cov()
    return float((samples.flatten(1).T.cov() - target).norm() / (target - target.diagonal().diag()).norm())


def test_fitted_samplers_wait_for_prepare() -> None:
    model = Autoencoder(DataSpec("image", (1, 8, 8), levels=17), width=4)
    for sampler in ("mixture", "gaussian", None):
        with pytest.raises(NotTrained, match="prepare"):
            model.sample(2, torch.Generator(), sampler=sampler)
    assert model.sample(2, torch.Generator(), sampler="prior").shape == (2, 1, 8, 8)


@torch.no_grad()
def test_it_learns_real_digits_and_its_prior_does_not(trained: tuple[Autoencoder, torch.Tensor]) -> None:
    model, x = trained
    variance = (x - x.mean(0)).square().mean()
    assert (model.decode(model.encode(x)) - x).square().mean() < 0.25 * variance
    errors = {s: covariance_error(model.sample(2000, torch.Generator().manual_seed(0), sampler=s), x) for s in model.samplers}
    assert errors["mixture"] < 0.3
    assert errors["gaussian"] < 0.5
    assert errors["prior"] > 2 * errors["mixture"]


@torch.no_grad()
@pytest.mark.parametrize("sampler", ["mixture", "gaussian"])
def test_sampled_codes_have_the_moments_of_the_training_codes(trained: tuple[Autoencoder, torch.Tensor], sampler: str) -> None:
    model, x = trained
    codes = model.encode(x)
    drawn = model.sample_codes(100_000, torch.Generator().manual_seed(3), sampler)
    deviation = codes.std(0)
    assert ((drawn.mean(0) - codes.mean(0)).abs() / deviation < 0.03).all()
    relative = (drawn.T.cov() - codes.T.cov()).abs() / deviation / deviation[:, None]
    assert relative.max() < 0.05  # the mixture's ridge alone adds 0.01


def test_gaussian_is_mean_and_covariance(clusters: torch.Tensor) -> None:
    density = GaussianMixture(1, 3)
    density.fit(clusters)
    assert torch.allclose(density.means[0].double(), clusters.mean(0), rtol=1e-5)
    assert torch.allclose((density.factors[0] @ density.factors[0].T).double(), clusters.T.cov(), rtol=1e-4)


@pytest.mark.filterwarnings("ignore:Best performing initialization did not converge")
def test_passes_of_expectation_maximisation_equal_those_of_scikit_learn(clusters: torch.Tensor) -> None:
    start = maximisation(clusters, torch.rand(900, 3, generator=torch.Generator().manual_seed(1)).double(), 1e-3)
    ours = start
    for _ in range(7):
        ours = maximisation(clusters, expectation(clusters, *ours), 1e-3)
    weights, means, covariances = (t.numpy() for t in start)
    theirs = Reference(
        3,
        reg_covar=1e-3,
        max_iter=7,
        tol=0,
        weights_init=weights / weights.sum(),
        means_init=means,
        precisions_init=torch.linalg.inv(start[2]).numpy(),
    ).fit(clusters.numpy())
    assert torch.allclose(ours[0], torch.from_numpy(theirs.weights_), atol=1e-9)
    assert torch.allclose(ours[1], torch.from_numpy(theirs.means_), atol=1e-7)
    assert torch.allclose(ours[2], torch.from_numpy(theirs.covariances_), atol=1e-6)
    assert covariances.shape == (3, 3, 3)


def test_mixture_finds_the_clusters_and_samples_them(clusters: torch.Tensor) -> None:
    density = GaussianMixture(3, 3)
    density.fit(clusters)
    order = density.weights.argsort(descending=True)
    assert torch.allclose(density.weights[order], torch.tensor([5, 3, 1]) / 9.0, atol=0.01)
    centres = torch.stack([part.mean(0) for part in clusters.split([500, 300, 100])]).float()
    assert torch.allclose(density.means[order], centres, atol=0.2)
    drawn = density.sample(50_000, torch.Generator().manual_seed(2))
    assert torch.allclose(drawn.mean(0), clusters.mean(0).float(), atol=0.2)
    assert torch.allclose(drawn.T.cov(), clusters.T.cov().float(), rtol=0.05, atol=0.6)


def test_fit_is_repeatable_and_leaves_the_global_generator_alone(clusters: torch.Tensor) -> None:
    first, second = GaussianMixture(4, 3), GaussianMixture(4, 3)
    state = torch.get_rng_state()
    first.fit(clusters)
    assert torch.equal(state, torch.get_rng_state())
    second.fit(clusters)
    assert torch.equal(first.factors, second.factors)


def test_codes_that_hardly_vary_or_repeat_can_be_fitted() -> None:
    for codes in (torch.zeros(50, 3), torch.eye(3).repeat(20, 1), 1e-4 * torch.randn(50, 3)):
        density = GaussianMixture(8, 3)
        density.fit(codes)
        drawn = density.sample(100, torch.Generator().manual_seed(0))
        assert drawn.isfinite().all()
        assert drawn.abs().max() < 10


def test_seeds_are_codes_and_spread_over_clusters(clusters: torch.Tensor) -> None:
    seeds = spread_seeds(clusters, 12, torch.Generator().manual_seed(0))
    distance = torch.cdist(clusters, seeds)
    assert (distance.min(0).values < 1e-6).all()
    assert all((distance[part].min(0).values < 1e-6).any() for part in (slice(500), slice(500, 800), slice(800, 900)))


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (1, 28, 28), (3, 64, 64), (3, 36, 20), (2, 8, 64)])
def test_nets_mirror_each_other_for_any_picture(shape: tuple[int, ...]) -> None:
    encoder, decoder = ConvEncoder(shape, 8, 16, 5), ConvDecoder(shape, 8, 16, 5)
    z = encoder(torch.rand(2, *shape))
    assert z.shape == (2, 5)
    assert decoder(z).shape == (2, *shape)


def test_pyramid_ends_at_four_pixels() -> None:
    assert pyramid(8, 8) == [(8, 8), (4, 4)]
    assert pyramid(28, 28) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert pyramid(8, 20) == [(8, 20), (4, 10), (4, 5), (4, 3)]


@pytest.mark.parametrize("seed", [0, 1])
def test_no_update_throws_it_off_on_larger_images(seed: int) -> None:
    """Blank images are a trap on MNIST: a step too long leads into it, and a net thrown off does not come back."""
    data = mnist()
    x = torch.from_numpy(data.to_unit(data.train.items))
    torch.manual_seed(seed)
    model, order = Autoencoder(data.spec, width=65), torch.Generator().manual_seed(seed)
    model.generator = torch.Generator().manual_seed(seed)
    losses = []
    for k in range(120):
        chosen = torch.randint(len(x), (model.batch_size,), generator=order)
        losses.append(float(model.update(Batch(x[chosen]), k / 1500)["loss"]))
    assert max(losses[20:]) < 1.5
    assert sum(losses[-20:]) / 20 < 1.2 * x.var(0).mean()
