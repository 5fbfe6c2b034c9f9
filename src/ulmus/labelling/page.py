"""The labelling page: its markup and style; the script is in `page_script.py`, the frame in `serve/local_page.py`.

Texts, classes and names enter it by the script alone, as text. Usable with the keyboard, a screen reader, or thumbs.
Knows no texts.
"""

from __future__ import annotations

from html import escape

from ulmus.labelling.page_script import SCRIPT
from ulmus.serve.local_page import LocalPage, document

__all__ = ["page"]

STYLE = """
body{display:flex;flex-direction:column;min-height:100vh;min-height:100dvh;padding-top:1rem;padding-bottom:1.25rem}
header{display:grid;grid-template-columns:1fr auto;gap:.35rem 1rem;align-items:baseline}
h1{font-size:1.1rem;overflow-wrap:anywhere}
h1 span{font-weight:normal;color:var(--faint)}
.tools{display:flex;gap:.4rem;flex-wrap:wrap}
button{transition:none}
button.quiet{border-color:var(--line);font-weight:500;padding:.3rem .7rem}
kbd{font:600 .8em ui-monospace,monospace;border:1px solid var(--line);border-radius:4px;padding:.05em .4em;
 color:var(--faint);background:var(--paper)}
#counted{display:flex;gap:.9rem;align-items:center;grid-column:1/-1;font-variant-numeric:tabular-nums}
#bar{flex:1;height:.4rem;border:0;border-radius:99px;background:var(--line);overflow:hidden;appearance:none}
#bar::-webkit-progress-bar{background:var(--line)}
#bar::-webkit-progress-value{background:var(--accent);border-radius:99px}
#bar::-moz-progress-bar{background:var(--accent);border-radius:99px}
#models{grid-column:1/-1;margin:0}
main{flex:1;display:flex;flex-direction:column;gap:.9rem;margin-top:1rem;min-height:0}
#notice{margin:0;padding:.5rem .8rem;border:1px solid currentColor;border-radius:6px}
#card{border:1px solid var(--line);border-radius:10px;background:var(--field);display:flex;flex-direction:column}
#text{font-size:1.12rem;line-height:1.65;padding:1.1rem 1.3rem;min-height:9rem;max-height:52vh;overflow:auto;
 border-radius:10px 10px 0 0}
#text:focus{outline:none;box-shadow:inset 3px 0 var(--accent)}
#text.done{font-size:1rem}
#about{margin:0;padding:.55rem 1.3rem;border-top:1px solid var(--line);min-height:2.6rem}
mark{color:inherit;border-radius:3px;padding:1px 0;text-decoration-thickness:2px;text-underline-offset:4px}
mark.for{background:rgb(var(--for)/var(--a));text-decoration:underline solid rgb(var(--for)/.9) 2px}
mark.against{background:rgb(var(--against)/var(--a));text-decoration:underline dotted rgb(var(--against)) 2px}
#classes{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.5rem}
#classes button{display:grid;grid-template-columns:auto 1fr auto;gap:.1rem .6rem;align-items:center;text-align:left;
 color:var(--ink);background:var(--field);border-color:var(--line);padding:.6rem .7rem .55rem;min-height:3.1rem}
#classes button:hover{border-color:var(--accent)}
#classes button.guess{border-color:var(--accent);box-shadow:inset 0 0 0 1px var(--accent)}
#classes .name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
#classes .share{font-weight:normal;color:var(--faint);font-size:.9rem;font-variant-numeric:tabular-nums}
#classes .line{grid-column:1/-1;height:3px;border-radius:2px;background:rgb(var(--for)/.75);width:calc(1%*var(--p))}
#under{display:flex;gap:.5rem 1rem;flex-wrap:wrap;align-items:baseline;justify-content:space-between}
#last{margin:0;overflow-wrap:anywhere;flex:1 1 16rem;overflow:hidden;display:-webkit-box;-webkit-box-orient:vertical;
 -webkit-line-clamp:2}
#typing{border:1px solid var(--line);border-radius:10px;padding:.8rem;background:var(--field)}
#typing input{width:100%;margin-top:.3rem;background:var(--paper)}
#found{list-style:none;margin:.5rem 0 0;padding:0;max-height:13rem;overflow:auto}
#found li{padding:.3rem .6rem;border-radius:6px;cursor:pointer;overflow-wrap:anywhere}
#found li[aria-selected=true]{background:var(--accent);color:var(--on-accent)}
dialog{border:1px solid var(--line);border-radius:10px;background:var(--paper);color:var(--ink);max-width:38rem;
 width:calc(100% - 2rem);padding:1.3rem 1.5rem}
dialog::backdrop{background:rgb(0 0 0/.45)}
dialog h2{margin-top:1.2rem}
dialog h2:first-child{margin-top:0}
dialog .close{float:right}
dialog table{font-size:.95rem}
code{font:.88rem/1.5 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
.command{display:block;padding:.6rem .8rem;border:1px solid var(--line);border-radius:6px;background:var(--field)}
@media (max-width:40rem){
 body{padding:.75rem .75rem 0}
 #text{padding:.9rem 1rem;font-size:1.05rem;max-height:46vh}
 #about{padding:.5rem 1rem}
 #classes{grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr))}
 #hands{position:sticky;bottom:0;background:var(--paper);padding:.5rem 0 .75rem;display:flex;flex-direction:column;
  gap:.6rem;border-top:1px solid var(--line)}
 #hands #classes{max-height:34vh;overflow:auto}
 #card{flex:1}
 #text{flex:1}
 header .tools kbd,#under kbd,#classes kbd{display:none}
 #classes button{grid-template-columns:1fr auto}
 #last{-webkit-line-clamp:1}
 #under .tools{flex:1 1 100%}
 #under .tools button{flex:1;padding:.55rem .4rem}
}
@media (min-width:40.01rem){#hands{display:flex;flex-direction:column;gap:.9rem}}
"""
_KEYS = (
    ("1 … 9", "label the text"),
    ("/ or n", "another class: type its beginning, or the name of a new one"),
    ("Enter", "agree with the guess"),
    ("z or u", "take back the last answer; again for the one before"),
    ("s", "skip: the text comes again when no other is left"),
    ("r", "let the quick model learn from all labels now"),
    ("g", "hide or show guesses"),
    ("?", "this help"),
)
_BODY = """
<header>
 <h1>TITLE <span id="who"></span></h1>
 <div class="tools">
  <button id="retrain" class="quiet" aria-keyshortcuts="r"><span>Retrain</span> <kbd>r</kbd></button>
  <button id="help" class="quiet" aria-keyshortcuts="?">Help <kbd>?</kbd></button>
 </div>
 <div id="counted"><progress id="bar" value="0" max="1" aria-label="Labelled"></progress><span id="count"></span></div>
 <p id="models" class="faint"></p>
</header>
<main>
 <p id="notice" class="bad" role="alert" hidden></p>
 <div id="card">
  <article id="text" class="text" dir="auto" tabindex="-1" aria-label="Text to label"></article>
  <p id="about" class="faint"></p>
 </div>
 <div id="hands">
  <div id="classes" role="group" aria-label="Classes"></div>
  <div id="typing" hidden>
   <label for="name">Class</label>
   <input id="name" role="combobox" aria-expanded="true" aria-controls="found" aria-autocomplete="list"
    autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="100">
   <ul id="found" role="listbox" aria-label="Classes that begin so"></ul>
  </div>
  <div id="under">
   <p id="last" class="faint"></p>
   <div class="tools">
    <button id="other" class="quiet" aria-keyshortcuts="/">Other class <kbd>/</kbd></button>
    <button id="skip" class="quiet" aria-keyshortcuts="s">Skip <kbd>s</kbd></button>
    <button id="undo" class="quiet" aria-keyshortcuts="z">Undo <kbd>z</kbd></button>
   </div>
  </div>
 </div>
</main>
<dialog id="more" aria-labelledby="keys">
 <button id="close" class="quiet close">Close</button>
 <h2 id="keys">Keys</h2>
 <table>KEYS</table>
 <h2>Order</h2>
 <p>One text in five is drawn at random, to measure how often the model is right. The others are those from which it
 learns most: at first typical ones of each kind; then those that it is undecided about, that differ, and that have
 words which no labelled text has.</p>
 <h2>So far</h2>
 <table id="tally"></table>
 <table id="people"></table>
 <h2>At the end</h2>
 <p>Stop the server with Ctrl-C. Every answer is on the disk already. A classifier learns from them with:</p>
 <p><code id="command" class="command"></code></p>
 <p>Somebody else can label at the same time: at this address, with another name after <code>?who=</code>.</p>
</dialog>
<p id="said" class="unseen" aria-live="polite"></p>
<noscript><p class="bad">This page needs JavaScript.</p></noscript>
"""


def page(title: str) -> LocalPage:
    """The page for a file of this name."""
    keys = "".join(
        f"<tr><td><kbd>{escape(key)}</kbd></td><td>{escape(does)}</td></tr>" for key, does in _KEYS
    )
    body = _BODY.replace("TITLE", escape(title)).replace("KEYS", keys)
    return document(title=f"Label {title}", body=body, style=STYLE, script=SCRIPT)
