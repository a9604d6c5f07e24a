"""What `register` refuses, each with its message; the stages; the count of trained parameters; the abilities."""

import inspect
import itertools

import pytest
import torch
from torch import nn

from paragone.models import Batch, Contender, ContractError, Likelihood, contract, register, registered
from paragone.models.layers.ema import WeightAverage


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(contract, "_REGISTRY", dict(contract._REGISTRY))
    return contract._REGISTRY


class Least(Contender):
    """The least that the contract asks for."""

    def update(self, batch, progress):
        return {}

    def sample(self, n, generator, condition=None, sampler=None):
        return torch.zeros(n, 1, 8, 8)


def enter(cls=None, name="mine", family="gan", modalities=("image",)):
    return register(name, family=family, modalities=modalities)(cls or type("Mine", (Least,), {}))


def refused(*parts, **arguments):
    """Registering is refused, in words that hold every part; nothing is entered."""
    before = registered()
    with pytest.raises(ContractError) as error:
        enter(**arguments)
    assert all(part in str(error.value) for part in parts), str(error.value)
    assert registered() == before


def test_a_contender_is_found_by_its_name():
    cls = enter(name="my-gan-2", modalities=("image", "audio"))
    assert registered()["my-gan-2"] is cls
    assert (cls.name, cls.family, cls.modalities) == ("my-gan-2", "gan", ("image", "audio"))


def test_the_registry_is_sorted_and_handed_out_as_a_copy():
    enter(name="zebra")
    enter(name="aardvark")
    names = list(registered())
    assert names == sorted(names)
    registered().clear()
    assert "zebra" in registered()


@pytest.mark.parametrize("name", ["", "My-GAN", "my gan", "my_gan", "gan/2"])
def test_a_name_is_lower_case_letters_digits_and_hyphens(name):
    refused(repr(name), "lower case letters, digits and hyphens", name=name)


def test_a_name_is_given_once():
    enter(type("First", (Least,), {}))
    refused("'mine' is taken by First", "choose another")


def test_an_unknown_family_is_refused_with_the_known_ones():
    refused("'mine'", "unknown family 'gans'", "autoregressive, autoencoder, gan, diffusion, flow, hybrid", family="gans")


@pytest.mark.parametrize("modalities", ["image", ()])
def test_modalities_are_a_tuple(modalities):
    refused("'mine'", repr(modalities), '("image",)', modalities=modalities)


def test_an_unknown_modality_is_refused_with_the_known_ones():
    refused("'mine'", "unknown modality 'images'", "image, points, text", modalities=("image", "images"))


@pytest.mark.parametrize("thing", [nn.Linear, Least()], ids=["no contender", "no class"])
def test_only_classes_that_inherit_contender_are_entered(thing):
    refused("'mine'", "must be a class that inherits Contender", cls=thing)


def test_what_is_missing_is_named():
    refused("Nothing lacks sample, update", cls=type("Nothing", (Contender,), {}))
    refused("Half lacks sample", cls=type("Half", (Contender,), {"update": Least.update}))


@pytest.mark.parametrize("samplers", [(), "default"])
def test_samplers_are_a_tuple(samplers):
    refused("'mine'", repr(samplers), '("default",)', cls=type("Mine", (Least,), {"samplers": samplers}))


@pytest.mark.parametrize(
    "stages",
    [(("a", 0.5), ("b", 0.4)), (("a", 1.0), ("b", 0.5)), (("a", 1.5), ("b", -0.5)), (("a", 1.0), ("b", 0.0)), ()],
    ids=["short", "long", "negative", "empty share", "none"],
)
def test_shares_of_stages_are_positive_and_sum_to_one(stages):
    refused("'mine'", repr(stages), "positive and sum to 1", cls=type("Mine", (Least,), {"stages": stages}))


def test_thirds_sum_to_one_within_rounding():
    enter(type("Mine", (Least,), {"stages": tuple((name, 1 / 10) for name in "abcdefghij")}))


@pytest.mark.parametrize(
    ("method", "meant"),
    [
        ("log_probs", "log_prob"),
        ("logprob", "log_prob"),
        ("encoder", "encode"),
        ("decodes", "decode"),
        ("prepared", "prepare"),
        ("draw_latent", "draw_latents"),
    ],
)
def test_a_misspelt_ability_is_an_error_not_unsupported(method, meant):
    refused("'mine'", repr(method), f"Did you mean {meant!r}?", cls=type("Mine", (Least,), {method: lambda self, x: x}))


