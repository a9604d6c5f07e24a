"""One walk over all contenders through everything that the contract promises; a new contender is tested by existing."""

import copy

import pytest
import torch
from safetensors.torch import load, save

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec, NotTrained, registered
from tests.specimens import DIGITS, build, every_contender, every_image_contender, items, prepared, quick_samplers, sample, train

SPECS = {
    "digits": DIGITS,
    "wide colour": DataSpec("image", (3, 12, 20), levels=256),
    "mnist": DataSpec("image", (1, 28, 28), levels=256),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@every_image_contender
def test_updates_and_samples_on_any_images(name, spec):
    contender = prepared(train(build(name, spec), spec, steps=2, batch=4), spec)
    logs = contender.train().update(Batch(items(spec, 3)), 0.9)
    assert logs, name
    for key, value in logs.items():
        assert not torch.as_tensor(value).requires_grad, f"{name} logs {key} with a gradient"
        assert torch.as_tensor(value).isfinite(), f"{name} logs {key} = {value}"
    x = sample(contender, 2, sampler=quick_samplers(contender)[0])
    assert x.shape == (2, *spec.shape), name
    assert x.dtype == torch.float32, name
    assert x.isfinite().all(), name


@every_contender
def test_every_sampler_gives_any_number_and_depends_on_its_generator_alone(name, spec):
    contender = prepared(train(build(name, spec), spec), spec)
    for sampler in quick_samplers(contender):
        assert sample(contender, 1, sampler=sampler).shape == (1, *spec.shape), f"{name}/{sampler}"
        torch.manual_seed(1)
        one = sample(contender, 5, seed=3, sampler=sampler)
        torch.manual_seed(2)
        assert torch.equal(one, sample(contender, 5, seed=3, sampler=sampler)), f"{name}/{sampler} draws elsewhere"
        assert not torch.equal(one, sample(contender, 5, seed=4, sampler=sampler)), f"{name}/{sampler} ignores its generator"
    default = sample(contender, 2, seed=3)
    assert torch.equal(default, sample(contender, 2, seed=3, sampler=contender.samplers[0])), name


@every_contender
def test_sampling_leaves_the_global_generator_alone(name, spec):
    contender = prepared(train(build(name, spec), spec), spec)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    sample(contender, 2, sampler=quick_samplers(contender)[0])
    assert torch.equal(before, torch.get_rng_state()), name


@every_contender
def test_an_unknown_sampler_is_refused(name, spec):
    contender = prepared(train(build(name, spec), spec), spec)
    with pytest.raises((ValueError, KeyError), match="no-such"):
        sample(contender, 1, sampler="no-such")


@every_contender
def test_samples_at_any_progress_or_says_too_early(name, spec):
    contender = build(name, spec)
    try:
        x = sample(contender, 2)
    except NotTrained:
        return
    assert x.isfinite().all(), name


@every_contender
def test_training_is_determined_by_its_seeds(name, spec):
    one, two, other = train(build(name, spec), spec), train(build(name, spec), spec), train(build(name, spec, seed=1), spec)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True)), name
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)), name


@every_contender
def test_at_learning_rate_factor_zero_no_parameter_moves(name, spec):
    contender = build(name, spec)
    contender.learning_rate_factor = 0.0
    before = {key: p.detach().clone() for key, p in contender.named_parameters() if p.requires_grad}
    train(contender, spec)
    moved = [key for key, p in contender.named_parameters() if p.requires_grad and not torch.equal(before[key], p)]
    assert not moved, f"{name}: {moved[:3]}"


@every_contender
def test_training_moves_every_network(name, spec):
    """A parameter that nothing trains is dead weight in the budget."""
    contender = build(name, spec)
    before = {key: p.detach().clone() for key, p in contender.named_parameters() if p.requires_grad}
    train(contender, spec, steps=12)
    still = [key for key, p in contender.named_parameters() if p.requires_grad and p.numel() > 1 and torch.equal(before[key], p)]
    assert not still, f"{name}: {still[:3]}"


@every_contender
def test_loaded_weights_give_the_same_samples(name, spec):
    contender = prepared(train(build(name, spec), spec), spec)
    stored = save({key: value.contiguous().clone() for key, value in contender.state_dict().items()})
    other = build(name, spec, seed=9)
    other.load_state_dict(load(stored))
    sampler = quick_samplers(contender)[0]
    assert torch.equal(sample(contender, 3, sampler=sampler), sample(other, 3, sampler=sampler)), name


@every_contender
def test_parameters_grow_with_the_width(name, spec):
    counts = [build(name, spec, width=width).trained_parameter_count() for width in (4, 8, 9, 16, 31, 64)]
    assert counts == sorted(counts), name
    assert counts[0] < counts[-1], name


@pytest.mark.parametrize("parameters", [30_000, 100_000, 200_000, 300_000, 3_000_000])
@every_contender
def test_some_width_meets_the_parameter_budget(name, spec, parameters):
    _, count = solve_width(registered()[name], spec, parameters)
    assert not outside_budget(count, parameters), f"{name}: {count}"


@pytest.mark.parametrize("parameters", [300_000, 3_000_000])
@every_image_contender
def test_some_width_meets_the_parameter_budget_on_larger_images(name, parameters):
    _, count = solve_width(registered()[name], SPECS["mnist"], parameters)
    assert not outside_budget(count, parameters), f"{name}: {count}"


