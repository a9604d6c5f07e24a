"""Probes of guidance and of styles, planted right and planted wrong; and lines between latents to look at."""

import pytest
import torch

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.bench.probes import latent_lines, owed_by
from paragone.bench.probes.guidance import GUIDANCE
from paragone.bench.probes.styles import STYLES
from paragone.models import registered
from tests.bench.probes.planted import ClassGAN, Silent, found, subject


class Guided(Silent):
    """Noise about a level that guidance moves from none to that of the class asked for."""

    samplers = ("plain", "cfg-0", "cfg-1")
    leak, bias, deaf = 0.0, 0.0, False

    def sample(self, n, generator, condition=None, sampler=None):
        w = {"plain": 1.0, "cfg-0": self.leak, "cfg-1": 1.0 + self.bias}[sampler]
        level = 0.0 if self.deaf else w * condition.view(-1, 1, 1, 1) / 10
        return torch.randn(n, *self.spec.shape, generator=generator) + level


@pytest.fixture(scope="module")
def labelled():
    return embedded("digits-labelled")


def gap(labelled, **planted):
    contender = Guided(labelled.spec, 1)
    for name, value in planted.items():
        setattr(contender, name, value)
    return found(GUIDANCE, subject(contender, labelled))["guidance_gap"]


def test_guidance_that_is_its_formula_has_no_gap(labelled):
    assert gap(labelled).value == 0


@pytest.mark.parametrize(("planted", "expected"), [({"leak": 0.5}, 0.45), ({"bias": 0.5}, 0.45)])
def test_a_class_that_leaks_in_at_0_or_is_overdone_at_1_shows(labelled, planted, expected):
    assert gap(labelled, **planted).value == pytest.approx(expected, abs=1e-6)  # of nine tenths between the classes 9 and 0


def test_samples_that_ignore_the_class_say_nothing_of_guidance(labelled):
    measured = gap(labelled, deaf=True)
    assert measured.value is None
    assert "do not depend on the class" in measured.source


def test_without_labels_there_is_no_guidance(digits):
    assert found(GUIDANCE, subject(Guided(digits.spec, 1), digits))["guidance_gap"].source == "the data hands out no labels"


def test_only_contenders_with_both_samplers_owe_it():
    assert owed_by(["guidance"], registered()["ddpm"], "image") == [("", "guidance_gap")]
    assert owed_by(["guidance"], registered()["vae"], "image") == []
    assert owed_by(["styles"], registered()["stylegan"], "image") == [("", "style_scale_ratio")]
    assert owed_by(["styles"], registered()["dcgan"], "image") == []


class Styled(Silent):
    """Latents are amplitudes of a wave; `early` changes the one of low frequency, `late` that of high, unless exchanged."""

    exchanged = False

    def draw_latents(self, n, generator):
        return torch.randn(n, 2, generator=generator)

    def decode(self, z):
        x = torch.arange(8) * torch.pi / 4
        slow, fast = x.cos(), (4 * x).cos()
        return (z[:, :1] * slow + z[:, 1:] * (fast + 0.5 * slow)).view(-1, 1, 1, 8).expand(-1, 1, 8, 8)

    def decode_mixed(self, z, other, part):
        early = torch.stack([other[:, 0], z[:, 1]], 1), torch.stack([z[:, 0], other[:, 1]], 1)
        return self.decode(early[(part == "late") != self.exchanged])


def test_what_early_layers_change_is_coarser_by_the_ratio_of_shares(digits):
    """The power of cos is N^2 / 4 at each of two frequencies, that of cos(pi k) N^2 at one: late changes are .111 coarse."""
    coarse = found(STYLES, subject(Styled(digits.spec, 1), digits))["style_scale_ratio"]
    share = 2 * 0.25**2 / (2 * 0.25**2 + 1.0)
    assert coarse.value == pytest.approx(1 / share, rel=1e-3)
    other = Styled(digits.spec, 1)
    other.exchanged = True
    assert found(STYLES, subject(other, digits))["style_scale_ratio"].value == pytest.approx(share, rel=1e-3)


# Lines between latents


def test_lines_go_from_one_latent_to_another_in_even_steps(digits):
    contender = Styled(digits.spec, 1)
    asked = subject(contender, digits)
    lines = latent_lines(["latents"], asked, 3, 10)
    assert lines.shape == (30, 1, 8, 8)
    assert lines.dtype == digits.train.items.dtype
    z = contender.draw_latents(300, asked.torch_draws("line ends"))
    for line in range(3):
        ends = digits.to_items(contender.decode(z[[line, 150 + line]]).numpy())
        assert (lines[10 * line] == ends[0]).all()
        assert (lines[10 * line + 9] == ends[1]).all()


def test_no_lines_where_nobody_asks_or_nothing_lies_between(digits):
    bank = ClassGAN(digits.spec, to_unit(digits.train.items[:5], 17))
    assert latent_lines(["sizes"], subject(bank, digits), 3, 10) is None
    assert latent_lines(["latents"], subject(Silent(digits.spec, 1), digits), 3, 10) is None
    bank.draw_latents = lambda n, generator: torch.zeros(n, 5, dtype=torch.int64)
    assert latent_lines(["latents"], subject(bank, digits), 3, 10) is None
