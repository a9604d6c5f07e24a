"""Counting the flops of a piece of work."""

import torch

from paragone.bench.profile.flops import FlopCount

CPU = torch.device("cpu")


def counted(work):
    """(flops, result) of a function without arguments."""
    with FlopCount(CPU) as count:
        result = work()
    return count.flops, result
