"""Latent consistency's own truths: the boundary, the guided target by hand, passes, stages, and learning."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.bench.metrics.encoder import load_encoder
from paragone.bench.sizing import outside_budget, solve_width
from paragone.models import Batch, DataSpec, NotTrained
from paragone.models.diffusion import lcm
from paragone.models.diffusion.lcm import LCM, SKIP, SOFTNESS, draw_guidance
from paragone.models.layers.distillation import TIMESTEPS, Diffusion
from paragone.models.layers.noise import stratified_times

CLASSES = 3
DIGITS = DataSpec("image", (1, 8, 8), levels=17)
LABELLED = DataSpec("image", (1, 8, 8), levels=17, classes=CLASSES)
MNIST = DataSpec("image", (1, 28, 28), levels=256)
FREE = Diffusion()
A, S = FREE.schedule.a, FREE.schedule.s


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=seeded(seed))


def images(n, seed=0):
    return torch.rand(n, 1, 8, 8, generator=seeded(seed)) * 2 - 1


def classes(n):
    return torch.arange(n) % CLASSES


def shaken(module, seed=0):
    """The module with all weights moved, so that no layer is at zero."""
    with torch.no_grad():
        for i, p in enumerate(module.parameters()):
            p.add_(0.1 * torch.randn(p.shape, generator=seeded(100 * seed + i)))
    return module


def built(spec=DIGITS, width=8):
    torch.manual_seed(0)
    model = LCM(spec, width)
    model.generator = seeded()
    return model


def apart(spec=LABELLED):
    """A model whose network, teacher and average are three different functions."""
    model = built(spec)
    for seed, part in enumerate((model.network, model.teacher, model.average)):
        shaken(part, seed)
    model.teacher.steps = model.average.steps = 1
    return model.eval()


def copied(module):
    return [value.clone() for value in module.state_dict().values()]


def same(module, values):
    return all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), values, strict=True))


# The function and its target


def test_at_the_smallest_time_f_is_z_itself_whatever_the_network():
    model, z = apart(), normal(6, 2, 4, 4)
    asked = (classes(6), torch.linspace(1, 4, 6))
    zero, later = torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64)
    with torch.no_grad():
        assert torch.equal(model.diffusion.clean(model.network, z, zero, *asked), z)
        assert not torch.equal(model.diffusion.clean(model.network, z, later, *asked), z)
        assert model.network(z, zero / TIMESTEPS, *asked).abs().mean() > 0.01  # not because the network is silent


def test_guidance_of_1_is_conditional_of_0_unconditional_and_between_them_a_line():
    model, z, t, labels = apart(), normal(4, 2, 4, 4), torch.tensor([1024, 700, 65, 1]), torch.tensor([0, 1, 2, 2])
    found = {}
    with torch.no_grad():
        for w in (0.0, 1.0, 3.0):
            found[w] = model.guided(z, t, labels, torch.full((4,), w))
        known = model.diffusion.clean(model.teacher.module, z, t, labels)
        unknown = model.diffusion.clean(model.teacher.module, z, t, torch.full((4,), CLASSES))
    assert torch.allclose(found[1.0], known, atol=1e-5)
    assert torch.allclose(found[0.0], unknown, atol=1e-5)
    assert torch.allclose(found[3.0], 3 * known - 2 * unknown, atol=1e-4)
    assert (known - unknown).abs()[0].max() > 0.05


def goal_by_hand(model, z_t, t, label, w):
    """Of one item (L, h, w): guided as velocities are, DDIM as a rotation by an angle; k times back, or to 0."""
    u, item = max(t - SKIP, 0), torch.tensor([label])
    known, unknown = (velocity_at(model.teacher.module, z_t, t, asked) for asked in (item, torch.tensor([CLASSES])))
    turn = torch.atan2(S[t], A[t]) - torch.atan2(S[u], A[u])
    z_u = (turn.cos() * z_t - turn.sin() * ((1 - w) * unknown + w * known)).float()
    return float(A[u]) * z_u - float(S[u]) * velocity_at(model.average.module, z_u, u, item, torch.tensor([w]))


def velocity_at(network, z_t, t, *asked):
    return network(z_t[None], torch.tensor([t / TIMESTEPS]), *asked)[0]


def test_the_objective_is_that_of_its_formula():
    """Against one item at a time, at the times, noise and guidance that the generator gives."""
    model, z, labels, draws, terms = apart(), normal(40, 2, 4, 4), classes(40), seeded(), []
    with torch.no_grad():
        found = model.consistency_loss(z, labels)
        t = stratified_times(40, TIMESTEPS, draws)
        e = torch.randn(z.shape, generator=draws)
        for i, w in enumerate(draw_guidance(40, draws).tolist()):
            a, s, asked = float(A[t[i]]), float(S[t[i]]), (labels[i : i + 1], torch.tensor([w]))
            z_t = a * z[i] + s * e[i]
            far = a * z_t - s * velocity_at(model.network, z_t, int(t[i]), *asked)
            far = far - goal_by_hand(model, z_t, int(t[i]), int(labels[i]), w)
            terms.append(((far.square().mean() + SOFTNESS**2).sqrt() - SOFTNESS) / s**2)
    assert t.min() < SKIP  # the clamp at 0 is met
    assert float(found) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-3)


class Bare(nn.Module):
    """A function in a network's place."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, z_t, time, *asked):
        return self.function(z_t, (time * TIMESTEPS).round().long())


