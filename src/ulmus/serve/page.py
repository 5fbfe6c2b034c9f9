"""The page of `ulmus serve`: type a text and see the words light up, or drop a file and take its predictions away."""

from __future__ import annotations

from ulmus.serve.local_page import document
from ulmus.serve.page_script import SCRIPT

__all__ = ["PAGE"]

_STYLE = """
header{margin-bottom:1.5rem}
.row{display:flex;flex-wrap:wrap;align-items:center;gap:.75rem;margin:.75rem 0}
#second{margin-top:.75rem}
#label{font-size:1.35rem;font-weight:600;overflow-wrap:anywhere}
#classes{width:100%;max-width:36rem}
#classes td:first-child{overflow-wrap:anywhere}
#classes td.track{width:45%;padding-right:0;vertical-align:middle}
@media (max-width:30rem){#classes td.track{width:25%}}
.bar{display:block;height:.6rem;min-width:1px;border-radius:3px;background:rgb(var(--for)/.7)}
#words{margin-top:2rem}
#shown{padding:.9rem 1rem;border:1px solid var(--line);border-radius:6px;line-height:1.9;max-height:60vh;overflow:auto}
.for,.against{border-radius:3px;padding:.1rem 0;text-decoration:underline 2px;text-underline-offset:.22em}
.for{background:rgb(var(--for)/var(--a,.35));text-decoration-color:rgb(var(--for))}
.against{background:rgb(var(--against)/var(--a,.35));text-decoration-style:dotted;
 text-decoration-color:rgb(var(--against))}
#strongest{margin-top:.75rem}
#strongest td:first-child{overflow-wrap:anywhere}
#drop{padding:1rem;border:2px dashed var(--line);border-radius:8px}
#drop.over{border-color:var(--accent);background:var(--field)}
#drop input[type=file]{border:0;background:none;padding:0;max-width:100%}
section{margin-top:2rem}
h2:first-child{margin-top:0}
"""
_BODY = """
<header>
<h1>Predictions</h1>
<p id="about" class="faint">Asking the server what its model predicts …</p>
</header>
<main>
<form id="entry" hidden>
<label for="token">Access token</label>
<p class="faint">This server answers those who have its token. It is kept until the page is closed.</p>
<div class="row"><input id="token" type="password" autocomplete="off" spellcheck="false" required>
<button>Continue</button></div>
</form>
<form id="ask">
<label for="text" id="text-name">Text</label>
<textarea id="text" rows="6" dir="auto" spellcheck="false" aria-describedby="hint"></textarea>
<div id="second" hidden>
<label for="text-b">Second text</label>
<textarea id="text-b" rows="4" dir="auto" spellcheck="false"></textarea>
</div>
<div class="row"><button id="go">Predict</button> <span id="hint" class="faint">or Ctrl + Enter</span></div>
</form>
<p id="status" role="status"></p>
<p id="told" role="status" class="unseen"></p>
<section id="result" aria-labelledby="result-name" hidden>
<h2 id="result-name">Prediction</h2>
<p id="label" dir="auto"></p>
<table id="classes"><caption class="unseen">Probability of each class</caption><tbody></tbody></table>
</section>
<section id="words" aria-labelledby="words-name" hidden>
<h2 id="words-name">What decided</h2>
<div class="row"><label for="class">Evidence for</label> <select id="class"></select></div>
<p class="faint"><span class="for">Underlined</span>: speaks for it.
<span class="against">Dotted</span>: speaks against it. The deeper the colour, the more it counts.</p>
<div id="shown" class="text" dir="auto" tabindex="0" role="region" aria-label="The text, with what decided"></div>
<table id="strongest"><caption class="unseen">Words that decided, strongest first</caption>
<thead><tr><th scope="col" class="faint">Strongest</th><th scope="col" class="faint number">Evidence</th></tr></thead>
<tbody></tbody></table>
</section>
<section id="files" aria-labelledby="files-name" hidden>
<h2 id="files-name">A file of texts</h2>
<div id="drop">
<label for="file">Choose a file, or drop it here</label>
<p class="faint" id="kinds"></p>
<div class="row"><input id="file" type="file"></div>
<div class="row"><label for="column">Column of the texts</label>
<input id="column" autocomplete="off" spellcheck="false" placeholder="as in training"></div>
<div class="row"><button id="send" type="button" disabled>Predict the file</button>
<a id="download" hidden>Download the predictions</a></div>
</div>
<p id="file-status" role="status"></p>
</section>
</main>
"""
PAGE = document(title="Predictions · Ulmus", body=_BODY, style=_STYLE, script=SCRIPT)
