"""Make campaign.csv: 1,000 rows on libphonenumber's example numbers of 200 regions, some bad."""

import csv
import random
import sys
from pathlib import Path

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

ROWS = 1_000
REGIONS = 200
REPEATS = 24
NAMES = (
    *("Ada", "Amina", "Anaïs", "Björn", "Chidi", "Chloë", "Dmitri", "Émile", "Fatima", "Giulia"),
    *("Hồng", "Ingrid", "Jürgen", "João", "Kwame", "Lucía", "Mei", "Mónica", "Noor", "Özlem"),
    *("Paweł", "Quỳnh", "Renée", "Søren", "Tomáš", "Ülle", "Víctor", "Wanjiku", "Xóchitl", "Zoë"),
    *("أمل", "Ольга", "नेहा", "さくら", "민준", "小明", "Ελένη", "דוד", "สมชาย", "O'Brien"),
)
MALFORMED = (
    ["", "Nobody", "EMPTY-TO"],
    ["not a number", "Wordy", "TEXT-1"],
    ["+0151 2345678", "Zero", "ZERO-1"],
    ["+4915", "Short", "SHORT1"],
    ["+4915112345678901234", "Long", "LONG-1"],
    ["(415) 555-0132", "National", "NATL-1"],
    ["+491510000001", "", "NONAME"],
    ["+491510000002", "Two\nlines", "BREAK1"],
    ["+491510000003", "Tab\tbed", "TAB-01"],
    ["+491510000004", "Wide      gap", "GAP-01"],
    ["+491510000005", "Short row"],
    ["+491510000006", "Long row", "LONG-2", "one too many", "two"],
)


def numbers() -> list[tuple[str, str]]:
    """Return region and E.164 number: each region's mobile example, then its neighbours."""
    examples: list[tuple[str, int]] = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
        example = example or phonenumbers.example_number(region)
        if example is not None:
            text = phonenumbers.format_number(example, PhoneNumberFormat.E164)
            if len(text) > 8:
                examples.append((region, int(text[1:])))
    found: dict[str, str] = {}
    step = 0
    while len(found) < ROWS:
        for region, number in examples[:REGIONS]:
            found.setdefault(f"+{number + step}", region)
        step += 1
    return [(region, number) for number, region in list(found.items())[:ROWS]]


def rows(rng: random.Random) -> list[list[str]]:
    """Return the file's rows: mostly good, some repeats, and each kind of malformed once."""
    good = ROWS - REPEATS - len(MALFORMED)
    made = [
        [number, rng.choice(NAMES), f"{region}-{rng.randrange(10_000):04}", region]
        for region, number in numbers()[:good]
    ]
    for number, name, code, region in rng.sample(made, REPEATS):
        written = number if rng.random() < 0.5 else number.removeprefix("+")  # one person
        made.insert(rng.randrange(len(made)), [written, name, code, region])
    for bad in MALFORMED:
        whole = [*bad, "XX"] if len(bad) == 3 else bad
        made.insert(rng.randrange(len(made)), whole)
    return made


def main() -> None:
    """Write the file beside this script."""
    path = Path(__file__).with_name("campaign.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["to", "first_name", "code", "region"])
        writer.writerows(rows(random.Random(2026)))
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
