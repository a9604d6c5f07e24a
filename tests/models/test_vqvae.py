"""vqvae: nearest codes, straight-through, the codebook's recurrence, revival, and the prior's cache."""

import pytest
import torch

from paragone.bench.data.digits import digits
from paragone.models import Batch, DataSpec, NotTrained
from paragone.models.hybrid import vqvae
from paragone.models.hybrid.vqvae import VQVAE
from paragone.models.layers import quantise
from paragone.models.layers.quantise import Quantiser, straight_through

DIGITS = DataSpec("image", (1, 8, 8), levels=17)
CODES = VQVAE(DIGITS, 8).quantiser.codebook.shape[0]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def settled_quantiser(codes: int = 5, code_width: int = 3) -> Quantiser:
    """A float64 quantiser whose codes all are in use."""
    quantiser = Quantiser(codes, code_width).double()
    quantiser.codebook[:] = torch.randn(codes, code_width, generator=generator(3), dtype=torch.float64)
    quantiser.count[:] = 100.0
    quantiser.total[:] = 100.0 * quantiser.codebook
    return quantiser


def test_codes_are_the_nearest():
    quantiser = settled_quantiser()
    z = torch.randn(4, 3, 2, 2, generator=generator(), dtype=torch.float64)
    q, codes = quantiser(z)
    distances = torch.cdist(z.permute(0, 2, 3, 1).flatten(0, 2), quantiser.codebook)
    assert torch.equal(codes.flatten(), distances.argmin(1))
    assert torch.equal(q[1, :, 0, 1], quantiser.codebook[codes[1, 0, 1]])


def test_straight_through_has_the_value_of_q_and_the_gradient_of_z():
    z = torch.randn(2, 3, 2, 2, generator=generator(), dtype=torch.float64, requires_grad=True)
    q = torch.randn(2, 3, 2, 2, generator=generator(1), dtype=torch.float64)
    weight = torch.randn(2, 3, 2, 2, generator=generator(2), dtype=torch.float64)
    out = straight_through(z, q)
    torch.testing.assert_close(out, q)
    (out * weight).sum().backward()
    assert torch.equal(z.grad, weight)


def test_reconstruction_trains_the_encoder_through_the_codes():
    """With the commitment's gradient removed, the encoder's gradient is the decoder's gradient at the codes."""
    torch.manual_seed(0)
    model = VQVAE(DIGITS, 8).double()
    x = torch.rand(4, 1, 8, 8, generator=generator(), dtype=torch.float64) * 2 - 1
    z = model.encoder(x).detach()
    q = model.quantiser(z)[0].requires_grad_()
    torch.nn.functional.mse_loss(model.decoder(q), x).backward()
    commitment = 2 * vqvae.COMMITMENT * (z - q.detach()) / z.numel()
    expected = torch.autograd.grad(model.encoder(x), model.encoder[0].weight, q.grad + commitment)[0]
    model.zero_grad()
    model._codes_loss(x)[0].backward()
    torch.testing.assert_close(model.encoder[0].weight.grad, expected)


def test_codebook_equals_its_recurrence():
    """Appendix A.1 of the paper, code by code in plain loops, over three steps with every code in use."""
    quantiser, decay = settled_quantiser(), quantise.CODEBOOK_DECAY
    count, total = [100.0] * 5, [100.0 * e for e in quantiser.codebook.clone()]
    for step in range(3):
        z = torch.randn(6, 3, 2, 2, generator=generator(step), dtype=torch.float64)
        codes = quantiser.nearest(z)
        usage = quantiser.follow(z, codes, generator())
        assert usage == 1
        flat, chosen = z.permute(0, 2, 3, 1).reshape(-1, 3), codes.flatten()
        for j in range(5):
            mine = flat[chosen == j]
            count[j] = decay * count[j] + (1 - decay) * len(mine)
            total[j] = decay * total[j] + (1 - decay) * mine.sum(0)
            torch.testing.assert_close(quantiser.codebook[j], total[j] / count[j])


def test_dead_codes_are_revived_at_vectors_of_the_batch_and_the_living_stay():
    quantiser = settled_quantiser()
    quantiser.codebook[2:] += 1000.0  # out of reach
    quantiser.count[2:] = 0.0
    z = torch.randn(6, 3, 2, 2, generator=generator(), dtype=torch.float64)
    codes = quantiser.nearest(z)
    assert codes.max() < 2
    usage = quantiser.follow(z, codes, generator())
    assert usage.item() == pytest.approx(2 / 5)
    flat = z.permute(0, 2, 3, 1).reshape(-1, 3)
    to_batch = torch.cdist(quantiser.codebook, flat).min(1).values
    assert (to_batch[2:] < 1e-12).all()
    assert (to_batch[:2] > 1e-3).all()
    assert quantiser.follow(z, quantiser.nearest(z), generator()) > 2 / 5


