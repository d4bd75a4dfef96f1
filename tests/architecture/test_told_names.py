"""What the documents name is there: words of the code, files, links, Redis keys, metrics."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source_tree import HOUSE, ROOT, lua_files, python_files, short
from tests.edge.test_prometheus_names import BESIDE, PROMISED

DOCUMENTS = [
    *(ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks/README.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]
RECORDS = sorted((ROOT / "docs/adr").glob("*.md"))  # they tell of their day: only links must hold
SPAN = re.compile(r"`([^`\n]+)`")
WORD = re.compile(r"\b[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+\b")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"(?:adapters|benchmarks|deploy|docs|engine|tests)/[\w./-]*\w|test_\w+\.py")
KEY = re.compile(r"ps:(?:\{portfolio\}:)?([a-z_]+(?::[a-z_]+)?)")
METRIC = re.compile(r"\bpenstock_[a-z_]+[a-z]\b")

# Words of the documents that stand in no file of ours as they are.
MADE_OF_PARTS = {
    *("closed_pair", "closed_template", "closed_sender", "waiting_GATE"),
    *("job_failed", "job_retry", "job_in_doubt", "job_repeat", "job_unknown", "job_undelivered"),
    *("sender_changed", "waba_changed", "portfolio_changed"),
}
OF_OTHERS = {
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "sentinel_username",
    "sentinel_password",
}
NO_METRICS = {"penstock_settle", "penstock_claim"}  # names of functions in Redis

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=short)


@cache
def words_of_the_code() -> frozenset[str]:
    """Return every word of the code, of the scripts, of what is deployed; and the tests' names."""
    files = [*python_files(*HOUSE, "benchmarks"), *lua_files(), *(ROOT / "deploy").rglob("*.*")]
    files += [*(ROOT / "adapters/console/static").iterdir(), ROOT / "pyproject.toml"]
    texts = [path.read_text(encoding="utf-8") for path in files if path.is_file()]
    names = {path.stem for path in python_files("tests")}
    return frozenset(re.findall(r"\w+", "\n".join(texts))) | names


@every_document
def test_a_word_of_the_code_is_one(path: Path) -> None:
    spans = " ".join(SPAN.findall(path.read_text(encoding="utf-8")))
    settings = {word for word in WORD.findall(spans) if word.startswith("PENSTOCK_")}
    unknown = set(WORD.findall(spans)) - words_of_the_code() - MADE_OF_PARTS - OF_OTHERS - settings
    assert unknown == set()


@pytest.mark.parametrize("path", [*DOCUMENTS, *RECORDS], ids=short)
def test_a_link_leads_somewhere(path: Path) -> None:
    links = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    dead = [link for link in links if not (path.parent / link.partition("#")[0]).exists()]
    assert dead == []


@every_document
def test_a_file_that_is_named_is_there(path: Path) -> None:
    spans = SPAN.findall(path.read_text(encoding="utf-8"))
    named = {file for span in spans for file in FILE.findall(span)}
    tests = {each.name for each in (ROOT / "tests").rglob("test_*.py")}
    assert {file for file in named if not ((ROOT / file).exists() or file in tests)} == set()


@every_document
def test_a_redis_key_is_one(path: Path) -> None:
    spans = " ".join(SPAN.findall(path.read_text(encoding="utf-8")))
    names = {part for name in KEY.findall(spans) for part in name.split(":")}
    assert names - words_of_the_code() == set()


@every_document
def test_a_metric_is_one(path: Path) -> None:
    suffixes = {"counter": ["_total"], "histogram": ["", "_bucket", "_sum", "_count"]}
    known = {
        name + suffix
        for name, (kind, _) in (PROMISED | BESIDE).items()
        for suffix in suffixes.get(kind, [""])
    }
    named = set(METRIC.findall(path.read_text(encoding="utf-8")))
    assert {name for name in named - known if name not in NO_METRICS} == set()


def test_a_planted_name_is_found() -> None:
    assert "worker_married" not in words_of_the_code()
    assert WORD.findall("`worker_married`: PENSTOCK_X and x_1") == [
        *("worker_married", "PENSTOCK_X", "x_1")
    ]
    assert KEY.findall("ps:{portfolio}:dead:SENDER ps:registry:leads:*") == [
        *("dead", "registry:leads")
    ]
    assert FILE.findall("`tests/edge/test_x.py`, docs/adr/") == ["tests/edge/test_x.py", "docs/adr"]
