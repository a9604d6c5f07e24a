"""What papers report of samplers, guidance, distillation and lost modes comes out of our own contenders, on real digits and points.

Trained by a fixed number of updates, so that the same machine finds the same figures again (printed, `-s`).
"""

from itertools import pairwise

import numpy as np
import pytest
import torch

from paragone.bench.data import embedded
from paragone.bench.metrics.panel import quality_panel
from paragone.models import Batch, registered

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

PANELS = {}


def trained(name, dataset, updates, width, seed=0):
    """A contender after `updates` updates on a dataset's training split."""
    data = embedded(dataset)
    x = torch.from_numpy(data.to_unit(data.train.items))
    labels = torch.from_numpy(data.train.labels) if data.spec.classes else None
    torch.manual_seed(seed)
    contender, order = registered()[name](data.spec, width), torch.Generator().manual_seed(seed)
    contender.generator = torch.Generator().manual_seed(seed)
    for k in range(updates):
        chosen = torch.randint(len(x), (contender.batch_size,), generator=order)
        contender.update(Batch(x[chosen], None if labels is None else labels[chosen]), k / updates)
    return contender.eval()


def measured(contender, dataset, sampler, n=1000, seed=0):
    """Every measure of n samples, asked for classes in the test split's proportions where there are classes."""
    data = embedded(dataset)
    wanted = data.wanted(n, seed)
    condition = None if wanted is None else torch.from_numpy(wanted)
    with torch.no_grad():
        x = contender.sample(n, torch.Generator().manual_seed(seed), condition, sampler)
    if dataset not in PANELS:
        PANELS[dataset] = quality_panel(data)
    found = PANELS[dataset].measure(data.to_items(x.numpy()), sampler, seed, full=True, wanted=wanted)
    return {m.metric: m.value for m in found}


@pytest.fixture(scope="module")
def ddpm():
    return trained("ddpm", "digits", 1500, 35)


@pytest.fixture(scope="module")
def fid(ddpm):
    names = [f"{kind}-{steps}" for kind in ("ddim", "ddpm") for steps in (4, 10, 20, 50, 100)]
    found = {name: measured(ddpm, "digits", name)["fid"] for name in names}
    print("\nFID", {name: round(value, 2) for name, value in found.items()})
    return found


def test_few_steps_are_better_spent_by_ddim_than_by_ancestral_sampling(fid):
    """Song et al. 2020, table 1."""
    for steps in (4, 10, 20):
        assert fid[f"ddim-{steps}"] < fid[f"ddpm-{steps}"], steps


def test_more_ddim_steps_are_no_worse(fid):
    """Within a tenth, which is what another thousand samples change."""
    steps = [fid[f"ddim-{k}"] for k in (4, 10, 20, 50, 100)]
    for fewer, more in pairwise(steps):
        assert more < 1.1 * fewer


def test_a_consistency_model_is_ahead_of_four_ddim_steps(fid):
    """With no more updates than the diffusion model had; Song et al. 2023, table 1."""
    consistency = measured(trained("consistency", "digits", 1500, 35), "digits", "consistency-4")["fid"]
    print(f"\nconsistency-4 {consistency:.2f}")
    assert consistency < fid["ddim-4"]


def test_four_latent_consistency_steps_are_far_ahead_of_four_ddim_steps():
    """Luo et al. 2023, table 1; on larger images, by the updates that each makes in the same minute on one core."""
    consistency = measured(trained("lcm", "mnist", 2000, 42), "mnist", "lcm-4")["fid"]
    ddim = measured(trained("ddpm", "mnist", 650, 43), "mnist", "ddim-4")["fid"]
    print(f"\nlcm-4 {consistency:.2f}, ddim-4 {ddim:.2f}")
    assert consistency < ddim / 1.5


def test_guidance_gives_faith_for_diversity():
    """Ho and Salimans 2022, figure 4; w here is theirs plus 1."""
    labelled = trained("ddpm", "digits-labelled", 1500, 35)
    found = {w: measured(labelled, "digits-labelled", f"cfg-{w}") for w in (0, 1, 3, 7)}
    for w, values in found.items():
        print(f"\nw = {w}: accuracy {values['class_accuracy']:.3f}, coverage within classes {values['class_coverage']:.3f}")
    assert found[0]["class_accuracy"] < 0.2
    assert found[1]["class_accuracy"] < found[3]["class_accuracy"] + 0.005
    assert found[1]["class_accuracy"] < found[7]["class_accuracy"] + 0.005
    assert found[1]["class_coverage"] > found[3]["class_coverage"] + 0.05 > found[7]["class_coverage"] + 0.05


def test_a_plain_gan_finds_fewer_modes_than_diffusion_and_flow_matching():
    """Lin et al. 2018, table 1: 17.3 of 25."""
    updates = {"mlp-gan": 3000, "ddpm": 4000, "flow-matching": 3000}
    found = {
        name: [
            measured(trained(name, "grid25", many, 300, seed), "grid25", registered()[name].samplers[0], 2500)["modes"]
            for seed in range(2)
        ]
        for name, many in updates.items()
    }
    print("\nmodes", found)
    assert max(found["mlp-gan"]) < min(found["ddpm"] + found["flow-matching"])
    assert np.mean(found["ddpm"] + found["flow-matching"]) > 24
