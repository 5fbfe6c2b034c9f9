#!/usr/bin/env bash
# The whole workflow on texts that every installation has: which Python package is this docstring from?
#   make demo                                  or: examples/demo.sh [FOLDER]
#   make demo TEXTS="first text|second|third"  predicts your own texts
#   make demo MINUTES=8                        sets the time budget of the training (default 4)
# 400 labelled texts, about 7,500 unlabelled ones, 1,000 test texts. Writes FOLDER/docs.ulmus.
set -euo pipefail
folder=${1:-demo}
minutes=${MINUTES:-4}
texts=${TEXTS:-"Find the shortest path between two nodes, following edges of least weight.|Draw a line through the points in the colour and style given, and return the artist.|Estimate the accuracy of a classifier by fitting it on some folds and scoring it on the others."}

run() { # print a command as it would be typed, then run it
  printf '\n$'
  for word in "$@"; do case $word in *[[:space:]]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac; done
  printf '\n'
  "$@"
}

run python -m ulmus.demo "$folder"
run ulmus models
run ulmus generate en-small "The city of" --words 30 --samples 2 --seed 1
run ulmus train "$folder/train.csv" --text text --label label --unlabeled "$folder/unlabeled.csv" \
  --minutes "$minutes" --out "$folder/docs.ulmus"
run ulmus evaluate "$folder/docs.ulmus" "$folder/test.csv" --text text --label label
printf '%s\n' "$texts" | tr '|' '\n' >"$folder/questions.txt"
printf '\n$ cat %s\n' "$folder/questions.txt"
cat "$folder/questions.txt"
run ulmus predict "$folder/docs.ulmus" "$folder/questions.txt"
printf '\nThe model is %s. Try it: echo "your text" | .venv/bin/ulmus predict %s -\n' "$folder/docs.ulmus" "$folder/docs.ulmus"
