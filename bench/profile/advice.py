"""What would change that something cannot be measured: one line of advice for each reason."""

from paragone.bench.profile.answers import (
    ABSENT,
    BLOCKED,
    LOST,
    MISSING,
    NO_DRIVER,
    NO_LIBRARY,
    NO_PERMISSION,
    NOT_FOUND,
    NOT_LISTED,
    RESET,
    STUCK,
    TIMEOUT,
    UNSUPPORTED,
    WRONG_VERSION,
)

GPU: dict[str, str] = {
    UNSUPPORTED: "nothing here: this GPU or its driver does not offer it (energy needs Volta or later)",
    NO_PERMISSION: "run as root, or have the administrator allow it",
    NOT_FOUND: "compare CUDA_VISIBLE_DEVICES with `nvidia-smi -L`",
    NOT_LISTED: "share the host's process numbers (a container: --pid=host)",
    NO_DRIVER: "load the driver of an NVIDIA GPU: `nvidia-smi` must list it",
    NO_LIBRARY: "install NVIDIA's driver; a container needs --gpus and the driver capability `utility`",
    WRONG_VERSION: "restart the machine: its driver was updated while it ran",
    MISSING: "update the driver: its library is older than this call",
    BLOCKED: "let the container or cgroup open /dev/nvidia*",
    TIMEOUT: "try again; if it stays, look for Xid errors in `dmesg`",
    LOST: "reset the GPU or restart the machine; `dmesg` names the Xid error",
    STUCK: "update the driver; a virtual GPU may have no counter of its own",
    RESET: "try again: the driver was loaded anew meanwhile",
}
SLICE: dict[str, str] = {**GPU, UNSUPPORTED: "turn MIG off, or take a whole GPU: a MIG slice has none of its own"}
PROCESSOR: dict[str, str] = {
    ABSENT: "run on a machine, not a virtual one, whose Linux shows intel-rapl in /sys/class/powercap",
    NO_PERMISSION: "run as root, or `chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj`",
    STUCK: "run on the machine itself: a virtual one does not pass the counter on",
}