def test_a_misspelt_ability_of_ones_own_base_is_found_too():
    base = type("Base", (Least,), {"log_probs": lambda self, x: x})
    refused("'log_probs'", "Did you mean 'log_prob'?", cls=type("Mine", (base,), {}))


def test_methods_of_other_names_private_ones_and_attributes_are_ones_own_business():
    own = {"reconstruct": lambda self: 0, "_log_probs": lambda self: 0, "encoded": 3, "train_critic": lambda self: 0}
    enter(type("Mine", (Least,), own))


def test_abilities_are_those_that_are_overridden_also_by_a_base():
    base = type("Base", (Least,), {"encode": lambda self, x: x})
    mine = type("Mine", (base,), {"prepare": lambda self, batches: None})
    assert Least.abilities() == frozenset()
    assert base.abilities() == {"encode"}
    assert mine.abilities() == mine().abilities() == {"encode", "prepare"}


@pytest.mark.parametrize("ability", contract.ABILITIES)
def test_an_ability_that_is_not_offered_says_so(ability):
    method = getattr(Least(), ability)
    arguments = [torch.zeros(1)] * len(inspect.signature(method).parameters)
    with pytest.raises(NotImplementedError, match=f"Least does not offer '{ability}'; ask `abilities"):
        method(*arguments)


def test_stages_switch_at_their_shares():
    model = type("Mine", (Least,), {"stages": (("first", 0.25), ("second", 0.25), ("third", 0.5))})()
    assert model.stage_at(0.0) == ("first", 0.0)
    assert model.stage_at(0.125) == ("first", 0.5)
    assert model.stage_at(0.25) == ("second", 0.0)
    assert model.stage_at(0.375) == ("second", 0.5)
    assert model.stage_at(0.5) == ("third", 0.0)
    assert model.stage_at(0.75) == ("third", 0.5)
    assert model.stage_at(1.0) == ("third", 1.0)


def test_the_spent_share_of_every_stage_lies_in_0_to_1_and_rises():
    model = type("Mine", (Least,), {"stages": (("a", 0.1), ("b", 0.2), ("c", 0.7))})()
    walk = [model.stage_at(k / 1000) for k in range(1001)]
    assert [name for name, _ in itertools.groupby(walk, key=lambda stage: stage[0])] == ["a", "b", "c"]
    for _, stage in itertools.groupby(walk, key=lambda stage: stage[0]):
        shares = [share for _, share in stage]
        assert shares == sorted(shares)
        assert shares[0] >= 0
        assert shares[-1] <= 1


def test_one_stage_is_the_whole_budget():
    assert Least().stage_at(0.0) == ("train", 0.0)
    assert Least().stage_at(1.0) == ("train", 1.0)
    assert Least().stage_at(1.2) == ("train", 1.0), "an overrun is no further progress"


def test_trained_parameters_are_those_that_are_stepped_plus_learned_buffers():
    class Mine(Least):
        learned_buffers = ("net.codebook",)

        def __init__(self):
            super().__init__()
            self.net = nn.Linear(3, 2)
            self.net.register_buffer("codebook", torch.zeros(5, 4))
            self.net.register_buffer("table", torch.zeros(100))
            self.frozen = nn.Linear(7, 7).requires_grad_(False)
            self.average = WeightAverage(self.net, 0.9)
            self.tied = self.net

    assert Mine().trained_parameter_count() == (3 * 2 + 2) + 5 * 4


def test_a_learned_buffer_that_does_not_exist_is_an_error():
    model = type("Mine", (Least,), {"learned_buffers": ("codebook",)})()
    with pytest.raises(KeyError, match="codebook"):
        model.trained_parameter_count()


def test_a_contender_can_be_used_alone():
    """The defaults that the harness overwrites."""
    assert isinstance(Least().generator, torch.Generator)
    assert Least().learning_rate_factor == 1


def test_values_of_the_contract_are_frozen():
    for value, field in ((Batch(torch.zeros(1)), "x"), (Likelihood(torch.zeros(1), exact=True), "exact")):
        with pytest.raises(AttributeError):
            setattr(value, field, None)
    assert Batch(torch.zeros(1)).condition is None
