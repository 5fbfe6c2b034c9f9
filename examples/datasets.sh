#!/usr/bin/env bash
# One command per data set, on the files as published by their authors: six formats, four writing systems.
#   examples/datasets.sh NAME|all        NAMEs: chinese thai german emotions newsgroups trec
# DATA: folder of the data sets (default $ULMUS_DATA or ../shared/data)   OUT: output folder (default runs)
# MINUTES: time budget per training (default 8). Each run prints the scores of the language model, of word counts and
# of both combined on a held-out set; if the authors publish a development set, `evaluate` scores on that.
set -euo pipefail
DATA=${DATA:-${ULMUS_DATA:-../shared/data}}
OUT=${OUT:-runs}
MINUTES=${MINUTES:-8}

train() { # NAME FILE OPTION...
  printf '\n== %s: ulmus train %s\n' "$1" "${*:2}"
  ulmus train "$DATA/$2" "${@:3}" --minutes "$MINUTES" --out "$OUT/$1.ulmus"
}

evaluate() { # NAME FILE OPTION...
  printf '\n== %s: ulmus evaluate %s\n' "$1" "${*:2}"
  ulmus evaluate "$OUT/$1.ulmus" "$DATA/$2" "${@:3}"
}

chinese() { # hotel reviews, csv; no spaces between words: the subwords of the bundled Chinese model
  train chinese chnsenticorp/train.csv --text review --label label --tokenizer unigram
}

thai() { # social media, compressed JSON lines; no spaces between words
  train thai wisesight_th/train.jsonl.xz --text texts --label category --tokenizer unigram
  evaluate thai wisesight_th/valid.jsonl.xz --text texts --label category
}

german() { # tweets, tab-separated, without header or quotes; columns by number
  train german germeval2018/germeval2018.training.txt --format tsv --no-header --no-quoting --text 0 --label 1
}

emotions() { # multi-label, labels separated by commas
  train emotions goemotions/train.tsv --text text --label label --label-delimiter ,
  evaluate emotions goemotions/dev.tsv --text text --label label --label-delimiter ,
}

newsgroups() { # long documents with their headers, compressed csv, 20 classes
  train newsgroups 20newsgroups/train.csv.xz --text text --label label
}

trec() { # "COARSE:fine text" lines in Latin-1; the coarse label
  train trec trec/train.txt --format text --label first-word-to-colon --encoding latin-1
}

[[ $# = 1 ]] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }
mkdir -p "$OUT"
case $1 in
  all) for name in chinese thai german emotions newsgroups trec; do "$name"; done ;;
  chinese | thai | german | emotions | newsgroups | trec) "$1" ;;
  *) echo "Unknown example '$1'. Run $0 without arguments for usage." >&2; exit 2 ;;
esac
