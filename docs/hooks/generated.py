"""Fill the pages with what is generated: the command line, the properties, the models' cards, the result cards.

A page says where with a comment, `<!-- generated: commands -->`; what replaces it comes from the package and from
`benchmarks/results`, so that no table or figure is kept by hand.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import RESULTS, cell, result_card, table  # MkDocs runs a hook as a file, not as a module of a package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryskit.benchmark.compare import Gain
    from cryskit.predict.card import Card

_PAPER = {
    "formation_energy_per_atom": 0.086,
    "band_gap": 0.467,
    "fermi_energy": 0.471,
    "total_magnetization": 0.530,
    "bulk_modulus": 0.080,
    "shear_modulus": 0.105,
    "poisson_ratio": 0.035,
}
_PAPER_GAINS = {"cgcnn": 16.20, "crysxpp": 12.21, "gatgnn": 8.02, "alignn": 4.19}
MARK = re.compile(r"<!-- generated: (\w+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every mark of a page (called by MkDocs for each page)."""
    return MARK.sub(lambda found: _part(found[1]), markdown)


def _part(name: str) -> str:
    try:
        return PARTS[name]()
    except FileNotFoundError:  # a run has left no result card
        return "*The run has not been made yet.*"


def commands() -> str:
    """Return the reference of every verb, from the same declarations as `--help`."""
    command = [sys.executable, "-m", "typer", "cryskit.cli", "utils", "docs", "--name", "cryskit"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return text.partition("\n")[2]  # the page has a title of its own


def properties() -> str:
    """Return the table of properties."""
    from cryskit.properties import load  # noqa: PLC0415

    learned = {p.name: " or ".join(p.classes) or p.transform.replace("none", "") for p in load().values()}
    rows = [
        (f"`{p.name}`", p.symbol, p.unit or "none", learned[p.name], p.functional, p.description)
        for p in load().values()
    ]
    return table(["name", "symbol", "unit", "learned as", "functional", "what it is"], rows)


def data() -> str:
    """Return the table of the bundled data sets, from their cards."""
    from cryskit.data.sources import sources  # noqa: PLC0415

    rows = [
        (f"`{s.name}`", s.title, s.rows, ", ".join(f"`{p}`" for p in s.properties), f"doi {s.doi}", s.licence)
        for s in sources().values()
    ]
    return table(["name", "what is in it", "crystals", "properties", "cite", "licence"], rows)


def models() -> str:
    """Return one section per published model, from its card."""
    from cryskit.predict.card import read_card  # noqa: PLC0415
    from cryskit.predict.published import models as published  # noqa: PLC0415

    cards = {name: read_card(path) for name, path in published().items()}
    return "\n\n".join(model(name, card) for name, card in cards.items()) or "*No model has been published yet.*"


def model(name: str, card: Card) -> str:
    """Return the section of one model: what it is, what it predicts and how well."""
    from cryskit.predict.card import without_folders  # noqa: PLC0415

    columns = list(dict.fromkeys(metric for metrics in card.metrics.values() for metric in metrics))
    rows = [
        (f"`{p.name}`", p.unit or "none", *(card.metrics.get(p.name, {}).get(metric) for metric in columns))
        for p in card.properties
    ]
    facts = [
        ("encoder", flat(card.encoder)),
        ("graph", flat(card.spec.__dict__)),
        ("data", flat(without_folders(card.data))),
        ("split", flat(card.split)),
        ("crystals", flat(card.rows)),
        ("licence", card.licence),
        ("cite", "; ".join(card.citation)),
    ]
    lines = [f"- {key}: {', '.join(f'{k} {cell(v)}' for k, v in value.items())}" for key, value in facts[:5]]
    lines += [f"- {key}: {value}" for key, value in facts[5:] if value]
    errors = [table(["property", "unit", *columns], rows)] if rows else []
    return "\n\n".join([f"## `{name}`", card.description, *errors, "\n".join(lines)])


def results() -> str:
    """Return one section per result card of the benchmarks."""
    cards = sorted(RESULTS.glob("*.json"))
    if not cards:
        return "*No result card has been recorded yet.*"
    return "\n\n".join(section(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in cards)


def few_labels() -> str:
    """Return the errors of every arm, and the paired differences from scratch, from the summary of the few-label runs."""
    card = result_card("few-labels-summary")
    arms = ("scratch", "start", "selector", "magpie", "mean")
    rows = [
        [f"{row['percent']} %", row["property"].replace("_", " "), *(_spread(row, arm) for arm in arms)]
        for row in card["errors"]
    ]
    errors = table(["train", "property", "scratch", "CrysAE start", "with selector", "Magpie, trees", "mean"], rows)
    changes = [
        [
            f"{row['percent']} %",
            row["property"].replace("_", " "),
            row["arm"],
            f"{row['change_percent']:+.1f} %",
            f"{row['low']:+.1f} to {row['high']:+.1f} %",
            row["seeds"],
        ]
        for row in card["differences"]
    ]
    head = ["train", "property", "arm", "change of the error from scratch", "95 % interval", "seeds"]
    return f"Mean absolute errors (log10 GPa for the moduli), mean over seeds ± standard deviation:\n\n{errors}\n\n{table(head, changes)}"


def _spread(row: Mapping[str, Any], arm: str) -> str:
    if row.get(arm) is None:
        return ""
    deviation = row.get(f"{arm}_sd")
    return f"{row[arm]:.3g}" + (f" ± {deviation:.1g}" if deviation else "")


def crysxpp() -> str:
    """Return the test errors of the published few-label model and those of the paper."""
    card = result_card("accuracy-crysxpp")
    rows = [
        (
            row["property"].replace("_", " "),
            row["unit"],
            row["mae"],
            f"{row['mae_low']:.3g} to {row['mae_high']:.3g}",
            _PAPER[row["property"]],
            row["mean_deviation"],
            row["crystals"],
        )
        for row in card["test"]
    ]
    return table(["property", "unit", "MAE", "95 % interval", "paper", "guessing the mean", "test crystals"], rows)


def debias() -> str:
    """Return the errors of every way to an experimental gap."""
    errors = result_card("debias")["mae"]
    ways = [way for way in errors["leave one out"] if way != "experiment"]
    rows = [(way, *(errors[which][way]["mae"] for which in errors)) for way in ways]
    return table(["predicted by", *errors], rows)


def selector() -> str:
    """Return what the selectors keep, how stable that is over seeds, and at which error."""
    card = result_card("selector")
    rows = []
    for name, arm in card["summary"]["arms"].items():
        errors, ranks = arm["validation_mae"], arm.get("spearman_of_seen_bits", {})
        kept = [
            " to ".join(str(edge(arm[what])) for edge in (min, max)) if what in arm else "all"
            for what in ("bits", "blocks")
        ]
        rows.append([name, *kept, ranks.get("mean"), ranks.get("least"), *errors.values(), *arm["test_mae"].values()])
    names = [name.replace("_", " ") for name in next(iter(card["summary"]["arms"].values()))["validation_mae"]]
    errors_of = [f"{part} MAE, {name}, log10 GPa" for part in ("validation", "test") for name in names]
    head = ["selector and penalty", "bits kept", "blocks", "rank correlation over seeds", "the least", *errors_of]
    seen, chosen = card["summary"]["bits_seen_in_training"], card["summary"]["penalty_by_one_standard_error"]
    note = f"{seen} of the 92 element features occur in the training crystals; the rank correlation is of those. One standard error chooses {chosen}."
    return f"{table(head, rows)}\n\n{note}"


def reconstruction() -> str:
    """Return the losses of CrysAE and of the yard-sticks."""
    card = result_card("reconstruction")
    rows = [(row["of"], row["validation"], row["published"]) for row in card["losses"]]
    return table(["loss", "validation crystals", "published"], rows)


def streaming() -> str:
    """Return rates and peak memory of pre-training on generated corpora of two sizes."""
    card = result_card("streaming")
    rows = [
        (
            corpus["crystals"],
            corpus["gigabytes_of_graphs"],
            corpus["building"]["crystals_per_cpu_second"],
            corpus["training"]["epoch_crystals_per_second"],
            corpus["building"]["peak_mib"],
            corpus["training"]["peak_mib"],
        )
        for corpus in card["corpora"]
    ]
    rates = ["built per second of a core", "trained per second"]
    peaks = ["peak memory building, MiB", "reading and training, MiB"]
    return table(["crystals", "graphs, GB", *rates, *peaks], rows)


def describing() -> str:
    """Return how much sooner crystals are described, and in the same words."""
    card = result_card("describe")
    return (
        f"On {card['crystals']} crystals of the bundled sets and examples, in one run of one process, describing took "
        f"{card['library_seconds_per_crystal']:.2f} s of processor time per crystal as the library comes and "
        f"{card['cryskit_seconds_per_crystal']:.2f} s here: {card['ratio']:.1f} times less (median "
        f"{card['ratio_median']:.1f}, least {card['ratio_least']:.1f}). The words were the same for {card['same_words']} of them."
    )


def crysmmnet() -> str:
    """Return the test errors of the published model that reads descriptions and of the same network without."""
    cards = [result_card("accuracy-crysmmnet"), result_card("accuracy-crysmmnet-graph")]
    rows = [
        (read["property"].replace("_", " "), read["unit"], *map(_error, (read, plain)), read["crystals"])
        for read, plain in zip(*(card["test"] for card in cards), strict=True)
    ]
    return table(["property", "unit", "crysmmnet", "without words", "test crystals"], rows)


def _error(row: Mapping[str, Any]) -> str:
    return f"{row['mae']:.3g} ({row['mae_low']:.3g} to {row['mae_high']:.3g})"


def retrieval() -> str:
    """Return how often a crystal is found by its own words."""
    card = result_card("retrieval")
    ways = ("crystal by words", "words by crystal")
    rows = [
        (name, found["descriptions"], *(share for way in ways for share in found[way].values()))
        for name, found in card["recall"].items()
    ]
    shares = [f"{way}, recall {at}" for way in ways for at in ("at 1", "at 10")]
    return table(["descriptions", "different ones", *shares], rows)


def phrases() -> str:
    """Return for which share of the crystals that a phrase finds first it is true."""
    rows = [
        (kind, found["phrases"], found["among the first 10"], found["among all"])
        for kind, found in result_card("retrieval")["phrases"].items()
    ]
    return table(["phrases with", "phrases", "true of the first 10", "true of all"], rows)


def zoo() -> str:
    """Return how much faster than plain ones the networks of the zoo are, and what memory an epoch takes."""
    card = result_card("speed-amd-epyc-2c-zoo-2t")
    rows = [
        (
            row["stage"],
            row["variant"],
            row["per_second"],
            row["reference_per_second"],
            f"{row['ratio']:.1f} ({row['ratio_least']:.1f} to {row['ratio_most']:.1f})",
            row.get("peak_mib"),
            row.get("reference_peak_mib"),
        )
        for row in card["stages"]
    ]
    rates = ["crystals/s", "reference, crystals/s", "ratio (range)"]
    return table(["stage", "variant", *rates, "peak memory, MiB", "reference, MiB"], rows)


def probe() -> str:
    """Return what linear probes read out of frozen encoders."""
    card = result_card("probe")
    asked = {
        "space_group_accuracy": "space group",
        "crystal_system_accuracy": "crystal system",
        "element_accuracy": "element of an atom",
        "density_mae": "density, MAE in g/cm³",
    }
    rows = [(f"`{row['model']}`", row["weights"], *(row[key]["probe"] for key in asked)) for row in card["probes"]]
    guess = card["probes"][0]
    guessed = [value for key in asked for what, value in guess[key].items() if what != "probe"]
    return table(["encoder", "weights", *asked.values()], [*rows, ("most frequent, or mean", "", *guessed)])


def benchmark(name: str, *, paper: bool = False) -> str:
    """Return errors and gains of a benchmark with one data set and one fraction, from its collected card."""
    from cryskit.benchmark.collected import BenchmarkCard  # noqa: PLC0415

    card = BenchmarkCard.model_validate(result_card(name))
    names = list(dict.fromkeys(row.property for row in card.errors))
    means = {(row.encoder, row.regime, row.property): row.mean for row in card.errors}
    errors = [
        (encoder, regime, *(means.get((encoder, regime, name)) for name in names))
        for encoder, regime in dict.fromkeys((row.encoder, row.regime) for row in card.errors)
    ]
    gained = {(row.encoder, row.regime, row.property): row for row in card.gains}
    gains = [
        (
            encoder,
            regime,
            *(_interval(gained.get((encoder, regime, name))) for name in (*names, "mean")),
            *([_PAPER_GAINS.get(encoder) if regime == "distilled" else ""] if paper else []),
        )
        for encoder, regime in dict.fromkeys((row.encoder, row.regime) for row in card.gains)
    ]
    plain = [name.replace("_", " ") for name in names]
    shown = table(["network", "gain of, %", *plain, "mean", *(["the paper's mean gain"] if paper else [])], gains)
    return f"{table(['network', 'regime', *plain], errors)}\n\n{shown}"


def _interval(row: Gain | None) -> str:
    return f"{row.gain:.1f} ({row.low:.1f} to {row.high:.1f})" if row else ""


def section(name: str, card: Mapping[str, Any]) -> str:
    """Return a result card as Markdown: its plain entries as a list to unfold, each list of records as a table."""
    tables = {
        key: value for key, value in card.items() if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    plain = flat({key: value for key, value in card.items() if key not in {*tables, "title"}})
    facts = "\n".join(
        f"    - {key}: {_yes(value) if isinstance(value, bool) else cell(value)}" for key, value in plain.items()
    )
    heading = f"## {card.get('title', name.replace('_', ' '))}"
    parts = [heading, f'??? note "Card {name}: command, data, machine"\n\n{facts}']
    for key, records in tables.items():
        columns = list(dict.fromkeys(column for record in records for column in flat(record)))
        rows = [[flat(record).get(column) for column in columns] for record in records]
        parts += [f"**{key.replace('_', ' ')}**", table([c.replace("_", " ") for c in columns], rows)]
    return "\n\n".join(part for part in parts if part)


def _yes(value: bool) -> str:  # noqa: FBT001 - a value of a card
    return "yes" if value else "no"


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Return the leaves of nested mappings, their names joined by spaces."""
    leaves: dict[str, object] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}".replace("_", " ")
        leaves |= flat(value, f"{name} ") if isinstance(value, dict) else {name: value}
    return leaves


PARTS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "crysmmnet": crysmmnet,
    "crysxpp": crysxpp,
    "data": data,
    "debias": debias,
    "distillation": partial(benchmark, "distillation", paper=True),
    "distillation_05": partial(benchmark, "distillation-05"),
    "distillation_80": partial(benchmark, "distillation-80", paper=True),
    "distillation_elastic": partial(benchmark, "distillation-elastic"),
    "describing": describing,
    "experiment": lambda: section("experiment", result_card("experiment")),
    "few_labels": few_labels,
    "reconstruction": reconstruction,
    "models": models,
    "probe": probe,
    "properties": properties,
    "results": results,
    "phrases": phrases,
    "retrieval": retrieval,
    "selector": selector,
    "streaming": streaming,
    "words": partial(benchmark, "words"),
    "words_all": partial(benchmark, "words-all"),
    "zoo": zoo,
}
