"""Who may import whom, as pyproject.toml says; and a planted arrow upward is caught."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.source_tree import HOUSE, ROOT


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=directory, capture_output=True, text=True, check=False
    )


def copy_house(directory: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", directory)
    for folder in HOUSE:
        shutil.copytree(
            ROOT / folder, directory / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return directory


def test_every_arrow_points_down() -> None:
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"Contracts: \d+ kept, 0 broken", answer.stdout)


def test_a_planted_arrow_upward_is_caught(tmp_path: Path) -> None:
    house = copy_house(tmp_path)
    with (house / "engine/model.py").open("a") as file:
        file.write("\nimport adapters.settings\n")
    answer = lint_imports(house)
    assert answer.returncode != 0
    assert "arrows point down BROKEN" in answer.stdout


def test_a_planted_arrow_sideways_is_caught(tmp_path: Path) -> None:
    house = copy_house(tmp_path)
    with (house / "adapters/redis/connect.py").open("a") as file:
        file.write("\nimport adapters.settings\n")
    answer = lint_imports(house)
    assert answer.returncode != 0
    assert "edges do not know each other BROKEN" in answer.stdout
