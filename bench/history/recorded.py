"""The command that made a run, taken apart so that single cells of it can be run again elsewhere.

dropped    --out --resume --seeds --cell: the folder, the seeds and the cells are those of the re-run
own        suite files and --add inside the repository: each checkout has its own version
the same   everything else: --data and suite files from outside as they lie here, names, budgets, device, and --jobs, because it
           decides how many threads a cell has
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

DROPPED = ("--out", "--resume", "--seeds", "--cell")
FLAGS = ("--resume",)


@dataclass(frozen=True)
class Recorded:
    """A `run` command: its suite (a name, or the path of a TOML file) and its kept options, name and value, in order."""

    suite: str
    options: tuple[tuple[str, str], ...]

    @property
    def added(self) -> tuple[Path, ...]:
        """The files of --add as they lie here, absolute."""
        return tuple(Path(value).resolve() for name, value in self.options if name == "--add")

    def again(self, place: Callable[[Path], Path], cells: Sequence[str], seeds: int, out: Path) -> list[str]:
        """The words of a command that runs cells again, with seeds 0 to `seeds` - 1, into the folder `out`.

        `place` says where a checkout has what lies here under an absolute path.
        """
        suite = str(place(Path(self.suite).resolve())) if self.suite.endswith(".toml") else self.suite
        words = ["run", suite]
        for name, value in self.options:
            path = Path(value).resolve()
            words += [name, str(place(path)) if name == "--add" else str(path) if name == "--data" and path.exists() else value]
        for cell in cells:
            words += ["--cell", cell]
        return [*words, "--seeds", str(seeds), "--out", str(out)]


def take_apart(command: Sequence[str]) -> Recorded:
    """The parts of a manifest's command, `run SUITE --option value --option=value ...`, with or without the script's name."""
    words = list(command[1:] if command and command[0].endswith((".py", "paragone")) else command)
    names: list[str] = []
    options: list[tuple[str, str]] = []
    while words:
        name, joined, value = words.pop(0).partition("=")
        if not name.startswith("--"):
            names.append(name + joined + value)
        elif name not in FLAGS:
            options.append((name, value if joined or not words else words.pop(0)))
    return Recorded((*names, "quick", "quick")[1], tuple((name, value) for name, value in options if name not in DROPPED))
