"""What the fork server imports once, so that a cell's process starts within milliseconds: imports, and no work.

Imported by name by multiprocessing's fork server. The server is a child of the process that started the run: it asks the kernel
to die with it, and the cells die with the server.
"""

import mlxtend.data
import sklearn.datasets
import sklearn.decomposition
import sklearn.linear_model
import sklearn.mixture
import sklearn.model_selection
import sklearn.svm
import torch_fidelity.metric_fid
import torch_fidelity.metric_kid
import torch_fidelity.metric_prc
import torch_fidelity.registry
import torch_fidelity.utils

import paragone.bench.process
from paragone.bench.orphans import die_with_parent

die_with_parent()
