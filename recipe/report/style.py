"""How a page looks: the style sheet that every page of ours has inside, for light and dark.

One idea: colours are named by what they mean (paper, ink, good, bad, doubt), and a page that wants more adds its own
rules after these. Read `page.py` next.
"""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2329; --soft: #59636e; --faint: #d8dee4; --card: #f6f8fa;
  --good: #00694d; --bad: #a84700; --doubt: #7a5b00; --link: #0059a3; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e4e8ec; --soft: #a2acb6; --faint: #363e47;
  --card: #1c2229; --good: #4fd1a5; --bad: #ff9d5c; --doubt: #f0c94d; --link: #79bdff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 60rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; } footer { padding-bottom: 3rem; color: var(--soft); font-size: .9rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .4rem; }
p { margin: .4rem 0; } a { color: var(--link); } .soft { color: var(--soft); }
.verdict { border: 1px solid var(--faint); border-left: .5rem solid var(--mark); background: var(--card);
  padding: 1rem 1.25rem; border-radius: .4rem; margin-top: 1.5rem; }
.verdict h2 { margin: 0 0 .5rem; color: var(--mark); font-size: 1.35rem; }
.good { --mark: var(--good); } .bad { --mark: var(--bad); } .doubt { --mark: var(--doubt); }
dl.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem;
  margin: 1.25rem 0 0; }
dl.numbers div { background: var(--card); border: 1px solid var(--faint); border-radius: .4rem; padding: .6rem .8rem; }
dl.numbers dt { color: var(--soft); font-size: .85rem; } dl.numbers dd { margin: 0; font-size: 1.25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--faint); }
th { font-weight: 600; } td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th.number { text-align: right; } td.fired { color: var(--bad); font-weight: 600; white-space: nowrap; }
code, pre { font: .9em/1.45 ui-monospace, monospace; }
code { background: var(--card); border: 1px solid var(--faint); border-radius: .25rem; padding: .1em .35em; }
pre { background: var(--card); border: 1px solid var(--faint); border-radius: .4rem; padding: .75rem 1rem;
  overflow-x: auto; }
figure { margin: 2.25rem 0 0; } figure h3 { margin: 0 0 .5rem; }
figure svg { display: block; width: 100%; max-width: 46rem; height: auto; }
figure svg.narrow { max-width: 30rem; }
svg text { fill: currentColor; font-family: system-ui, sans-serif; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem; }
details { margin: 1rem 0; } summary { cursor: pointer; font-weight: 600; }
"""
