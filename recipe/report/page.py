"""The page: a run told from top to bottom, verdict first, in one HTML file that needs nothing else.

One idea: everything that comes from a run is escaped, what is not text stands in the page as SVG, there are no scripts,
and nothing is fetched. Read `write.py` next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ..diagnose.words import shown
from ..history import flat, kept
from ..metrics import error_percent, in_percent
from .plot import Plot
from .style import STYLE

__all__ = ["page"]


def page(run: Mapping[str, Any], name: str, plots: Sequence[Plot], links: Mapping[str, str], missing: str = "") -> str:
    """The HTML of a run's report.

    `links` are addresses, relative to the page, of each plot's CSV by the plot's name, and of further files by words
    for them. `missing` says what could not be shown, and why.
    """
    files = {words: link for words, link in links.items() if words not in {plot.name for plot in plots}}
    sections = [
        _header(run, name),
        "<main>",
        _verdict(run.get("diagnosis") or {}),
        _numbers(run),
        "<h2>Plots</h2>" if plots else "",
        *(_figure(plot, links.get(plot.name)) for plot in plots),
        f"<p class='soft'>{_(missing)}</p>" if missing else "",
        _model(run),
        _table("Configuration", flat(dict(run.get("config") or {}))),
        *(_table("Machine before a resume", flat(dict(machine))) for machine in run.get("machines_before") or ()),
        _table("Machine", flat(dict(run.get("machine") or {}))),
        _files(files),
        "</main>",
        "<footer><p>Written by <code>python -m recipe report</code>.</p></footer>",
    ]
    body = "\n".join(section for section in sections if section)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_(_title(run))}: {_(name)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _(text: Any) -> str:
    return escape(str(text))


def _title(run: Mapping[str, Any]) -> str:
    return str((run.get("diagnosis") or {}).get("title") or "Run")


def _header(run: Mapping[str, Any], name: str) -> str:
    status = run.get("status") or "unknown"
    stop = f"; {_(run['stop'])}" if run.get("stop") else ""
    steps = f"; steps {_(run['steps']['text'])}" if run.get("steps") else ""
    return f"<header>\n<h1>{_(name)}</h1>\n<p class='soft'>Training run, {_(status)}{stop}{steps}</p>\n</header>"


def _verdict(d: Mapping[str, Any]) -> str:
    if not d:
        return "<section class='verdict doubt' id='verdict'><h2>No diagnosis</h2></section>"
    mark = {"fine": "good", "undecided": "doubt"}.get(d["verdict"], "bad")
    parts = [
        f"<section class='verdict {mark}' id='verdict'>",
        f"<h2>Verdict: {_(d['title'])}</h2>",
        f"<p>{_(d['meaning'])}</p>",
    ]
    parts += [
        f"<p>{_(line)}</p>" for line in [d.get("applies"), *(d.get("because") or ()), *(d.get("notes") or ())] if line
    ]
    parts.append(f"<h3>What to do</h3><p>{_(d['remedy'])}</p>")
    if d.get("change"):
        parts.append(f"<p>Try <code>{_(d['change'])}</code></p>")
    parts.append("</section>")
    if d.get("evidence"):
        parts.append(f"<h2>What was seen</h2>{_evidence(d['evidence'])}")
    if d.get("ruled_out"):
        items = "".join(f"<tr><td>{_(row['title'])}</td><td>{_(row['why'])}</td></tr>" for row in d["ruled_out"])
        parts.append(
            f"<details><summary>Ruled out before that ({len(d['ruled_out'])})</summary><div class='wide'><table>"
            f"<thead><tr><th>What it could have been</th><th>Why it is not</th></tr></thead><tbody>{items}</tbody>"
            "</table></div></details>"
        )
    return "\n".join(parts)


def _evidence(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for row in rows:
        value = line = ""
        if row["sign"]:
            value = shown(row["value"], row["unit"])
            line = f"{'above' if row['sign'] == '>' else 'below'} {shown(row['threshold'], row['unit'])}"
        fired = "<td class='fired'>yes</td>" if row["fired"] else f"<td>{_(_NOT_FIRED.get(row['state'], 'no'))}</td>"
        lines.append(
            f"<tr><td>{_(row['what'])}</td><td class='number'>{_(value)}</td>"
            f"<td class='number'>{_(line)}</td>{fired}</tr>"
        )
    return (
        "<div class='wide'><table><thead><tr><th>Measurement</th><th class='number'>Value</th>"
        "<th class='number'>A problem "
        f"if</th><th>Is it?</th></tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


_NOT_FIRED = {"ruled out": "no", "too close to call": "too close to call", "not measured": "not measured"}


def _numbers(run: Mapping[str, Any]) -> str:
    test, records = run.get("test") or {}, run.get("epochs") or []
    last, tested = records[-1] if records else {}, kept(run)
    selected = (run.get("evidence") or {}).get("selected_epoch")
    numbers = {
        "test error": _percent(test.get("error_percent")),
        "validation error": _percent(error_percent(tested.get("val_accuracy"))),
        "training error": _percent(error_percent(tested.get("train_accuracy"))),
        "test loss": None if test.get("loss") is None else f"{test['loss']:.4f}",
        "selected epoch": None if selected is None or not records else str(tested["epoch"] + 1),
        "epochs": str(len(records)) if records else None,
        "updates": f"{last['step']:,}" if last.get("step") else None,
        "parameters": f"{run['parameters']:,}" if run.get("parameters") else None,
        "time": f"{run['seconds']:.0f} s" if run.get("seconds") else None,
    }
    items = "".join(f"<div><dt>{_(name)}</dt><dd>{_(value)}</dd></div>" for name, value in numbers.items() if value)
    return f"<dl class='numbers'>{items}</dl>" if items else ""


def _percent(value: float | None) -> str | None:
    return None if value is None else in_percent(value)


def _figure(plot: Plot, link: str | None) -> str:
    narrow = " class='narrow'" if plot.name == "confusion" else ""
    svg = plot.svg.replace("<svg", f'<svg{narrow} role="img" aria-label="{_(plot.alt)}"', 1)
    csv = f' Numbers: <a href="{_(link)}">CSV</a>.' if link else ""
    return (
        f'<figure id="{_(plot.name)}">\n<h3>{_(plot.title)}</h3>\n{svg}\n'
        f"<figcaption>{_(plot.caption)}{csv}</figcaption>\n</figure>"
    )


def _model(run: Mapping[str, Any]) -> str:
    return f"<h2>Network</h2><pre>{_(run['model'])}</pre>" if run.get("model") else ""


def _table(title: str, entries: Iterable[tuple[str, Any]]) -> str:
    rows = "".join(f"<tr><th scope='row'>{_(key)}</th><td>{_(_value(value))}</td></tr>" for key, value in entries)
    if not rows:
        return ""
    return (
        f"<details><summary>{_(title)}</summary><div class='wide'><table><tbody>{rows}</tbody></table></div></details>"
    )


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _files(links: Mapping[str, str]) -> str:
    if not links:
        return ""
    items = "".join(f'<li><a href="{_(link)}">{_(words)}</a></li>' for words, link in links.items())
    return f"<h2>Files</h2><ul>{items}</ul>"
