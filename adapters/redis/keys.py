"""Every key name that is not made inside a script."""

from __future__ import annotations

from engine.model import JobKey, PortfolioId, RecipientKey

DONE_BUCKET = 4_096  # sequences of a lane whose ends are kept in one hash: part_books.lua


def tag(portfolio: PortfolioId) -> str:
    """Begin of all keys of a portfolio; the braces keep them in one hash slot."""
    return f"ps:{{{portfolio}}}:"


def meta(portfolio: PortfolioId) -> str:
    """HASH of what a slot knows of itself: part_meta.lua."""
    return f"{tag(portfolio)}meta"


def numbers(portfolio: PortfolioId) -> str:
    """ZSET of the numbers of the lanes that there are."""
    return f"{tag(portfolio)}numbers"


def idle_sources(portfolio: PortfolioId) -> str:
    """ZSET source -> since when it has no lane any more, epoch ms."""
    return f"{tag(portfolio)}idle_sources"


def lane(portfolio: PortfolioId, number: int) -> str:
    """HASH of a lane: source, sender, template, priority and its standing."""
    return f"{tag(portfolio)}lane:{number}"


def window(portfolio: PortfolioId, scope: str) -> str:
    """ZSET of who counts in a window and since when; `scope` is a sender or empty."""
    return f"{tag(portfolio)}win:{scope}"


def service(portfolio: PortfolioId) -> str:
    """ZSET of senders and who wrote to them -> until when the service window is open, epoch ms."""
    return f"{tag(portfolio)}service"


def contents(portfolio: PortfolioId, source: str) -> str:
    """LIST of a source's content versions, the first is version 1."""
    return f"{tag(portfolio)}contents:{source}"


def log(portfolio: PortfolioId) -> str:
    """STREAM of what happened: one record per chunk enqueued or batch settled."""
    return f"{tag(portfolio)}log"


def log_exported(portfolio: PortfolioId) -> str:
    """Name the STRING that keeps the id of the last log record written to a file."""
    return f"{tag(portfolio)}log_exported"


def log_lock(portfolio: PortfolioId) -> str:
    """Name the STRING that says which process exports the log now; it expires by itself."""
    return f"{tag(portfolio)}log_lock"


def cooldown(portfolio: PortfolioId, source: str, recipient: RecipientKey) -> bytes:
    """Name the STRING of a person's cooldown in a journey: until when, and whose job."""
    return f"{tag(portfolio)}cool:{source}:".encode() + recipient


def rows(portfolio: PortfolioId, source: str) -> str:
    """HASH of what a campaign's rows said: lane and first sequence -> tails of a batch."""
    return f"{tag(portfolio)}rows:{source}"


def rejects(portfolio: PortfolioId, source: str) -> str:
    """LIST of what was wrong with the rows of a campaign's uploads."""
    return f"{tag(portfolio)}rejects:{source}"


def source(portfolio: PortfolioId, name: str) -> str:
    """HASH of a source: its state, weight and books."""
    return f"{tag(portfolio)}src:{name}"


def lanes_of(portfolio: PortfolioId, source_name: str) -> str:
    """LIST of the numbers of a source's lanes."""
    return f"{tag(portfolio)}lanes_of:{source_name}"


def queue(portfolio: PortfolioId, number: int) -> str:
    """LIST of the rows of a lane."""
    return f"{tag(portfolio)}q:{number}"


def parked(portfolio: PortfolioId, number: int) -> str:
    """LIST of the rows of a lane that wait for a place."""
    return f"{tag(portfolio)}k:{number}"


def later(portfolio: PortfolioId) -> str:
    """ZSET of job -> when it comes back, of those kept aside."""
    return f"{tag(portfolio)}later"


def open_jobs(portfolio: PortfolioId) -> str:
    """HASH of the jobs that are in flight or in doubt."""
    return f"{tag(portfolio)}open"


def aside(portfolio: PortfolioId) -> str:
    """HASH of the jobs that wait alone."""
    return f"{tag(portfolio)}aside"


def _bucket(job: JobKey) -> str:
    """Return the lane and the bucket of a job, as they end a name."""
    return f"{job.lane}:{job.sequence // DONE_BUCKET}"


def done(portfolio: PortfolioId, job: JobKey) -> str:
    """HASH of a job's lane and bucket: sequence -> packed end."""
    return f"{tag(portfolio)}done:{_bucket(job)}"


def dead_rows(portfolio: PortfolioId) -> str:
    """HASH of the rows of jobs that failed for good: part_dead.lua."""
    return f"{tag(portfolio)}dead_rows"


def dead_at(portfolio: PortfolioId) -> str:
    """ZSET of the jobs whose rows are kept -> when they failed, epoch ms."""
    return f"{tag(portfolio)}dead_at"


def replays(portfolio: PortfolioId, job: JobKey) -> str:
    """HASH of a job's lane and bucket: `as JOB` -> what replays it, `of JOB` -> what it replays."""
    return f"{tag(portfolio)}replays:{_bucket(job)}"


def traces(portfolio: PortfolioId, job: JobKey) -> str:
    """HASH of a job's lane and bucket: sequence -> its caller's trace, packed."""
    return f"{tag(portfolio)}traces:{_bucket(job)}"


def traced(portfolio: PortfolioId) -> str:
    """ZSET lane and bucket with traces -> until when they are kept, epoch ms."""
    return f"{tag(portfolio)}traced"


def doubts(portfolio: PortfolioId) -> str:
    """ZSET job -> when its doubt time is over, epoch ms."""
    return f"{tag(portfolio)}doubts"


def dead(portfolio: PortfolioId, sender: str) -> str:
    """ZSET of a sender's jobs that failed for good -> when that was noted, epoch ms."""
    return f"{tag(portfolio)}dead:{sender}"
