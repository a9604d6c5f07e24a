"""The registry of claims: every statement of the document in testable form, one file a section, and those that a user adds.

    from paragone.bench.judge.claims import Claim, add_claim
    add_claim(Claim(id="mine", statement="My model beats a VAE.", sides=(("my-vae", "VAE"),), metrics=("fid",), margin=0.05))

in a file given with `--add`, or a `[[claims]]` table with the same keys in a suite, has a claim of one's own tested and
reported like the document's.
"""

from paragone.bench.judge.claims import autoencoders, autoregressive, choosing, diffusion, flow, gans, hybrid
from paragone.bench.judge.claims.choosing import HEADLINES
from paragone.bench.judge.claims.claim import Bounds, Claim, Kind, from_suite, star, star_last

CLAIMS: tuple[Claim, ...] = (
    *choosing.HEADLINES,
    *autoregressive.CLAIMS,
    *autoencoders.CLAIMS,
    *gans.CLAIMS,
    *diffusion.CLAIMS,
    *flow.CLAIMS,
    *hybrid.CLAIMS,
    *choosing.OTHERS,
)
"""The document's claims: the three headlines first, then section by section."""

_ADDED: dict[str, Claim] = {}


def add_claim(claim: Claim) -> Claim:
    """Enter a claim of one's own, to be tested in the run that imports this file.

    Raises:
        ValueError: the id is taken by another claim.
    """
    if claim.id in {known.id for known in CLAIMS} or _ADDED.get(claim.id, claim) != claim:
        raise ValueError(f"claim id {claim.id!r} is taken; choose another")
    _ADDED[claim.id] = claim
    return claim


def added_claims() -> tuple[Claim, ...]:
    """Claims entered by `add_claim`, in their order."""
    return tuple(_ADDED.values())


__all__ = [
    "CLAIMS",
    "HEADLINES",
    "Bounds",
    "Claim",
    "Kind",
    "add_claim",
    "added_claims",
    "from_suite",
    "star",
    "star_last",
]
