"""A stranger's first steps, as the README prints them: real processes, curl, pywa, the commands."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT
from tests.redis_servers import free_port

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BEGIN, END = "## Try all of it without an account at Meta", "## Use it for real"
COMMANDS = re.compile(r"^```\n(penstock portfolio add .*?)^```", re.MULTILINE | re.DOTALL)
BY_HAND = ("change spring --message", "import stops.csv", "sender pause", "--token -")

pytestmark = pytest.mark.one_server


def blocks() -> list[tuple[str, str]]:
    """Return what the README has a stranger type, in order, with its language."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = BLOCK.findall(readme[readme.index(BEGIN) : readme.index(END)])
    assert [kind for kind, _ in found] == ["sh", "sh", "python"]
    return list(found)


def commands() -> list[str]:
    """Return the commands of the section after it that need no file nobody has."""
    (block,) = COMMANDS.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    lines = [line for line in block.splitlines() if not any(each in line for each in BY_HAND)]
    return [*lines, "penstock audit"]


def script(folder: Path) -> str:
    """Return all of it as one shell script, at ports that are free; the rest is as printed."""
    (_, begin), (_, curl), (_, program) = blocks()
    (folder / "with_pywa.py").write_text(program, encoding="utf-8")
    sandbox, api = free_port(), free_port()
    for file in (folder / "with_pywa.py",):
        text = file.read_text(encoding="utf-8").replace(":8080", f":{api}")
        file.write_text(text, encoding="utf-8")
    text = "\n".join([begin, curl, "python with_pywa.py", *commands()])
    text = text.replace(". .venv/bin/activate\n", "")
    text = text.replace("penstock sandbox &", f"penstock sandbox --port {sandbox} &")
    text = text.replace(
        "penstock run &",
        f"export PENSTOCK_URL=http://127.0.0.1:{api}\npenstock run --listen 127.0.0.1:{api} &",
    )
    return text.replace(":8090", f":{sandbox}").replace(":8080", f":{api}")


@contextmanager
def a_shell(text: str, folder: Path) -> Generator[subprocess.Popen[str]]:
    """Run a script in a session of its own, and end all of it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: told for name, told in os.environ.items() if not name.startswith("PENSTOCK_")}
    shell = subprocess.Popen(
        ["bash", "-e", "-c", text],
        cwd=folder,
        env=kept | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield shell
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.communicate(timeout=60)


@pytest.mark.timeout(240)
def test_every_command_does_what_it_says(tmp_path: Path) -> None:
    told = tmp_path / "told.txt"
    with a_shell(f"exec > {told} 2>&1\n{script(tmp_path)}\necho ALL OF IT", tmp_path) as shell:
        status = shell.wait(timeout=200)
        printed = told.read_text(encoding="utf-8")
    assert (status, printed[-2_000:][-10:]) == (0, "ALL OF IT\n"), printed[-3_000:]
    assert '"accepted":2' in printed
    assert "pst." in printed
    assert "the books balance" in printed
