"""What the fork server imports once, so that a cell's process starts within milliseconds: imports, and no work.

Imported by name by multiprocessing's fork server. The server is a child of the process that started the run: it asks the kernel
to die with it, and the cells die with the server.
"""

import sklearn.linear_model
import sklearn.mixture  # noqa: F401

import paragone.bench.process

paragone.bench.process.die_with_parent()
