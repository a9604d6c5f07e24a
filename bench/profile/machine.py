"""The machine's passport: hard keys, of which each breaks a comparison, and the versions of what was used."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "paragone",
    "torch",
    "torchvision",
    "torch-fidelity",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "matplotlib",
)


def fingerprint(device: str, threads: int) -> dict[str, str]:
    """Hard keys of the machine and set-up; two runs are compared only where all are equal."""
    import torch

    keys = {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": str(usable_cores()),
        "threads": str(threads),
        "device": device,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "torch": torch.__version__,
    }
    if device.startswith("cuda"):
        keys["gpu"] = torch.cuda.get_device_name(device)
        keys["cuda"] = str(torch.version.cuda)
        keys["driver"] = _driver_major()
        keys["tf32"] = f"products {torch.backends.cuda.matmul.allow_tf32}, convolutions {torch.backends.cudnn.allow_tf32}"
    return keys


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """The git commit that is run: that of the repository around the working directory, else of the one around paragone itself.

    Twelve digits, with `+` where a tracked file differs from it; empty where there is no repository, no commit, or no git.
    """
    try:
        asked = ["git", "-C", str(asked_folder()), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def asked_folder() -> Path:
    """Where git is asked: the working directory where a repository lies around it, else paragone's own folder."""
    here = Path.cwd().resolve()
    return here if any((folder / ".git").exists() for folder in (here, *here.parents)) else Path(__file__).resolve().parent


def cpu_model() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return match.group(1).strip() if match else platform.processor() or "unknown"


def _driver_major() -> str:
    from pynvml import nvmlSystemGetDriverVersion

    from paragone.bench.profile.nvml_calls import ask

    version, status = ask(nvmlSystemGetDriverVersion)
    return status if version is None else str(version).partition(".")[0]
