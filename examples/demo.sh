#!/usr/bin/env bash
# The whole path on texts that are installed anyway: which Python package is this docstring from?
#   make demo                                  or: examples/demo.sh [FOLDER]
#   make demo TEXTS="first text|second|third"  predicts texts of your choice
#   make demo MINUTES=8                        gives the training more time than its 4 minutes
# 400 labels, about 7,500 texts without one, 1,000 to judge on. Leaves FOLDER/docs.ulmus behind.
set -euo pipefail
folder=${1:-demo}
minutes=${MINUTES:-4}
texts=${TEXTS:-"Find the shortest path between two nodes, following edges of least weight.|Draw a line through the points in the colour and style given, and return the artist.|Estimate the accuracy of a classifier by fitting it on some folds and scoring it on the others."}

run() { # show a command as one would type it, then run it
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
printf '\nThe model is %s. Ask it more: echo "your text" | .venv/bin/ulmus predict %s -\n' "$folder/docs.ulmus" "$folder/docs.ulmus"
