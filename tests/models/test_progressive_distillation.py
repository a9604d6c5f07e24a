"""Progressive distillation's own truths: two steps in one in closed form, exact halvings of Gaussian data, stages, learning."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from paragone.bench.data import embedded
from paragone.bench.data.dataset import to_unit
from paragone.bench.metrics.encoder import load_encoder
from paragone.models import Batch, DataSpec
from paragone.models.diffusion.progressive_distillation import HALVINGS, ProgressiveDistillation, two_steps_in_one
from paragone.models.layers.distillation import TIMESTEPS, Diffusion

DIGITS = DataSpec("image", (1, 8, 8), levels=17)
FREE = Diffusion()  # nothing clipped, so that closed forms hold everywhere
A, S = FREE.schedule.a, FREE.schedule.s


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def images(n, seed=0):
    return torch.rand(n, 1, 8, 8, generator=seeded(seed)) * 2 - 1


def bent(x_t, time):
    """Some velocity that is no line in x_t and changes with time."""
    return torch.sin(3 * x_t) * (1 - time.reshape(-1, *[1] * (x_t.dim() - 1))) + 0.2


# Two steps in one


@given(st.sampled_from(HALVINGS), st.data())
def test_one_step_to_the_target_ends_where_two_steps_of_the_teacher_end(steps, data):
    span = TIMESTEPS // steps
    t = span * data.draw(st.integers(1, steps))
    x_t = normal(3, 1, 2, 2)
    target = two_steps_in_one(FREE, bent, x_t, torch.tensor([t]), span)
    two, one = x_t, FREE.schedule.ddim_step(x_t, target, t, t - span)[0]
    for here, there in ((t, t - span // 2), (t - span // 2, t - span)):
        v = bent(two, torch.tensor([here / TIMESTEPS], dtype=torch.float64))
        two = FREE.schedule.ddim_step(two, FREE.schedule.clean_from_velocity(two, v, here), here, there)[0]
    assert torch.allclose(one, two, rtol=1e-6, atol=1e-6)
    if t == span:  # the step to t = 0 returns its predicted x: the target is the end itself
        assert torch.allclose(target, two, rtol=1e-6, atol=1e-6)


def test_the_teachers_predictions_are_clipped_as_its_sampler_clips_them():
    clipped, x_t = Diffusion(bound=1.0), 3 * normal(50, 1)
    t, span = torch.tensor([512]), 512
    target = two_steps_in_one(clipped, bent, x_t, t, span)
    assert torch.allclose(target, two_by_hand(clipped, x_t), atol=1e-6)
    assert not torch.allclose(target, two_steps_in_one(FREE, bent, x_t, t, span), atol=1e-2)


def two_by_hand(diffusion, x):
    for here, there in ((512, 256), (256, 0)):
        v = bent(x, torch.tensor([here / TIMESTEPS], dtype=torch.float64))
        predicted = diffusion.schedule.clean_from_velocity(x, v, here).clamp(-1, 1)
        x = diffusion.schedule.ddim_step(x, predicted, here, there)[0]
    return x


# Data N(0, SCALE^2): the best denoiser is a line, and so is every exact student of it
SCALE = 0.5


def gaussian_teacher(x_t, time):
    """The velocity whose predicted x is E(x | x_t)."""
    t = (time * TIMESTEPS).round().long()
    a, s = FREE.schedule.at(t, x_t)
    return (a * x_t - a * SCALE**2 * x_t / (a**2 * SCALE**2 + s**2)) / s


def exact_student(teacher, steps):
    """The velocity that reproduces the target at every x_t."""
    span = TIMESTEPS // steps

    def student(x_t, time):
        t = (time * TIMESTEPS).round().long()
        target = two_steps_in_one(FREE, teacher, x_t, t, span)
        return (FREE.schedule.at(t, x_t)[0] * x_t - target) / FREE.schedule.at(t, x_t)[1]

    return student


def test_exact_students_sample_in_ever_fewer_steps_what_the_teacher_does_in_16():
    noise, network = normal(100, 1), gaussian_teacher
    truth = FREE.ddim(gaussian_teacher, noise, 16)
    for steps in HALVINGS:
        network = exact_student(network, steps)
        assert torch.allclose(FREE.ddim(network, noise, steps), truth, atol=1e-8), steps
    assert (FREE.ddim(gaussian_teacher, noise, 1) - truth).abs().mean() > 0.1  # which the teacher itself cannot


def test_the_loss_is_zero_at_the_exact_student_and_the_weighted_error_elsewhere():
    torch.manual_seed(0)
    model = ProgressiveDistillation(DIGITS, 8)
    model.diffusion.bound = None
    network, x = model.network, images(16)
    del model.network
    model.network = Bare(exact_student(gaussian_teacher, 4))
    assert model.halving_loss(x, gaussian_teacher, 4) < 1e-9
    model.network = Bare(lambda x_t, time: exact_student(gaussian_teacher, 4)(x_t, time) + 0.5)
    # an error of 1/2 in the velocity at every pixel, whatever the time
    assert float(model.halving_loss(x, gaussian_teacher, 4)) == pytest.approx(0.25, rel=1e-4)
    model.network = network


class Bare(torch.nn.Module):
    """A function in a network's place."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x_t, time):
        return self.function(x_t, time)


