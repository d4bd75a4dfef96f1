"""What the documents say of settings is what the code does: each name, default, range, effect."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.knobs import NAMES, Settings
from adapters.settings import NOT_SETTINGS, PREFIX, REMEDIES, check_settings, effective
from tests.architecture.source_tree import HOUSE, ROOT, dotted, python_files, short, tree_of

DOCUMENTS = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "deploy").rglob("*.*"),
        ROOT / "Makefile",
        ROOT / "benchmarks/README.md",
    ]
    if path.is_file()
)
VARIABLE = re.compile(rf"\b{PREFIX}[A-Z_]*[A-Z]\b")
ROW = re.compile(r"^\| (`PENSTOCK_.*?) \| (.*?) \| (.*) \|$", re.MULTILINE)

UNSET = "\u2013"  # a dash
# A default that a number does not tell, and the words the README has for it.
IN_WORDS = {
    "api_key": UNSET,
    "meta_app_secret": UNSET,
    "meta_verify_token": UNSET,
    "gates_off": UNSET,
    "secret_key": "made at first start",
    "phone_salt": "made at first start",
    "guard_seconds": "window \u00d7 300/86400",
    "doubt_seconds": "per category",
    "export_dir": "data dir",
    "data_dir": "`./.penstock`",
    "send_timeout_seconds": "`20` (authentication 10)",
}
ONLY_ENVIRONMENT = {
    "PENSTOCK_CONFIG": "`./penstock.toml`",
    "PENSTOCK_URL": "`http://127.0.0.1:8080`",
}


def told_defaults() -> dict[str, str]:
    """Return what the README's table says: variable -> default."""
    told: dict[str, str] = {}
    for names, defaults, _ in ROW.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        variables = re.findall(r"`(PENSTOCK_\w+)`", names)
        parts = defaults.split(" · ") if len(variables) > 1 else [defaults]
        if len(parts) == 1:
            parts *= len(variables)
        told |= dict(zip(variables, parts, strict=True))
    return told


def test_the_table_has_each_setting_with_its_default() -> None:
    shown = {row.name: row.shown for row in effective(Settings())}
    wanted = {PREFIX + name.upper(): IN_WORDS.get(name, f"`{shown[name]}`") for name in NAMES}
    assert told_defaults() == wanted | ONLY_ENVIRONMENT


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_a_document_names_no_variable_that_nobody_reads(path: Path) -> None:
    named = set(VARIABLE.findall(path.read_text(encoding="utf-8", errors="replace")))
    settings = {PREFIX + name.upper() for name in NAMES}
    assert {name for name in named - settings if not NOT_SETTINGS.fullmatch(name)} <= {
        "PENSTOCK_CHAOS_ROUNDS",  # of the Makefile itself
    }


def attributes_read(folder: str) -> Iterator[str]:
    """Yield the last name of each attribute that the code of a room reads."""
    for path in python_files(folder):
        if short(path) not in {"adapters/knobs.py", "adapters/settings.py"}:
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.Attribute) and dotted(node.value).endswith("settings"):
                    yield node.attr


def names_behind(attribute: str) -> set[str]:
    """Return the settings that an attribute of Settings tells of: itself, or what it is made of."""
    tree = tree_of(ROOT / "adapters/knobs.py")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == attribute:
            inner = [each for each in ast.walk(node) if isinstance(each, ast.Attribute)]
            own = {each.attr for each in inner if dotted(each.value) == "self"}
            return set[str]().union(*(names_behind(each) for each in own))
    return {attribute}


def test_every_setting_has_an_effect() -> None:
    read = {
        name for folder in HOUSE for each in attributes_read(folder) for name in names_behind(each)
    }
    assert set(NAMES) - read == set()


NUMBERS = [name for name in NAMES if isinstance(getattr(Settings(), name), int | float)]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_too_large_is_refused_with_the_largest_one(name: str) -> None:
    """What a remedy tells is what is checked: the number it names as the most is taken."""
    (problem,) = [each for each in _problems(name, 10**18) if each.startswith(name)]
    most = re.search(r"(?:at most|to|up to) ([\d,]+)", problem)
    assert most, problem
    largest = int(most[1].replace(",", ""))
    assert [each for each in _problems(name, largest) if each.startswith(name)] == []
    assert [each for each in _problems(name, largest + 1) if each.startswith(name)] != []


def _problems(name: str, number: float) -> list[str]:
    return check_settings(Settings(**{name: number}))  # type: ignore[arg-type]  # a number


def test_every_remedy_is_of_a_setting() -> None:
    assert REMEDIES.keys() <= set(NAMES)
