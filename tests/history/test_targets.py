"""What the alerts promise, simulated on the code that decides: each figure stands beside its target in the run's summary.

Sixty nights of many series with 3 % noise. A step comes to each series on a night of its own, so that no two thirds of them move
together: that would rightly be called a changed machine.
"""

import numpy as np
import pytest

from paragone.bench.history.suspects import relocate
from tests.history.simulation import NIGHTS, live

SERIES = 150
FIRST = 20
"""Steps begin between this night and ten nights before the end."""
NOISES = ("gaussian", "student-3", "ar1")


def told(record_property, kind, what, figure, target, *, least=False):
    """Note a figure beside its target, and hold it against it."""
    sign = ">=" if least else "<="
    record_property("figure", f"{kind:10s} {what:58s} {figure:7.3f}   target {sign} {target:g}")
    assert figure >= target if least else figure <= target


def steps(effect, series):
    """Levels with one step each, and the nights of the steps."""
    nights = np.linspace(FIRST, NIGHTS - 10, series).astype(int)
    return np.where(np.arange(NIGHTS) >= nights[:, None], np.log1p(effect), 0.0), nights


def share_within(story, nights, window):
    """Share of series whose first alert came within so many nights of the step."""
    return np.mean([any(0 <= n - nights[k] < window for n, _ in story.alerts.get(k, ())) for k in range(len(nights))])


def located(story, nights):
    """Share of found steps whose first bad night, as seen at the end, is the true one or a neighbour."""
    hits = []
    for k, alerts in story.alerts.items():
        alert = next((alert for n, alert in alerts if n >= nights[k]), None)
        if alert is not None:
            seen = relocate(alert, story.histories[k])
            hits.append(seen is not None and abs(int(seen.run) - nights[k]) <= 1)
    return np.mean(hits)


def false_alerts(story):
    """Alerts of a thousand judged series-nights."""
    return 1000 * sum(map(len, story.alerts.values())) / story.judged


def check_quiet(record_property, kind, series):
    quiet = live(np.zeros((series, NIGHTS)), kind, seed=1)
    told(record_property, kind, "false alerts per 1,000 series-nights, with re-runs", false_alerts(quiet), 0.5)
    told(record_property, kind, "share of series sent to a re-run", quiet.reruns / quiet.judged, 0.05)
    if kind != "ar1":
        alone = live(np.zeros((series, NIGHTS)), kind, seed=2, rerun=False)
        told(record_property, kind, "false alerts per 1,000 series-nights, no re-runs possible", false_alerts(alone), 1.0)
    types = np.random.default_rng(3).random(NIGHTS) < 0.3
    slower = np.random.default_rng(4).normal(0.15, 0.05, (series, 1)) * types
    mixed = live(np.zeros((series, NIGHTS)), kind, seed=5, machine=slower)
    told(record_property, kind, "false alerts per 1,000, machine types mixed without a mark", false_alerts(mixed), 5.0)


def check_steps(record_property, kind, series):
    levels, nights = steps(0.2, series)
    told(record_property, kind, "+20 % found the same night", share_within(live(levels, kind, seed=6), nights, 1), 0.99, least=True)
    levels, nights = steps(0.1, 3 * series)
    story = live(levels, kind, seed=7)
    for window, words, target in ((1, "the same night", 0.7), (3, "in 3 nights", 0.9), (7, "in 7 nights", 0.95)):
        told(record_property, kind, f"+10 % found {words}", share_within(story, nights, window), target, least=True)
    told(record_property, kind, "+10 %: first bad run within one of the true one", located(story, nights), 0.95, least=True)


def check_spikes(record_property, kind, series):
    nights = np.linspace(FIRST, NIGHTS - 5, series).astype(int)
    spikes = np.where(np.arange(NIGHTS) == nights[:, None], np.log1p(0.3), 0.0)
    story = live(np.zeros((series, NIGHTS)), kind, seed=8, machine=spikes)
    quiet = np.mean([not any(0 <= n - nights[k] < 7 for n, _ in story.alerts.get(k, ())) for k in range(series)])
    told(record_property, kind, "a single spike of +30 % raises no alert in a week", quiet, 0.99, least=True)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("check", [check_quiet, check_steps, check_spikes])
def test_targets(record_property, kind, check):
    check(record_property, kind, SERIES)


@pytest.mark.long
@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("check", [check_quiet, check_steps, check_spikes])
def test_targets_on_many(record_property, kind, check):
    """The same on four times as many series."""
    check(record_property, kind, 4 * SERIES)