def test_a_fresh_codebook_is_taken_from_the_first_batch_and_the_log_reports_usage():
    model = VQVAE(DIGITS, 8).double()
    x = torch.rand(32, 1, 8, 8, generator=generator(), dtype=torch.float64) * 2 - 1
    z = model.encoder(x).detach().permute(0, 2, 3, 1).flatten(0, 2)
    codes = model.encode(x).flatten()
    log = model.update(Batch(x), 0.0)
    assert 0 <= log["codebook_usage"] < 1  # random codes, far from the encoder's vectors: most are not chosen
    means = [z[codes == j].mean(0) for j in codes.unique()]  # a chosen code starts at its mean, the others at a vector
    nearest = torch.cdist(model.quantiser.codebook, torch.cat([z, torch.stack(means)])).min(1).values
    assert nearest.max() < 1e-6


def test_prior_sees_no_later_code():
    torch.manual_seed(0)
    prior = VQVAE(DIGITS, 16).double().prior
    torch.nn.init.normal_(prior.logits.weight)
    codes = torch.randint(CODES, (1, prior.length), generator=generator())
    before = prior(codes)
    for t in range(prior.length):
        changed = codes.clone()
        changed[0, t] = (codes[0, t] + 1) % CODES
        differs = (prior(changed) != before).any(-1)[0]
        assert not differs[: t + 1].any(), f"code {t} is seen at or before its own position"
        assert differs[t + 1 :].all(), f"code {t} is not seen by all later positions"


def test_cached_prior_equals_the_whole_transformer_code_by_code():
    torch.manual_seed(0)
    prior = VQVAE(DIGITS, 16).double().prior
    codes = torch.randint(CODES, (3, prior.length), generator=generator())
    x = prior.inputs(codes)
    whole = prior.body(x)
    cache = prior.body.cache(3, prior.length)
    prefix = prior.body.step(x[:, :5], cache)  # several positions at once, as with a given beginning
    singles = [prior.body.step(x[:, t : t + 1], cache) for t in range(5, 9)]
    pair = prior.body.step(x[:, 9:11], cache)
    rest = [prior.body.step(x[:, t : t + 1], cache) for t in range(11, prior.length)]
    torch.testing.assert_close(torch.cat([prefix, *singles, pair, *rest], 1), whole)


def test_sampling_the_prior_uses_the_logits_of_the_whole_transformer(monkeypatch):
    torch.manual_seed(0)
    prior = VQVAE(DIGITS, 16).double().prior
    torch.nn.init.normal_(prior.logits.weight, std=0.3)
    cached = []
    multinomial = torch.multinomial
    monkeypatch.setattr(torch, "multinomial", lambda p, *a, **k: (cached.append(p), multinomial(p, *a, **k))[1])
    codes = prior.sample(3, generator())
    torch.testing.assert_close(torch.stack(cached, 1), prior(codes).softmax(-1))


def test_stages_switch_at_their_share_and_the_codes_freeze():
    model = VQVAE(DIGITS, 8)
    x = torch.rand(8, 1, 8, 8, generator=generator()) * 2 - 1
    share = model.stages[0][1]
    model.update(Batch(x), share - 0.01)
    with pytest.raises(NotTrained):
        model.sample(1, generator())
    first_stage = {k: v.clone() for k, v in model.state_dict().items() if k.startswith(("enc", "dec", "quant"))}
    model.update(Batch(x), share)
    assert all(torch.equal(model.state_dict()[k], v) for k, v in first_stage.items())
    assert model.sample(1, generator()).shape == (1, 1, 8, 8)


@pytest.mark.parametrize(("side", "grid"), [(8, 4), (12, 6), (28, 7), (32, 8), (36, 5), (64, 8)])
def test_code_grids_are_small_for_every_side(side, grid):
    model = VQVAE(DataSpec("image", (3, side, side), levels=256), 8)
    codes = model.encode(torch.zeros(1, 3, side, side))
    assert codes.shape == (1, grid, grid)
    assert model.decode(codes).shape == (1, 3, side, side)


def test_learns_digits():
    """After 300 updates codes halve the error of the mean image, and the prior beats frequencies by position."""
    data = digits()
    train = torch.from_numpy(data.train.items).float() / 8 - 1
    held_out = torch.from_numpy(data.validation.items).float() / 8 - 1
    torch.manual_seed(0)
    model = VQVAE(DIGITS, 24)
    for i in range(300):
        at = torch.randint(len(train), (model.batch_size,), generator=generator(i))
        model.update(Batch(train[at]), i / 300)
    model.eval()
    with torch.no_grad():
        error = (model.decode(model.encode(held_out)) - held_out).square().mean()
        codes, seen = model.encode(held_out).flatten(1), model.encode(train).flatten(1)
        nats = torch.nn.functional.cross_entropy(model.average.module(codes).flatten(0, 1), codes.flatten())
    frequency = (torch.nn.functional.one_hot(seen, CODES).sum(0) + 0.1).log()  # by position
    frequency = frequency - frequency.logsumexp(1, keepdim=True)
    independent = -frequency.expand(len(codes), -1, -1).gather(2, codes[..., None]).mean()
    assert error < (held_out - train.mean(0)).square().mean() / 2
    assert nats < 0.97 * independent, f"{nats:.2f} nats a code against {independent:.2f} of independent codes"