def test_students_are_trained_at_the_times_that_they_visit():
    torch.manual_seed(0)
    model, seen = ProgressiveDistillation(DIGITS, 8), []

    def teacher(x_t, time):
        seen.extend((time * TIMESTEPS).round().long().tolist())
        return torch.zeros_like(x_t)

    model.halving_loss(images(64), teacher, 4)
    assert set(seen) == set(range(128, 1025, 128))  # its own four, and the four in the middle


# Stages and learning


def test_each_student_starts_as_the_network_before_it():
    torch.manual_seed(0)
    model = ProgressiveDistillation(DIGITS, 8)
    border = 0.0
    for stage, (_, share) in enumerate(model.stages):
        if stage:
            before = [p.clone() for p in model.made[stage - 1].module.parameters()]
            model.learning_rate_factor = 0.0
            model.update(Batch(images(8)), border + 1e-6)
            for part in (model.network, model.made[stage].module):
                assert all(torch.allclose(p, q, atol=1e-7) for p, q in zip(part.parameters(), before, strict=True)), stage
            model.learning_rate_factor = 1.0
        for k in range(5):
            log = model.update(Batch(images(8, seed=k)), border + share * (k + 0.5) / 5)
            assert set(log) == {"student_loss" if stage else "teacher_loss"}
        if stage:
            assert any(not torch.equal(p, q) for p, q in zip(model.network.parameters(), before, strict=True)), stage
            assert all(torch.equal(p, q) for p, q in zip(model.made[stage - 1].module.parameters(), before, strict=True)), stage
        border += share


def test_each_sampler_runs_the_network_made_for_it_or_the_newest_there_is():
    """Told apart by marks: the network of stage k gives the picture k / 8 everywhere."""
    model = ProgressiveDistillation(DIGITS, 8)
    calls = []
    for stage, average in enumerate(model.made):
        average.module = Bare(marked(stage, calls))
    for newest in range(5):
        model.made[newest].steps = 1
        for steps in HALVINGS:
            calls.clear()
            x = model.sample(2, seeded(), sampler=f"pd-{steps}")
            expected = min(1 + HALVINGS.index(steps), newest)
            assert torch.allclose(x, torch.full_like(x, expected / 8), atol=1e-5), (newest, steps)
            assert len(calls) == steps


def marked(stage, calls):
    def network(x_t, time):
        calls.append(stage)
        t = (time * TIMESTEPS).round().long()
        a, s = FREE.schedule.at(t, x_t)
        return (a * x_t - stage / 8) / s

    return network


def test_a_stage_that_is_skipped_leaves_what_was_there():
    """Where one update spends more than a stage, the skipped student is its teacher."""
    torch.manual_seed(0)
    model = ProgressiveDistillation(DIGITS, 8)
    for k in range(4):
        model.update(Batch(images(8, seed=k)), k / 8)
    model.update(Batch(images(8)), 0.99)
    teacher, *skipped, last = (list(average.module.parameters()) for average in model.made)
    for student in skipped:
        assert all(torch.equal(p, q) for p, q in zip(student, teacher, strict=True))
    assert any(not torch.equal(p, q) for p, q in zip(last, teacher, strict=True))


def test_parameters_count_once():
    model = ProgressiveDistillation(DIGITS, 16)
    assert model.trained_parameter_count() == sum(p.numel() for p in model.network.parameters())


def test_it_learns_digits():
    """After 240 steps, sampled in 1 and 4: a third of the squared distance of mean features that independent pixels have, and the
    teacher's own sample in one step."""
    data = embedded("digits")
    encoder = load_encoder(data)
    real = torch.from_numpy(to_unit(data.train.items, data.level_count))
    torch.manual_seed(0)
    model = ProgressiveDistillation(DIGITS, width=16)
    order, steps = seeded(1), 240
    for i in range(steps):
        model.update(Batch(real[torch.randperm(len(real), generator=order)[: model.batch_size]]), i / steps)
    shuffled = real.flatten(1).gather(0, torch.randint(len(real), (200, 64), generator=order)).reshape(-1, 1, 8, 8)
    with torch.no_grad():
        teacher = model.diffusion.ddim(model.made[0].module, torch.randn(200, 1, 8, 8, generator=seeded(2)), 1)
        centre = encoder.features(real).mean(0)
        one, four = (model.sample(200, seeded(2), sampler=f"pd-{k}") for k in (1, 4))
        far = [(encoder.features(x).mean(0) - centre).square().sum() for x in (one, four, shuffled, teacher)]
    assert max(far[:2]) < min(far[2:]) / 3, far
