"""Peak memory of torch's CUDA allocator in a window: what tensors held, and what the allocator kept for them."""

import torch

from paragone.bench.profile.readings import Reading, Source


class CudaAllocator(Source):
    """`cuda_allocated_bytes` and `cuda_reserved_bytes` of each window on one CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def begin(self) -> None:
        """Reset the allocator's peaks."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def end(self) -> list[Reading]:
        """Read the allocator's peaks."""
        allocated, reserved = torch.cuda.max_memory_allocated(self._device), torch.cuda.max_memory_reserved(self._device)
        return [
            Reading("cuda_allocated_bytes", allocated, "bytes", "torch's allocator, peak of tensors"),
            Reading("cuda_reserved_bytes", reserved, "bytes", "torch's allocator, peak of what it keeps"),
        ]