def velocity_of(clean):
    """The velocity whose f is `clean(z_t, t)`."""

    def velocity(z_t, t):
        a, s = FREE.schedule.at(t, z_t)
        return torch.where(s > 0, (a * z_t - clean(z_t, t)) / s.clamp(min=1e-12), 0.0)

    return velocity


def loss_with(teacher, target, student, n=256):
    model = built()
    model.teacher.module, model.average.module = Bare(velocity_of(teacher)), Bare(velocity_of(target))
    del model.network
    model.network = Bare(student)
    return float(model.consistency_loss(normal(n, 2, 4, 4).double(), None))


def test_the_loss_is_zero_at_the_consistent_function_of_one_point():
    """Where all data is one point, the teacher's DDIM is exact at any skip, and f is the point everywhere."""

    def point(z_t, t):
        return torch.full_like(z_t, 0.3)

    assert loss_with(point, point, velocity_of(point)) < 1e-9
    found = loss_with(point, point, lambda z_t, t: velocity_of(point)(z_t, t) + 0.5)
    s = S[stratified_times(256, TIMESTEPS, seeded())]
    expected = ((0.25 * s**2 + SOFTNESS**2).sqrt() - SOFTNESS) / s**2  # f is off by s / 2
    assert found == pytest.approx(float(expected.mean()), rel=1e-3)


SCALE = 0.5


def deviation(z_t, t):
    a, s = FREE.schedule.at(t, z_t)
    return (a**2 * SCALE**2 + s**2).sqrt()


def gaussian_teacher(z_t, t):
    """E(z | z_t) of latents N(0, SCALE^2)."""
    return FREE.schedule.at(t, z_t)[0] * SCALE**2 * z_t / deviation(z_t, t) ** 2


def gaussian_start(z_t, t):
    """The start of the trajectory: z_t stays the same multiple of its deviation."""
    return SCALE * z_t / deviation(z_t, t)


def test_the_exact_function_of_gaussian_latents_loses_little_and_less_as_skips_shrink(monkeypatch):
    """What is left is the error of the teacher's DDIM step, of second order in k; the teacher itself is not consistent."""
    losses = []
    for k in (64, 16, 4):
        monkeypatch.setattr(lcm, "SKIP", k)
        losses.append(loss_with(gaussian_teacher, gaussian_start, velocity_of(gaussian_start)))
    assert losses[0] > 16 * losses[1] > 256 * losses[2] > 0, losses
    assert losses[2] < loss_with(gaussian_teacher, gaussian_start, velocity_of(gaussian_teacher)) / 1000


# Labels and guidance


class Calls:
    """What a network is called with."""

    def __init__(self, module):
        self.seen = []
        module.register_forward_pre_hook(lambda _, arguments: self.seen.append(arguments))


def test_guidance_is_drawn_from_1_to_4_for_each_item_and_reaches_student_and_target():
    model = apart()
    student, target, teacher = Calls(model.network), Calls(model.average.module), Calls(model.teacher.module)
    model.consistency_loss(normal(500, 2, 4, 4), classes(500))
    w = student.seen[0][3]
    assert 1 <= w.min() < 1.1 < 3.9 < w.max() <= 4
    assert w.mean() == pytest.approx(2, abs=0.2)  # that of 1 + 3 u^2
    assert torch.equal(w, target.seen[0][3])
    assert torch.equal(student.seen[0][2], classes(500))  # its classes are never left out
    assert len(teacher.seen[0]) == 3  # that one knows of no guidance
    with torch.no_grad():
        one, four = (model.network(*student.seen[0][:3], torch.full((500,), w)) for w in (1.0, 4.0))
    assert not torch.allclose(one, four, atol=1e-2)


