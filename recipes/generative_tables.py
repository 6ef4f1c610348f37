"""Tables of the generative experiment: shares over stars and seeds from its finished cells."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np

from spectype.judge.metrics import wilson

RARE = "OB"


def overall(found: list[dict], way: str) -> dict:
    """Share of types right over all left-out stars: what the rare types cost the others."""
    by_seed = []
    for seed in sorted({c["seed"] for c in found if c["way"] == way}):
        mine = [c for c in found if c["way"] == way and c["seed"] == seed]
        by_seed.append(float(np.mean([a == b for c in mine for a, b in zip(c["true"], c["said"])])))
    kept_rules = {name: kept(found, way, rule) for name, rule in ASKED.items()}
    return {"value": float(np.mean(by_seed)), "by_seed": by_seed, **kept_rules}


def a_supergiant(star: dict) -> bool | None:
    """Is a supergiant of B7 to A5 typed within three subclasses? None for other stars."""
    code = star["true_code"]
    if star["luminosity"] != "I" or code is None or not 17.0 <= code <= 25.0:
        return None
    return bool(abs(star["said_code"] - code) <= 3.0)


def metal_poor_giant(star: dict) -> bool | None:
    """Is a giant of [Fe/H] below -1.5 typed F or cooler? None for other stars."""
    giant = star["luminosity"] in ("I", "II", "III")
    if star["feh"] is None or star["feh"] >= -1.5 or not giant:
        return None
    return bool(star["said_code"] >= 30.0)


ASKED = {"supergiants": a_supergiant, "metal-poor giants": metal_poor_giant}


def kept(found: list[dict], way: str, rule: Callable[[dict], bool | None]) -> dict | None:
    """Share of the stars that a rule asks about which keep it, over all libraries left out."""
    names = ("true_code", "said_code", "luminosity", "feh")
    shares, n = [], 0
    for seed in sorted({c["seed"] for c in found if c["way"] == way}):
        mine = [c for c in found if c["way"] == way and c["seed"] == seed]
        rows = [dict(zip(names, row)) for c in mine for row in zip(*(c[k] for k in names))]
        answers = [a for a in map(rule, rows) if a is not None]
        n = len(answers)
        shares.append(float(np.mean(answers)) if answers else math.nan)
    value = estimate(shares, n)
    return None if value is None else {"n": n, **value}


def entry(found: list[dict], way: str, scope: str, t: str) -> dict:
    """One line: a way, a library or all, a type.

    The intervals count stars: with the mean over seeds as the share, and as many trials as
    stars (not stars times seeds). The spread over seeds stands beside them.
    """
    mine = [c for c in found if c["way"] == way and scope in ("all", c["library"])]
    seeds = sorted({c["seed"] for c in mine})
    recall, precision, called = [], [], []
    n = 0
    for seed in seeds:
        pairs = [p for c in mine if c["seed"] == seed for p in zip(c["true"], c["said"])]
        n = sum(a == t for a, _ in pairs)
        hits, said = sum(a == b == t for a, b in pairs), sum(b == t for _, b in pairs)
        recall.append(hits / n if n else math.nan)
        called.append(said)
        precision.append(hits / said if said else math.nan)
    return {
        "way": way, "library": scope, "type": t, "stars": n, "seeds": len(seeds),
        "recall": estimate(recall, n), "precision": estimate(precision, float(np.mean(called))),
    }  # fmt: skip


def estimate(values: list[float], trials: float) -> dict | None:
    """Mean over seeds, Wilson's 95 % interval over stars, standard deviation over seeds."""
    known = [v for v in values if math.isfinite(v)]
    if not known:
        return None
    value = float(np.mean(known))
    low, high = wilson(value * trials, trials)
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return {"value": value, "low": float(low), "high": float(high), "seed_spread": spread}


def markdown(
    entries: list[dict],
    types: dict,
    *,
    settings: dict,
    libraries: list[str],
    titles: dict[str, str],
) -> str:
    """The tables."""
    text = [
        "# O and B stars of libraries left out",
        "",
        f"Settings: `{json.dumps(settings)}`.",
    ]
    text += ["", "Shares are means over seeds; in brackets the 95 % interval over stars, after the",
             "sign the standard deviation over seeds.", ""]  # fmt: skip
    for scope in ("all", *libraries):
        chosen = [e for e in entries if e["library"] == scope]
        if not chosen:
            continue
        counts = {e["type"]: e["stars"] for e in chosen}
        title = "All libraries" if scope == "all" else f"Without {scope}"
        text += [f"## {title}: {', '.join(f'{n} {t}' for t, n in counts.items())}", "",
                 "| training | seeds | O recall | O precision | B recall | B precision | types |",
                 "|---|---|---|---|---|---|---|"]  # fmt: skip
        for way in dict.fromkeys(e["way"] for e in chosen):
            line = {e["type"]: e for e in chosen if e["way"] == way}
            values = [show(line[t][what]) for t in RARE for what in ("recall", "precision")]
            right = f"{types[way]['value']:.3f}" if scope == "all" else ""
            text.append(f"| {titles[way]} | {line[RARE[0]]['seeds']} | {' | '.join(values)} "
                        f"| {right} |")  # fmt: skip
        text.append("")
    text += [
        "## Supergiants of B7 to A5 within three subclasses; metal-poor giants not hotter than F"
    ]
    text += ["", "| training | supergiants | metal-poor giants |", "|---|---|---|"]
    for way, of in types.items():
        values = [f"{show(v)} of {v['n']}" if (v := of[name]) else "-" for name in ASKED]
        text.append(f"| {titles[way]} | {' | '.join(values)} |")
    return "\n".join([*text, ""])


def show(value: dict | None) -> str:
    """A share with its interval and spread."""
    if value is None:
        return "-"
    spread = "" if value["seed_spread"] is None else f" ± {value['seed_spread']:.2f}"
    return f"{value['value']:.2f} ({value['low']:.2f}-{value['high']:.2f}){spread}"
