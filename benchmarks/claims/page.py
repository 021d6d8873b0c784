"""The page: every claim with its verdict, every experiment with its figures and plots, in one HTML file.

One idea: it is made from the document of a run alone, so it can be written again from a committed result, and it says
what a reader needs who has just heard the lecture: the claim, what was done, what came out, what that means. There are
no scripts and nothing is fetched; the numbers behind each plot are in the page too. Read `run.py` for the document.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from recipe.report.plot import Plot
from recipe.report.style import STYLE

from .experiment import Experiment
from .judge import Judged, JudgedFigure, JudgedOrder, State, number, verdicts
from .lecture import CLAIMS, TERMS
from .run import experiments, found_in, judged_in

__all__ = ["page"]

_MORE_STYLE = """
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6em; font-size: .85rem;
  font-weight: 600; white-space: nowrap; }
.holds { color: var(--good); } .fails { color: var(--bad); } .outside, .against { color: var(--doubt); }
.unmeasured { color: var(--soft); }
blockquote { margin: .5rem 0; padding: .1rem 0 .1rem 1rem; border-left: .25rem solid var(--faint); }
section.experiment { border-top: 1px solid var(--faint); margin-top: 3rem; }
nav a { margin-right: .8rem; } td.numbers { font-variant-numeric: tabular-nums; white-space: nowrap; }
.note { border-left: .25rem solid var(--doubt); background: var(--card); padding: .4rem 1rem; margin: 1rem 0; }
"""

_BADGES = {
    State.HOLDS: ("holds", "holds"),
    State.FAILS: ("fails", "fails"),
    State.OUTSIDE: ("outside", "outside its band"),
    State.NOT_MEASURED: ("unmeasured", "not measured"),
}


def page(document: Mapping[str, Any]) -> str:
    """The HTML of a run's document."""
    judged = judged_in(document)
    body = "\n".join(
        [
            _header(document, judged),
            "<main>",
            _how_to_read(document),
            _claims(judged),
            _terms(),
            *(_experiment(key, document, judged[key]) for key in document["experiments"]),
            _failed(document),
            _machine(document),
            "</main>",
            "<footer><p>Written by <code>python -m benchmarks claims</code>.</p></footer>",
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Tips for Deep Learning, measured</title>\n<style>{STYLE}{_MORE_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _(text: Any) -> str:
    return escape(str(text))


def _badge(state: State) -> str:
    kind, words = _BADGES[state]
    return f"<span class='badge {kind}'>{words}</span>"


# The top of the page


def _header(document: Mapping[str, Any], judged: Mapping[str, Judged]) -> str:
    states = [verdict.state for verdict in verdicts(judged, list(CLAIMS)).values()]
    measured = [state for state in states if state is not State.NOT_MEASURED]
    seeds = document["seeds"]
    links = "".join(f"<a href='#{key}'>{key} {_(e['title'])}</a>" for key, e in document["experiments"].items())
    how = "a quick run, " if document["quick"] else ""
    return (
        "<header>\n<h1>Tips for Deep Learning, measured</h1>\n"
        f"<p>Of the lecture's {len(CLAIMS)} claims {len(measured)} were tested: "
        f"{sum(s is State.HOLDS for s in measured)} hold, {sum(s is State.FAILS for s in measured)} fail.</p>\n"
        f"<p class='soft'>{how}{len(seeds)} seed{'s' if len(seeds) > 1 else ''} "
        f"({', '.join(map(str, seeds))}), {document['seconds'] / 60:.0f} minutes, {_(document['date'][:10])}</p>\n"
        f"<nav>{links}</nav>\n</header>"
    )


def _how_to_read(document: Mapping[str, Any]) -> str:
    missing = (
        "<p>This was a quick run: fewer networks, fewer updates. Its figures are not those of the full run, and bands "
        "that were set for the full run may be missed.</p>"
        if document["quick"]
        else ""
    )
    return (
        "<h2>How to read this</h2>\n<p>Each claim of the lecture was turned into comparisons, such as <em>the training "
        "error of the deeper network is larger</em>. A comparison holds when it holds for every seed: another draw of "
        "the digits, the first weights, the order of the batches and the masks. A claim holds when all its comparisons "
        "do. Figures stand beside what another implementation measured in the same set-up, and beside a band that "
        "allows for chance; a figure outside its band is a warning, not a failure. Where measurement contradicts the "
        f"notes, a box says so.</p>{missing}"
    )


def _claims(judged: Mapping[str, Judged]) -> str:
    rows = []
    for key, verdict in verdicts(judged, list(CLAIMS)).items():
        claim = CLAIMS[key]
        where = [e for e in judged if key in experiments()[e].claims]
        links = " ".join(f"<a href='#{e}'>{e}</a>" for e in where)
        notes = [f"fails: {_(text)}" for text in verdict.fails]
        notes += [f"against the notes: {_(text)}" for text in verdict.against]
        if verdict.outside:
            notes.append(f"{len(verdict.outside)} figure{'s' if len(verdict.outside) > 1 else ''} outside the band")
        rows.append(
            f"<tr id='{key}'><th scope='row'>{key}</th><td><strong>{_(claim.title)}</strong><br>{_(claim.says)}"
            + "".join(f"<br><span class='soft'>{note}</span>" for note in notes)
            + f"</td><td>{_badge(verdict.state)}</td><td>{links}</td></tr>"
        )
    return (
        "<h2>The claims</h2>\n<div class='wide'><table><thead><tr><th></th><th>The lecture says</th><th>Measured</th>"
        f"<th>Where</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _terms() -> str:
    items = "".join(
        f"<tr><th scope='row'>{_(word)}</th><td lang='zh'>{_(term)}</td></tr>" for word, term in TERMS.items()
    )
    return f"<details><summary>The lecture's terms</summary><table><tbody>{items}</tbody></table></details>"


# An experiment


def _experiment(key: str, document: Mapping[str, Any], judged: Judged) -> str:
    experiment: Experiment = experiments()[key]
    of_run = document["experiments"][key]
    quotes = "".join(
        f"<blockquote><p><a href='#{claim}'>{claim}</a> {_(CLAIMS[claim].says)}</p></blockquote>"
        for claim in experiment.claims
    )
    parts = [
        f"<section class='experiment' id='{key}'>\n<h2>{key} {_(experiment.title)}</h2>",
        f"<h3>The lecture says</h3>{quotes}",
        f"<h3>What was done</h3><p>{_(experiment.setup)}</p>",
        _orders([order for order in judged.orders if not order.against]),
        _against([order for order in judged.orders if order.against]),
        f"<p>{_(experiment.remark)}</p>" if experiment.remark else "",
        _figures(judged.figures),
        *(_plot(plot) for plot in experiment.plots(found_in(document, key))),
        f"<p class='soft'>{of_run['seconds']:.0f} s of one core.</p></section>",
    ]
    return "\n".join(part for part in parts if part)


def _orders(orders: Iterable[JudgedOrder]) -> str:
    rows = "".join(
        f"<tr><td>{order.claim}</td><td>{_(order.says)}</td><td class='numbers'>{_shown(order)}</td>"
        f"<td>{_badge(order.state)}</td></tr>"
        for order in orders
    )
    if not rows:
        return ""
    return (
        "<h3>What must hold, and does it?</h3>\n<div class='wide'><table><thead><tr><th></th><th>Comparison</th>"
        f"<th>In each seed</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _shown(order: JudgedOrder) -> str:
    """The numbers of each seed; once where they are the same in all."""
    lines = list(dict.fromkeys(order.shown.values()))
    marked = {order.shown[seed] for seed in order.failed_in}
    return "<br>".join(f"<span class='fails'>{_(line)}</span>" if line in marked else _(line) for line in lines)


def _against(orders: Iterable[JudgedOrder]) -> str:
    held = [order for order in orders if order.state is State.HOLDS]
    other = [order for order in orders if order.state is State.FAILS]
    notes = [f"<p><strong>Against the notes.</strong> {_(o.says)}: {_shown(o)}</p>" for o in held]
    notes += [f"<p>Expected, and not seen: {_(o.says)}: {_shown(o)}</p>" for o in other]
    return "".join(f"<div class='note'>{note}</div>" for note in notes)


def _figures(figures: Iterable[JudgedFigure]) -> str:
    rows = "".join(
        f"<tr><td>{figure.claim}</td><td>{_(figure.what)}</td><td class='number'>{_(_measured(figure))}</td>"
        f"<td class='number'>{_(figure.reference)}</td><td class='number'>{_(_band(figure))}</td>"
        f"<td>{_badge(figure.state) if _band(figure) or not figure.values else ''}</td></tr>"
        for figure in figures
    )
    if not rows:
        return ""
    return (
        "<h3>Figures</h3>\n<div class='wide'><table><thead><tr><th></th><th>Figure</th><th class='number'>Measured</th>"
        "<th class='number'>Reference</th><th class='number'>Band</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _measured(figure: JudgedFigure) -> str:
    """The mean over the seeds with their range, as in "90.9 [90.8, 91.0]"."""
    values = [math.nan if value is None else value for value in figure.values.values()]
    if not values:
        return ""
    mean = math.fsum(values) / len(values)
    if len(set(values)) == 1 or math.isnan(mean):
        known = [value for value in values if not math.isnan(value)]
        lost = len(values) - len(known)
        return number(mean) if not lost or not known else f"{', '.join(map(number, known))}; {lost} not a number"
    return f"{number(mean)} [{number(min(values))}, {number(max(values))}]"


def _band(figure: JudgedFigure) -> str:
    low, high = figure.low, figure.high
    if low is not None and high is not None:
        return f"{number(low)} to {number(high)}" if low != high else number(low)
    return "" if low is high else f"from {number(low)}" if high is None else f"up to {number(high)}"


def _plot(plot: Plot) -> str:
    svg = plot.svg.replace("<svg", f'<svg role="img" aria-label="{_(plot.alt)}"', 1)
    csv = base64.b64encode(plot.csv().encode()).decode()
    link = f'<a download="{plot.name}.csv" href="data:text/csv;base64,{csv}">CSV</a>'
    return (
        f'<figure id="{_(plot.name)}">\n<h3>{_(plot.title)}</h3>\n{svg}\n'
        f"<figcaption>{_(plot.caption)} Numbers: {link}.</figcaption>\n</figure>"
    )


# The end of the page


def _failed(document: Mapping[str, Any]) -> str:
    items = "".join(
        f"<li>{_(f['experiment'])} {_(f['part'])}, seed {f['seed']}<pre>{_(f['error'])}</pre></li>"
        for f in document["failed"]
    )
    return f"<h2>Parts that failed</h2><ul>{items}</ul>" if items else ""


def _machine(document: Mapping[str, Any]) -> str:
    about = document["machine"]
    text = (
        f"{about['processor']['model']}, {about['cores_usable']} cores; {about['system']}; {about['python']}; "
        f"NumPy {about['numpy']}; commit {about['commit']}"
    )
    return f"<h2>Machine</h2><p>{_(text)}</p>"