def test_the_teacher_sees_a_tenth_of_its_items_without_their_class():
    model = built(LABELLED)
    calls = Calls(model.network)
    for k in range(5):
        model.update(Batch(images(400, seed=k), classes(400)), 0.3)
    seen, n = torch.cat([arguments[2] for arguments in calls.seen]), 2000
    left_out = seen == CLASSES
    assert left_out.sum() == pytest.approx(0.1 * n, abs=4 * math.sqrt(0.09 * n))
    assert torch.equal(seen[~left_out], classes(400).repeat(5)[~left_out])
    assert all(len(arguments) == 3 for arguments in calls.seen)


@pytest.mark.parametrize("sampler", LCM.samplers)
def test_a_sample_costs_one_pass_a_step_guided_or_not_and_one_decode(sampler, monkeypatch):
    model = apart()
    _, steps, *guidance = sampler.split("-")
    average, teacher, decoder = Calls(model.average.module), Calls(model.teacher.module), Calls(model.autoencoder.decoder)
    monkeypatch.setattr(lcm, "SAMPLING_BATCH", 4)
    with torch.no_grad():
        assert model.sample(6, seeded(), classes(6), sampler).shape == (6, 1, 8, 8)
    assert [len(arguments[0]) for arguments in average.seen] == [4] * int(steps) + [2] * int(steps)
    assert [len(arguments[0]) for arguments in decoder.seen] == [4, 2]
    assert not teacher.seen
    for arguments in average.seen:
        part = slice(0, 4) if len(arguments[0]) == 4 else slice(4, 6)
        assert torch.equal(arguments[2], classes(6)[part])
        assert arguments[3].tolist() == [float(guidance[1]) if guidance else 1.0] * len(arguments[0])


def test_decoded_pictures_stay_in_their_range():
    model = built()
    model.autoencoder.decoder[-2].bias.data += 10 * normal(4)
    with torch.no_grad():
        assert model.autoencoder.decode(normal(9, 2, 4, 4)).abs().max() > 2
        assert model.decode(normal(9, 2, 4, 4)).abs().max() == 1


def test_guided_samplers_are_refused_without_labels():
    assert LCM.offered_samplers(DIGITS) == ("lcm-4", "lcm-1", "lcm-2", "lcm-8")
    for sampler in ("lcm-4-cfg-2", "lcm-4-cfg-4"):
        with pytest.raises(ValueError, match="labels"):
            apart(DIGITS).sample(1, seeded(), sampler=sampler)


# Stages


def test_each_stage_trains_its_part_and_leaves_the_others():
    model = built(LABELLED)
    parts = {"autoencoder": model.autoencoder, "network": model.network, "teacher": model.teacher, "average": model.average}
    moving = {"squared_error": {"autoencoder"}, "teacher_loss": {"network", "teacher"}, "student_loss": {"network", "average"}}
    for (log, moved), start in zip(moving.items(), (0.02, 0.3, 0.8), strict=True):
        for k in range(3):
            before = {name: copied(part) for name, part in parts.items()}
            assert set(model.update(Batch(images(16, seed=k), classes(16)), start + 0.01 * k)) == {log}
            still = {name for name, part in parts.items() if same(part, before[name])}
            assert still == set(parts) - moved, (log, k)


def test_the_student_starts_as_the_teacher_and_averages_follow_their_recurrences():
    model = built()
    model.update(Batch(images(16)), 0.0)
    for k in range(20):
        check_recurrence(model, model.teacher, 0.99, 0.2 + 0.02 * k)
    taught = copied(model.teacher.module)
    model.learning_rate_factor = 0.0
    model.update(Batch(images(16)), 0.7)
    for part in (model.network, model.average.module):
        assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(part.state_dict().values(), taught, strict=True))
    model.learning_rate_factor = 1.0
    assert model.average.steps == 21  # its decay goes on warm
    for k in range(3):
        check_recurrence(model, model.average, 0.95, 0.75 + 0.02 * k)
    assert not same(model.network, taught)


def check_recurrence(model, average, decay, progress):
    decay, before = min(decay, (1 + average.steps) / (10 + average.steps)), copied(average.module)
    model.update(Batch(images(16)), progress)
    for old, new, source in zip(before, average.module.state_dict().values(), model.network.state_dict().values(), strict=True):
        assert torch.allclose(new, decay * old + (1 - decay) * source, atol=1e-6)


