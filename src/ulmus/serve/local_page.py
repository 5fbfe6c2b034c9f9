"""A page of a local server: one document whose policy allows its own style and script by their hashes, and no others.

Nothing comes from elsewhere, nothing may be framed, and the script cannot turn text into markup (Trusted Types): texts
enter the page by `textContent` alone. Colours follow the light or dark theme. Knows no page in particular.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import NamedTuple

__all__ = ["STYLE", "LocalPage", "document"]

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1b1b;--faint:#5f6368;--line:#d3d6da;--field:#fafbfc;
 --accent:#0b57a4;--on-accent:#fff;--bad:#a50e0e;--for:20 110 220;--against:230 110 0}
@media (prefers-color-scheme:dark){:root{--paper:#161618;--ink:#e6e6e6;--faint:#a3a8ae;--line:#3c4045;
 --field:#1e1f22;--accent:#8ab8f0;--on-accent:#10151c;--bad:#f4a09a;--for:70 150 255;--against:255 140 30}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:56rem;padding:1.5rem 1.25rem 3rem;background:var(--paper);color:var(--ink);
 font:1rem/1.55 system-ui,sans-serif}
h1{font-size:1.35rem;line-height:1.3;margin:0}
h2{font-size:1.05rem;margin:2rem 0 .5rem}
p{margin:.4rem 0}
a{color:var(--accent)}
.faint{color:var(--faint);font-size:.9rem}
.bad{color:var(--bad)}
label{font-weight:600}
textarea,input,select{font:inherit;color:inherit;background:var(--field);border:1px solid var(--line);
 border-radius:6px;padding:.5rem .65rem}
textarea{display:block;width:100%;resize:vertical}
input,select{max-width:100%}
button{font:inherit;font-weight:600;color:var(--on-accent);background:var(--accent);border:1px solid var(--accent);
 border-radius:6px;padding:.45rem 1rem;cursor:pointer}
button.quiet{color:var(--accent);background:none}
button:disabled{opacity:.5;cursor:default}
::file-selector-button{font:inherit;color:var(--accent);background:none;border:1px solid var(--accent);
 border-radius:6px;padding:.3rem .8rem;margin-right:.75rem;cursor:pointer}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse}
th,td{padding:.15rem .9rem .15rem 0;text-align:left;font-weight:normal;vertical-align:top}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
[hidden]{display:none!important}
@media (prefers-reduced-motion:no-preference){*{transition:background-color .2s}}
""".strip()


class LocalPage(NamedTuple):
    """A document and the Content-Security-Policy to send with it."""

    html: bytes
    policy: str


def document(*, title: str, body: str, style: str = "", script: str = "") -> LocalPage:
    """A page of markup that the program wrote itself; `style` is added to `STYLE`. The title is escaped."""
    sheet = f"{STYLE}\n{style.strip()}"
    html = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{sheet}</style>\n</head>\n<body>\n{body.strip()}\n"
        f"<script>{script}</script>\n</body>\n</html>\n"
    )
    policy = (
        f"default-src 'none'; style-src {_hash(sheet)}; script-src {_hash(script)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return LocalPage(html.encode(), policy)


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