@every_image_contender
def test_small_budgets_are_met_on_larger_images(name):
    _, least = solve_width(registered()[name], SPECS["mnist"], 30_000)
    assert least < 35_000, f"{name}: {least}"  # steps of small widths are coarse


@every_image_contender
def test_likelihood_is_per_item_and_of_discrete_levels(name):
    spec = SPECS["digits"]
    contender = prepared(train(build(name, spec), spec), spec)
    if "log_prob" not in contender.abilities():
        return
    x = items(spec, 6)
    with torch.no_grad():
        found = contender.log_prob(x)
    assert found.log_prob.shape == (6,), name
    assert (found.log_prob < 0).all(), f"{name}: a probability above 1"


@every_contender
def test_latents_come_back_as_items(name, spec):
    contender = prepared(train(build(name, spec), spec), spec)
    if not {"encode", "decode"} <= contender.abilities():
        return
    x = items(spec, 3)
    with torch.no_grad():
        assert contender.decode(contender.encode(x)).shape == x.shape, name


@every_contender
def test_drawn_latents_decode_to_what_the_default_sampler_gives(name, spec):
    """Equal, not only in law, where nothing random follows the latents: so it is with all that offer the two."""
    contender = prepared(train(build(name, spec), spec), spec)
    if "draw_latents" not in contender.abilities():
        return
    assert "decode" in contender.abilities(), name
    with torch.no_grad():
        torch.manual_seed(1)
        z = contender.draw_latents(5, torch.Generator().manual_seed(3))
        torch.manual_seed(2)
        assert torch.equal(z, contender.draw_latents(5, torch.Generator().manual_seed(3))), f"{name} draws elsewhere"
        assert not torch.equal(z, contender.draw_latents(5, torch.Generator().manual_seed(4))), f"{name} ignores its generator"
        assert torch.equal(contender.decode(z), sample(contender, 5, seed=3)), name


@every_contender
def test_corruption_goes_from_the_data_to_noise(name, spec):
    contender = build(name, spec)
    if "corrupt" not in contender.abilities():
        return
    x = items(spec, 200)
    noised = {p: contender.corrupt(x, p, torch.Generator().manual_seed(3)) for p in (0.0, 0.3, 0.6, 1.0)}
    assert torch.equal(noised[0.0], x), name
    assert all(y.shape == x.shape and y.dtype == x.dtype for y in noised.values()), name
    kept = [torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1] for y in noised.values()]
    assert kept == sorted(kept, reverse=True), f"{name}: {kept}"
    assert abs(kept[-1]) < 5 / x.numel() ** 0.5, f"{name}: the end knows of the data ({kept[-1]})"
    again = contender.corrupt(x, 0.3, torch.Generator().manual_seed(3))
    assert torch.equal(again, noised[0.3]), f"{name} draws elsewhere"
    assert not torch.equal(again, contender.corrupt(x, 0.3, torch.Generator().manual_seed(4))), f"{name} ignores its generator"


@every_contender
def test_looking_does_not_disturb_training(name, spec):
    """Preparing, sampling and scoring between two updates leaves the next update as it would have been."""
    calm, disturbed = train(build(name, spec), spec), train(build(name, spec), spec)
    state = disturbed.generator.get_state()
    prepared(disturbed, spec)
    sample(disturbed, 2, sampler=quick_samplers(disturbed)[0])
    disturbed.generator.set_state(state)
    for contender in (calm, disturbed):
        contender.train()
        contender.update(Batch(items(spec, 16, seed=7)), 0.99)
    assert all(torch.equal(a, b) for a, b in zip(calm.parameters(), disturbed.parameters(), strict=True)), name


@every_image_contender
def test_real_digits_are_learnt_by_a_copy_of_its_class_alone(name):
    """Usable without the harness: a plain loop over real digits runs, and a deep copy of the contender samples the same."""
    data = embedded("digits")
    x = torch.from_numpy(to_unit(data.train.items, data.level_count))
    contender = build(name, data.spec)
    for k in range(4):
        contender.update(Batch(x[k * 32 : (k + 1) * 32]), k / 4)
    contender = prepared(contender, data.spec)
    twin = copy.deepcopy(contender)
    sampler = quick_samplers(contender)[0]
    assert torch.equal(sample(contender, 2, sampler=sampler), sample(twin, 2, sampler=sampler)), name


@every_image_contender
def test_asked_for_classes_it_gives_items(name):
    """On labelled data every sampler takes a class for each item, and draws the classes itself where none is asked for."""
    spec = DataSpec("image", (1, 8, 8), levels=17, classes=3)
    contender = build(name, spec)
    for k in range(3):
        contender.update(Batch(items(spec, 16, seed=k), torch.arange(16) % 3), k / 3)
    contender = prepared(contender, spec)
    for sampler in (quick_samplers(contender)[0], *contender.labelled_samplers):
        with torch.no_grad():
            x = contender.sample(4, torch.Generator().manual_seed(0), torch.tensor([0, 1, 2, 2]), sampler)
        assert x.shape == (4, *spec.shape), f"{name}/{sampler}"
        assert x.isfinite().all(), f"{name}/{sampler}"
        assert sample(contender, 2, sampler=sampler).isfinite().all(), f"{name}/{sampler}"


@every_image_contender
def test_samplers_of_classes_are_refused_without_labels(name):
    contender = prepared(train(build(name, SPECS["digits"]), SPECS["digits"]), SPECS["digits"])
    for sampler in contender.labelled_samplers:
        with pytest.raises(ValueError, match="labels"):
            sample(contender, 1, sampler=sampler)