@pytest.mark.parametrize("progresses", [(), (0.0, 0.1), (0.0, 0.99), (0.3,), (0.0, 0.3), (0.3, 0.9), (0.0, 0.3, 0.99)])
def test_stages_may_be_skipped_and_without_a_teacher_there_is_nothing_to_sample(progresses):
    model = built()
    for progress in progresses:
        logs = model.update(Batch(images(8)), progress)
        assert all(value.isfinite() for value in logs.values())
    for draw in (model.sample, model.draw_latents):
        if 0.3 in progresses:
            with torch.no_grad():
                assert draw(2, seeded()).isfinite().all()
        else:
            with pytest.raises(NotTrained, match="teacher"):
                draw(2, seeded())


@pytest.mark.parametrize("parameters", [30_000, 3_000_000])
@pytest.mark.parametrize("spec", [DIGITS, MNIST], ids=["digits", "mnist"])
def test_widths_span_the_budgets_and_parameters_count_once(spec, parameters):
    width, count = solve_width(LCM, spec, parameters)
    assert not outside_budget(count, parameters)
    model = LCM(spec, width)
    assert count == sum(p.numel() for part in (model.network, model.autoencoder) for p in part.parameters())
    for optimiser, part in ((model.optimiser, model.network), (model.autoencoder_optimiser, model.autoencoder)):
        stepped = [p for one in optimiser.pair for group in one.param_groups for p in group["params"]]
        assert len({id(p) for p in stepped}) == len(stepped) == len(list(part.parameters()))


# Learning


@pytest.fixture(scope="module")
def learned():
    """After 900 steps on labelled digits."""
    data = embedded("digits")
    real, labels = torch.from_numpy(to_unit(data.train.items, data.level_count)), torch.from_numpy(data.train.labels)
    torch.manual_seed(0)
    model = LCM(DataSpec("image", (1, 8, 8), levels=17, classes=10), width=16)
    model.generator, order, steps = seeded(), seeded(1), 900
    for i in range(steps):
        index = torch.randperm(len(real), generator=order)[: model.batch_size]
        model.update(Batch(real[index], labels[index]), i / steps)
    return model.eval(), real, load_encoder(data)


def test_latents_have_zero_mean_and_unit_variance_and_decode_to_what_they_came_from(learned):
    model, real, _ = learned
    with torch.no_grad():
        z = model.encode(real)
        error = (model.decode(z) - real).square().mean()
    channels = z.transpose(0, 1).flatten(1)
    assert channels.mean(1).abs().max() < 0.05
    assert (channels.std(1) - 1).abs().max() < 0.05
    assert error < real.var(0).mean() / 3  # of what the mean picture leaves


def test_it_learns_digits_for_few_steps(learned):
    """Distance of mean features in 4 passes and in 1: a fifth of that of independent pixels, and below the teacher in one."""
    model, real, encoder = learned
    shuffled = real.flatten(1).gather(0, torch.randint(len(real), (400, 64), generator=seeded())).reshape(-1, 1, 8, 8)
    noise, asked = normal(400, *model.autoencoder.latent_shape), torch.arange(400) % 10
    with torch.no_grad():
        early = model.decode(model.diffusion.clean(model.teacher.module, noise, torch.tensor([TIMESTEPS]), asked))
        centre = encoder.features(real).mean(0)
        one, four = (model.sample(400, seeded(2), asked, f"lcm-{k}") for k in (1, 4))
        far = [float((encoder.features(x).mean(0) - centre).square().sum()) for x in (one, four, shuffled, early)]
    assert max(far[:2]) < min(far[2] / 5, far[3]), far


def test_it_learns_classes_and_that_guidance_makes_them_plainer(learned):
    model, _, encoder = learned
    asked = torch.arange(500) % 10
    right = {}
    with torch.no_grad():
        for sampler in ("lcm-4", "lcm-4-cfg-2", "lcm-4-cfg-4"):
            found = encoder(model.sample(500, seeded(2), asked, sampler)).argmax(1)
            right[sampler] = float(np.mean((found == asked).numpy()))
    assert right["lcm-4"] > 0.8, right
    assert right["lcm-4"] < right["lcm-4-cfg-2"], right
    assert right["lcm-4-cfg-4"] > right["lcm-4"], right
