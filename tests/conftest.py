"""What all tests share."""

import torch
from hypothesis import settings

# The tensors of tests are small: a second thread costs more than it gives, above all where other work runs beside.
torch.set_num_threads(1)
# A busy machine is no failure.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
